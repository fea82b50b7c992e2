"""An old month of postings is taken out of the way and put back; while it is away nothing is computed without it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from click.testing import Result
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from clearinghouse.holds.service import release_overdue
from clearinghouse.ledger.checks import check_ledger
from clearinghouse.ledger.service import ensure_partitions, stop_postings
from clearinghouse.partitions.service import attach_month, detach_month, list_partitions
from settlement.approvals.service import approve
from settlement.checks.service import check_settlement
from settlement.proofs.service import prove_all
from settlement.proposals.service import propose
from settlement.rollup.queries import store_periods
from settlement.rollup.service import keep_months
from settlement.states.rules import APPROVED
from settlement.terms.rules import ON_REDEMPTION
from settlement.terms.service import set_terms
from settlement.windows.service import cut_off, publish
from tenants.foundation import clock
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import ClearinghouseError, Conflict, Unavailable
from tenants.foundation.months import add_months
from tenants.staff.rules import APPROVER, PREPARER
from tests.conftest import ROOT, NetworkForTests, Till

# Before the books of any other test, so that all of them have closed it.
MONTH, NEXT = date(2019, 2, 1), date(2019, 3, 1)
IN_MONTH, IN_NEXT = "2019-02-10T12:00:00Z", "2019-03-10T12:00:00Z"
TABLE = "ledger.postings_2019_02"

Command = Callable[..., Result]


@dataclass
class OldBooks:
    """A network that has posted in MONTH: `card` earned 1000 points and used 300 of them."""

    network: NetworkForTests
    till: Till
    card: str
    accrual: str
    redemption: str

    @property
    def tenant_id(self) -> UUID:
        return self.network.tenant_id


@pytest.fixture
def books(make_network: Callable[..., NetworkForTests]) -> OldBooks:
    network = make_network(opened_on=MONTH, days_accepted_late=3650)
    till, card = network.add_till("A"), network.add_card()
    network.add_till("B")
    accrual = till.accrue(card, 100000, occurred_at=IN_MONTH).json["transfer_id"]
    redemption = network.tills["B"].redeem(card, 300, occurred_at=IN_MONTH).json["transfer_id"]
    return OldBooks(network, till, card, accrual, redemption)


@pytest.fixture
def closed(books: OldBooks) -> OldBooks:
    books.network.close(MONTH)
    return books


@pytest.fixture
def settled(books: OldBooks) -> OldBooks:
    books.network.settle(MONTH)
    return books


@contextmanager
def away(month: date = MONTH) -> Iterator[None]:
    detach_month(month)
    try:
        yield
    finally:
        if not attached(month):
            attach_month(month)


def attached(month: date) -> bool:
    return {partition.month: partition.attached for partition in list_partitions()}[month]


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(ClearinghouseError) as refused:
        call()
    return refused.value.code


def hold(books: OldBooks, points: int) -> Any:
    event = {"card": books.card, "order_ref": "old hold", "points": points, "occurred_at": IN_MONTH}
    return books.till.post("/v1/holds", event).json["hold_id"]


def test_a_month_that_was_away_is_back_as_it_was(settled: OldBooks) -> None:
    with away():
        assert not attached(MONTH)
        assert attached(NEXT)

    assert attached(MONTH)
    assert check_ledger(settled.tenant_id) == check_settlement(settled.tenant_id) == []
    assert all(proof.holds for proof in prove_all(settled.tenant_id))


def test_the_commands_say_what_they_did(closed: OldBooks, command_line: Command) -> None:
    with away():
        attached_again = command_line("partition", "attach", "2019-02", "--json")
    detached = command_line("partition", "detach", "2019-02", "--json")
    listed = command_line("partition", "list", "--json")
    attach_month(MONTH)

    assert json.loads(attached_again.stdout) == {"month": "2019-02", "table": TABLE, "is": "attached"}
    assert json.loads(detached.stdout) == {"month": "2019-02", "table": TABLE, "is": "detached"}
    by_month = {row["month"]: row["attached"] for row in json.loads(listed.stdout)}
    assert (by_month["2019-02"], by_month["2019-03"]) == (False, True)


@pytest.mark.parametrize(
    ("command", "month", "code"),
    [
        ("detach", "2019-13", "invalid_month"),
        ("attach", "February", "invalid_month"),
        ("detach", "1970-01", "partition_unknown"),
        ("attach", "1970-01", "partition_unknown"),
        ("attach", "2019-02", "partition_attached"),
        ("detach", f"{clock.now():%Y-%m}", "partition_too_young"),
        ("detach", "2019-03", "partition_open"),
    ],
)
def test_what_can_not_be_moved_is_told(
    closed: OldBooks, command_line: Command, command: str, month: str, code: str
) -> None:
    refused = command_line("partition", command, month)

    assert refused.exit_code != 0
    assert isinstance(refused.exception, ClearinghouseError)
    assert refused.exception.code == code


def test_a_month_is_detached_once(closed: OldBooks) -> None:
    with away():
        assert code_of(lambda: detach_month(MONTH)) == "partition_detached"


def test_a_month_with_a_hold_that_is_still_held_stays(books: OldBooks) -> None:
    hold(books, 100)
    books.network.close(MONTH)

    assert code_of(lambda: detach_month(MONTH)) == "partition_has_holds"
    assert attached(MONTH)
    assert release_overdue(books.tenant_id) == 1
    with away():
        assert not attached(MONTH)


def test_whoever_can_not_have_a_month_is_told_to_try_again(closed: OldBooks, owner: Engine) -> None:
    with owner.begin() as connection:
        stop_postings(connection, closed.tenant_id)
        with pytest.raises(Unavailable, match="try again"):
            detach_month(MONTH)

    with owner.begin() as connection:
        connection.execute(text("SELECT FROM ledger.postings LIMIT 1"))
        with pytest.raises(Unavailable, match="try again"):
            detach_month(MONTH)
    assert attached(MONTH)


def test_nobody_but_the_owner_gets_at_a_month_that_is_away(closed: OldBooks, application: Engine) -> None:
    with away():
        for statement in (f"SELECT FROM {TABLE}", f"UPDATE {TABLE} SET points = 1", f"DELETE FROM {TABLE}"):
            with application.begin() as connection, pytest.raises(ProgrammingError, match="permission denied"):
                connection.execute(text(statement))


@pytest.mark.parametrize("kind", ["accrual", "redemption"])
def test_a_return_waits_for_its_month_under_the_same_key(closed: OldBooks, kind: str) -> None:
    body = {"transfer_id": getattr(closed, kind)}
    before = closed.till.balance(closed.card)
    with away():
        refused = [closed.till.post("/v1/reversals", body, "one-key") for _ in range(2)]
        assert closed.till.balance(closed.card) == before
    accepted = [closed.till.post("/v1/reversals", body, "one-key") for _ in range(2)]

    assert [each.status_code for each in refused] == [409, 409]
    assert [(each.json["code"], each.json["month"]) for each in refused] == [("month_detached", "2019-02")] * 2
    assert [each.status_code for each in accepted] == [201, 201]
    assert len({each.json["transfer_id"] for each in accepted}) == 1
    assert check_ledger(closed.tenant_id) == []


def test_what_needs_no_line_of_the_month_is_told_as_ever(books: OldBooks) -> None:
    till, hold_id = books.till, hold(books, 100)
    till.reverse(books.redemption)
    release_overdue(books.tenant_id)
    books.network.close(MONTH)

    with away():
        answers = [
            till.reverse(books.redemption),
            till.reverse(books.accrual, points=1001),
            till.post(f"/v1/holds/{hold_id}/capture", {}),
        ]
        assert [answer.json["code"] for answer in answers] == ["already_reversed", "more_than_left", "hold_expired"]
        sold = till.accrue(books.card, 1000), till.redeem(books.card, 5)
        assert [answer.status_code for answer in (*sold, till.reverse(sold[1].json["transfer_id"]))] == [201] * 3
    assert check_ledger(books.tenant_id) == []


def test_a_hold_of_a_month_that_was_detached_by_hand_stays_held(books: OldBooks, owner: Engine) -> None:
    hold_id = hold(books, 100)
    books.network.close(MONTH)
    with owner.begin() as connection:
        connection.execute(text(f"ALTER TABLE ledger.postings DETACH PARTITION {TABLE}"))
    try:
        # Its hold has run out, and whoever locks the wallet tries to release it.
        assert release_overdue(books.tenant_id) == 0
        assert books.till.post(f"/v1/holds/{hold_id}/capture", {}).json["code"] == "month_detached"
        assert books.till.balance(books.card)["held"] == 100
        assert [finding.check for finding in check_ledger(books.tenant_id)] == ["months"]
    finally:
        attach_month(MONTH)
    assert release_overdue(books.tenant_id) == 1
    assert check_ledger(books.tenant_id) == []


def test_an_open_month_that_was_detached_by_hand_is_missed_too(books: OldBooks, owner: Engine) -> None:
    with owner.begin() as connection:
        connection.execute(text(f"ALTER TABLE ledger.postings DETACH PARTITION {TABLE}"))
    try:
        assert books.till.reverse(books.accrual).json["code"] == "month_detached"
        assert [finding.subject for finding in check_ledger(books.tenant_id)] == ["2019-02"]
    finally:
        attach_month(MONTH)
    assert books.till.reverse(books.accrual).status_code == 201
    books.network.close(MONTH)
    assert check_ledger(books.tenant_id) == []


WITHOUT_LINES = text("""
    SELECT count(*) FROM ledger.transfers t WHERE tenant_id = :tenant AND points > 0 AND NOT EXISTS (
        SELECT FROM ledger.postings p WHERE p.tenant_id = t.tenant_id AND p.transfer_id = t.transfer_id)
""")


def test_no_return_beside_a_detachment_posts_nothing_in_silence(
    make_network: Callable[..., NetworkForTests], owner: Engine
) -> None:
    network = make_network(opened_on=MONTH, days_accepted_late=3650)
    tills = [network.add_till(store) for store in "ABCD"]
    bought: list[list[str]] = []
    for till in tills:
        card = network.add_card()
        bought.append([till.accrue(card, 1000, occurred_at=IN_MONTH).json["transfer_id"] for _ in range(25)])
    network.close(MONTH)

    def return_all(till: Till, transfers: list[str]) -> list[tuple[int, str | None]]:
        answers = [till.reverse(transfer) for transfer in transfers]
        return [(answer.status_code, answer.json.get("code")) for answer in answers]

    def move_to_and_fro() -> int:
        for _ in range(5):
            with_patience(detach_month)
            with_patience(attach_month)
        return 5

    with ThreadPoolExecutor(len(tills) + 1) as pool:
        moved = pool.submit(in_context(network, move_to_and_fro))
        answers = [answer for each in pool.map(return_all, tills, bought) for answer in each]
        assert moved.result() == 5

    assert set(answers) <= {(201, None), (409, "month_detached")}
    assert (201, None) in answers
    assert check_ledger(network.tenant_id) == []
    with owner.begin() as connection:
        assert connection.scalar(WITHOUT_LINES, {"tenant": network.tenant_id}) == 0


def with_patience(move: Callable[[date], str]) -> None:
    while True:
        try:
            move(MONTH)
            return
        except Unavailable:
            continue


def in_context(network: NetworkForTests, function: Callable[[], int]) -> Callable[[], int]:
    def inside() -> int:
        with network.app.app_context():
            return function()

    return inside


OF_ACCRUAL = "WHERE tenant_id = :tenant AND source = 'issued'"
NOBODY = "'00000000-0000-0000-0000-00000000000a'"
# What an owner might do to it, foreign keys or not.
TAMPERINGS = {
    "points": f"UPDATE {TABLE} SET points = points + 1 {OF_ACCRUAL}",
    "funder": f"UPDATE {TABLE} SET funder_id = tenant_id {OF_ACCRUAL}",
    "day": f"UPDATE {TABLE} SET business_date = business_date + 1 {OF_ACCRUAL}",
    "month": f"UPDATE {TABLE} SET settlement_month = DATE '2019-03-01' {OF_ACCRUAL}",
    "number": f"UPDATE {TABLE} SET line = line + 1 {OF_ACCRUAL}",
    "network": f"UPDATE {TABLE} SET tenant_id = {NOBODY} {OF_ACCRUAL}",
    "transfer": f"UPDATE {TABLE} SET transfer_id = {NOBODY} {OF_ACCRUAL}",
    "a line less": f"DELETE FROM {TABLE} {OF_ACCRUAL}",
    "a line more": f"INSERT INTO {TABLE} SELECT tenant_id, settlement_month, transfer_id, line + 1, business_date, "
    f"source, source_id, target, target_id, funder_id, points, expires_on FROM {TABLE} {OF_ACCRUAL}",
    "a column less": f"ALTER TABLE {TABLE} DROP COLUMN expires_on",
    "a column more": f"ALTER TABLE {TABLE} ADD COLUMN note text",
}


@pytest.mark.parametrize("statement", TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_a_month_that_is_not_what_it_was_stays_away_until_it_is_restored(
    closed: OldBooks, owner: Engine, statement: str
) -> None:
    with away(), restored(owner):
        with owner.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text(statement), {"tenant": closed.tenant_id})
        assert code_of(lambda: attach_month(MONTH)) == "partition_differs"
        assert not attached(MONTH)
    assert check_ledger(closed.tenant_id) == []


@contextmanager
def restored(owner: Engine) -> Iterator[None]:
    """From a copy, as from a dump without constraints, however the table has ended."""
    with owner.begin() as connection:
        connection.execute(text(f"CREATE TABLE public.copied AS SELECT * FROM {TABLE}"))
    try:
        yield
    finally:
        with owner.begin() as connection:
            connection.execute(text(f"DROP TABLE IF EXISTS {TABLE}"))
            connection.execute(text(f"CREATE TABLE {TABLE} (LIKE ledger.postings INCLUDING ALL)"))
            connection.execute(text(f"INSERT INTO {TABLE} SELECT * FROM public.copied"))
            connection.execute(text("DROP TABLE public.copied"))


def test_a_month_that_was_dropped_is_missed_and_never_made_anew(
    closed: OldBooks, owner: Engine, make_network: Callable[..., NetworkForTests]
) -> None:
    with away(), restored(owner):
        with owner.begin() as connection:
            connection.execute(text(f"DROP TABLE {TABLE}"))

        [row] = [each for each in list_partitions() if each.month == MONTH]
        assert (row.attached, row.rows, row.bytes) == (False, None, None)
        assert ensure_partitions(MONTH, MONTH) == 0
        assert code_of(lambda: make_network(opened_on=MONTH)) == "month_detached"
        assert code_of(lambda: attach_month(MONTH)) == "partition_unknown"
        assert [finding.subject for finding in check_ledger(closed.tenant_id)] == ["2019-02"]
        assert closed.till.reverse(closed.accrual).json["code"] == "month_detached"
    assert check_ledger(closed.tenant_id) == []
    assert closed.till.reverse(closed.accrual).status_code == 201


def test_no_network_is_opened_in_a_month_that_is_away(
    closed: OldBooks, make_network: Callable[..., NetworkForTests]
) -> None:
    with away():
        assert code_of(lambda: make_network(opened_on=MONTH)) == "month_detached"
        assert code_of(lambda: make_network(opened_on=date(2019, 1, 1))) == "month_detached"
        make_network(opened_on=date(2020, 6, 1))


def test_newer_months_are_closed_and_approved_while_an_old_one_is_away(settled: OldBooks) -> None:
    network, till = settled.network, settled.till
    with away():
        till.accrue(settled.card, 50000, occurred_at=IN_NEXT)
        network.tills["B"].redeem(settled.card, 100, occurred_at=IN_NEXT)
        network.settle(NEXT)
        network.settle(add_months(NEXT, 1))
        verified = network.hq("GET", "/v1/settlement/windows/2019-03/settlement/verification")
        assert (verified.status_code, verified.json["holds"]) == (200, True), verified.json
        green = network.hq("GET", "/v1/settlement/windows/2019-03/checks")
        assert (green.status_code, green.json["all_green"]) == (200, True)
    assert check_ledger(settled.tenant_id) == check_settlement(settled.tenant_id) == []


def test_a_network_that_has_posted_nothing_in_the_month_misses_nothing(
    closed: OldBooks, make_network: Callable[..., NetworkForTests]
) -> None:
    other = make_network(opened_on=MONTH, days_accepted_late=3650)
    other.settle(MONTH)
    with away():
        assert check_ledger(other.tenant_id) == check_settlement(other.tenant_id) == []
        assert all(proof.holds for proof in prove_all(other.tenant_id))


def test_every_module_that_reads_postings_asks_for_their_months_first() -> None:
    """In itself, or in the service beside it."""
    readers = [path for path in (ROOT / "settlement").rglob("*.py") if READS_POSTINGS.search(path.read_text())]
    unguarded = [
        path.relative_to(ROOT).as_posix()
        for path in readers
        if not any("check_attached(" in each.read_text() for each in (path, path.with_name("service.py")))
    ]

    assert len(readers) >= 7
    assert unguarded == []


WINDOW = "/v1/settlement/windows/2019-02"
READS_POSTINGS = re.compile(r"(FROM|JOIN) ledger\.postings|import Posting\b")


@pytest.mark.parametrize(
    "path",
    [
        f"{WINDOW}/settlement/verification",
        f"{WINDOW}/checks",
        f"{WINDOW}/statements/A",
        f"{WINDOW}/statements/A/items",
        f"{WINDOW}/journal",
        # Of all months until then.
        "/v1/settlement/windows/2019-03/journal",
        "/v1/settlement/journal",
        "/v1/settlement/valuations/2019-02?final_rate=0.9",
        "/v1/settlement/valuations/2019-03?final_rate=0.9",
    ],
)
def test_whoever_reads_the_month_is_refused(settled: OldBooks, path: str) -> None:
    settled.network.settle(NEXT)
    with away():
        refused = settled.network.hq("GET", path)
        assert (refused.status_code, refused.json["code"]) == (409, "month_detached"), refused.json
        assert "partition attach 2019-02" in refused.json["detail"]

    with settled.network.hq("GET", path) as again:
        assert again.status_code == 200


def test_the_checks_say_which_months_are_away_and_nothing_else(settled: OldBooks, command_line: Command) -> None:
    with away():
        checked = command_line("ledger", "check", "-n", settled.network.code, "--json")
        verified = command_line("settlement", "verify", "--all", "-n", settled.network.code)
        one = command_line("settlement", "verify", "--month", "2019-02", "-n", settled.network.code)

    assert checked.exit_code == verified.exit_code == 1
    [finding] = json.loads(checked.stdout)
    assert (finding["check"], finding["subject"]) == ("months", "2019-02")
    assert "partition attach 2019-02" in verified.stdout
    assert isinstance(one.exception, Conflict)
    assert one.exception.code == "month_detached"


def test_sums_by_store_are_not_made_without_the_month(closed: OldBooks) -> None:
    tenant_id, today = closed.tenant_id, clock.now()
    with away():
        assert code_of(lambda: keep_months(tenant_id, [MONTH], today)) == "month_detached"
        with unit_of_work(tenant_id) as session:
            assert code_of(lambda: store_periods(session, [MONTH], [MONTH])) == "month_detached"
    keep_months(tenant_id, [MONTH], today)
    with away():
        assert keep_months(tenant_id, [MONTH], today) == 0
        assert code_of(lambda: keep_months(tenant_id, [MONTH], today, anew=True)) == "month_detached"
        with unit_of_work(tenant_id) as session:
            assert store_periods(session, [MONTH], [MONTH])


def test_a_close_that_was_interrupted_goes_on_when_the_month_is_back(books: OldBooks) -> None:
    cut_off(books.tenant_id, MONTH, "test")
    with away():
        assert code_of(lambda: publish(books.tenant_id, MONTH)) == "month_detached"
    books.network.close(MONTH)
    assert check_settlement(books.tenant_id) == []


def test_nothing_is_proposed_of_a_month_that_is_away(books: OldBooks) -> None:
    set_terms(books.tenant_id, MONTH, "test", model=ON_REDEMPTION)
    books.network.close(MONTH)
    preparer = books.network.person(PREPARER)
    with away():
        assert code_of(lambda: propose(books.tenant_id, MONTH, preparer)) == "month_detached"
    propose(books.tenant_id, MONTH, preparer)


def test_nothing_is_approved_of_a_month_that_is_away(books: OldBooks) -> None:
    books.network.propose(MONTH)
    approver = books.network.person(APPROVER)
    with away():
        assert code_of(lambda: approve(books.tenant_id, MONTH, approver)) == "month_detached"
    assert approve(books.tenant_id, MONTH, approver).state == APPROVED
