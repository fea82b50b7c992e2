"""A check that can't fail is no check: change what is kept, as the database's owner, and see just that check red."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from click.testing import Result
from sqlalchemy import Engine, text

from settlement.approvals.service import approve
from settlement.checks.service import CHECKS, check_month, check_settlement
from tenants.foundation.errors import Conflict
from tenants.staff.rules import APPROVER
from tests.conftest import NetworkForTests

JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)


@dataclass
class Books:
    """January of a network, proposed: A issued 300 points, B redeemed 50 of them and holds 20."""

    owner: Engine
    network: NetworkForTests

    def tamper(self, *statements: str, **values: Any) -> None:
        """With foreign keys switched off, as somebody would who wants to hide something."""
        with self.owner.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for statement in statements:
                changed = connection.execute(
                    text(statement), {"tenant": self.network.tenant_id, "month": JANUARY, **values}
                )
                assert changed.rowcount > 0, statement

    def red(self) -> set[str]:
        _, results = check_month(self.network.tenant_id, JANUARY)
        return {result.name for result in results if result.state == "red"}

    def approve(self) -> str:
        return approve(self.network.tenant_id, JANUARY, self.network.person(APPROVER)).state

    def code_of_refused_approval(self) -> str:
        with pytest.raises(Conflict) as refused:
            self.approve()
        return refused.value.code


@pytest.fixture
def books(owner: Engine, network: NetworkForTests, card: str) -> Books:
    a, b = network.tills["A"], network.tills["B"]
    a.accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    a.accrue(card, 20000, occurred_at="2026-01-11T12:00:00Z")
    b.redeem(card, 50, occurred_at="2026-01-12T12:00:00Z")
    hold = {"card": card, "order_ref": "held", "points": 20, "occurred_at": "2026-01-13T12:00:00Z"}
    assert b.post("/v1/holds", hold).status_code == 201
    network.tills["C"].accrue(network.add_card(), 50, occurred_at="2026-01-14T12:00:00Z")  # Half a point: none.
    network.propose(JANUARY)
    return Books(owner, network)


def test_every_check_of_untouched_books_is_green(books: Books) -> None:
    _, results = check_month(books.network.tenant_id, JANUARY)

    assert [(result.name, result.state) for result in results] == [(check.name, "green") for check in CHECKS]
    assert books.approve() == "approved"
    assert books.red() == set()
    assert check_settlement(books.network.tenant_id) == []


OF_MONTH = "WHERE tenant_id = :tenant AND month = :month"
LATEST = "WHERE tenant_id = :tenant AND settlement_id = (SELECT settlement_id FROM settlement.settlements " + OF_MONTH
REDEMPTION = "WHERE tenant_id = :tenant AND kind = 'redemption'"
HOLD = "WHERE tenant_id = :tenant AND target = 'held'"
FIRST_LOT = "WHERE tenant_id = :tenant AND points = 100"
STORE = "(SELECT store_id FROM tenants.stores s WHERE s.tenant_id = :tenant AND s.code = '{}')"
WALLET = "WHERE tenant_id = :tenant AND balance > 0"

# (what was changed, how, how it is undone, which checks are red)
CASES = [
    (
        "a wallet",
        f"UPDATE ledger.wallets SET balance = balance + 1 {WALLET}",
        f"UPDATE ledger.wallets SET balance = balance - 1 {WALLET}",
        {"ledger, lots and wallets"},
    ),
    (
        "a lot",
        f"UPDATE ledger.lots SET remaining = remaining - 5 {FIRST_LOT}",
        f"UPDATE ledger.lots SET remaining = remaining + 5 {FIRST_LOT}",
        {"ledger, lots and wallets", "float"},
    ),
    (
        "a position",
        f"UPDATE settlement.positions SET expired = expired + 1 {OF_MONTH}",
        f"UPDATE settlement.positions SET expired = expired - 1 {OF_MONTH}",
        {"published points"},
    ),
    (
        "what a redeemer recovered",
        f"UPDATE settlement.positions SET recovered = recovered + 1 {OF_MONTH} AND recovered > 0",
        f"UPDATE settlement.positions SET recovered = recovered - 1 {OF_MONTH} AND recovered > 0",
        {"published points", "matrix"},
    ),
    (
        "a cell of the matrix",
        f"UPDATE settlement.flows SET points = points + 1 {OF_MONTH}",
        f"UPDATE settlement.flows SET points = points - 1 {OF_MONTH}",
        {"published points", "matrix"},
    ),
    (
        "whose points a lot has",
        f"UPDATE ledger.lots SET funder_id = {STORE.format('C')} {FIRST_LOT}",
        f"UPDATE ledger.lots SET funder_id = {STORE.format('A')} {FIRST_LOT}",
        {"matrix"},
    ),
    (
        "the day of a posting",
        f"UPDATE ledger.postings SET business_date = business_date + 1 {HOLD}",
        f"UPDATE ledger.postings SET business_date = business_date - 1 {HOLD}",
        {"transfers in one window"},
    ),
    (
        "the month of a posting",
        f"UPDATE ledger.postings SET settlement_month = DATE '2026-02-01' {HOLD}",
        f"UPDATE ledger.postings SET settlement_month = DATE '2026-01-01' {HOLD}",
        {"transfers in one window", "hash chains"},
    ),
    (
        "the month of a transfer",
        f"UPDATE ledger.transfers SET settlement_month = DATE '2026-02-01' {REDEMPTION}",
        f"UPDATE ledger.transfers SET settlement_month = DATE '2026-01-01' {REDEMPTION}",
        {"transfers in one window", "seals"},
    ),
    (
        "the amount of a transfer",
        f"UPDATE ledger.transfers SET amount = amount + 1 {REDEMPTION}",
        f"UPDATE ledger.transfers SET amount = amount - 1 {REDEMPTION}",
        {"hash chains"},
    ),
    (
        "the end of a chain",
        f"UPDATE ledger.wallets SET chain_length = chain_length + 1 {WALLET}",
        f"UPDATE ledger.wallets SET chain_length = chain_length - 1 {WALLET}",
        {"hash chains"},
    ),
    (
        "a leaf",
        f"UPDATE settlement.seals SET leaf = sha256(leaf), transfers = transfers + 7 {OF_MONTH} AND transfers = 2",
        None,
        {"seals"},
    ),
    (
        "how many transfers a leaf has",
        f"UPDATE settlement.seals SET transfers = transfers + 7 {OF_MONTH} AND transfers = 2",
        f"UPDATE settlement.seals SET transfers = transfers - 7 {OF_MONTH} AND transfers = 9",
        {"seals"},
    ),
    ("the root", f"UPDATE settlement.windows SET merkle_root = sha256('x') {OF_MONTH}", None, {"seals"}),
    (
        "a rate that ends too early",
        "UPDATE tenants.rates SET valid_until = DATE '2026-01-30' WHERE tenant_id = :tenant",
        "UPDATE tenants.rates SET valid_until = NULL WHERE tenant_id = :tenant",
        # Without a rate nothing can be derived.
        {"rates", "lines", "float"},
    ),
    (
        "a line's note",
        f"UPDATE settlement.lines SET note = 'x' {LATEST})",
        f"UPDATE settlement.lines SET note = '' {LATEST})",
        {"lines"},
    ),
    (
        "a line's amount",
        f"UPDATE settlement.lines SET amount = amount + 1, exact = exact + 1 {LATEST}) AND kind = 'funding'",
        f"UPDATE settlement.lines SET amount = amount - 1, exact = exact - 1 {LATEST}) AND kind = 'funding'",
        {"lines", "nets", "float"},
    ),
    (
        "what all stores net to",
        f"UPDATE settlement.settlements SET stores_net = stores_net + 1, hq_net = hq_net - 1 {OF_MONTH}",
        f"UPDATE settlement.settlements SET stores_net = stores_net - 1, hq_net = hq_net + 1 {OF_MONTH}",
        {"nets"},
    ),
    (
        "a state",
        "INSERT INTO settlement.state_changes"
        " (tenant_id, subject_id, sequence, subject, from_state, to_state, changed_by, changed_at, reason)"
        " SELECT tenant_id, window_id, 2, 'window', 'closed', 'settled', 'x', now(), ''"
        f" FROM settlement.windows {OF_MONTH}",
        "DELETE FROM settlement.state_changes WHERE tenant_id = :tenant AND to_state = 'settled'",
        {"states"},
    ),
]


@pytest.mark.parametrize(("change", "undo", "red"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_check_turns_red_for_what_it_is_for_and_refuses_approval(
    books: Books, change: str, undo: str | None, red: set[str]
) -> None:
    books.tamper(change)

    assert books.red() == red
    assert books.code_of_refused_approval() == ("rate_gap" if "rates" in red else "check_failed")
    if undo is not None:
        books.tamper(undo)
        assert books.red() == set()
        assert books.approve() == "approved"


def test_every_blocking_check_has_been_seen_red() -> None:
    seen = set().union(*(case[-1] for case in CASES)) | {"day closes"}

    assert seen == {check.name for check in CHECKS if check.blocks}


def test_what_was_proposed_has_to_follow_from_what_is_published(books: Books) -> None:
    books.tamper(f"UPDATE settlement.days SET issued = issued + 100 {OF_MONTH} AND issued > 0")

    assert books.code_of_refused_approval() == "proposal_outdated"


def close_day(network: NetworkForTests, store: str, day: str, accruals: int) -> dict[str, Any]:
    nothing = {"count": 0, "points": 0, "amount": 0}
    totals = {"accruals": {**nothing, "count": accruals}, "redemptions": nothing, "reversals": nothing}
    answer = network.tills[store].post("/v1/day-closes", {"business_date": day, "totals": totals})
    assert answer.status_code in (200, 201), answer.json
    return answer.json


def test_a_day_that_differs_refuses_approval_until_somebody_accepts_it(books: Books) -> None:
    network = books.network
    closed = close_day(network, "B", "2026-01-20", accruals=3)

    assert books.red() == {"day closes"}
    assert books.code_of_refused_approval() == "check_failed"

    path = f"/v1/day-closes/{closed['terminal_id']}/2026-01-20/acceptance"
    accepted = network.hq("POST", path, {"reason": "The till was tested."})
    assert accepted.status_code in (200, 201), accepted.json
    assert books.red() == set()
    assert books.approve() == "approved"


def test_numbers_that_a_till_holds_back_are_told_and_refuse_nothing(books: Books, card: str) -> None:
    till = books.network.tills["A"]
    event = {"kind": "accrual", "card": card, "order_ref": "late", "amount": 100, "sequence": 5}
    answer = till.post(
        "/v1/batches",
        {
            "events": [{**event, "idempotency_key": "late-5", "occurred_at": "2026-01-20T12:00:00Z"}],
            "last_sequence": 9,
        },
    )
    assert answer.status_code == 200, answer.json

    _, results = check_month(books.network.tenant_id, JANUARY)
    [uploads] = [result for result in results if result.name == "offline uploads"]

    assert (uploads.state, [finding.found for finding in uploads.findings]) == ("yellow", ["4 missing"])
    assert books.red() == set()
    assert books.approve() == "approved"


def test_a_payment_that_is_not_the_stores_net_is_red(books: Books) -> None:
    books.approve()

    books.tamper("UPDATE settlement.legs SET amount = amount + 1 WHERE tenant_id = :tenant AND amount > 0")

    assert books.red() == {"nets"}
    assert {finding.check for finding in check_settlement(books.network.tenant_id)} == {"nets"}


@pytest.mark.parametrize("name", ["a line's note", "the root", "a cell of the matrix"])
def test_the_check_of_the_ledger_includes_approved_months(books: Books, name: str) -> None:
    books.approve()
    [(_, change, _, red)] = [case for case in CASES if case[0] == name]

    books.tamper(change)

    found = {finding.check for finding in check_settlement(books.network.tenant_id)}
    assert found - {"published matrix"} == red - {"published points"}


def test_checks_are_told_over_http_and_at_the_command_line(books: Books, command_line: Callable[..., Result]) -> None:
    books.tamper(f"UPDATE settlement.lines SET note = 'x' {LATEST})")

    told = books.network.hq("GET", "/v1/settlement/windows/2026-01/checks?limit=1")
    printed = command_line("settlement", "check", "-n", books.network.code, "-m", "2026-01", "--limit", "1", "--json")
    shown = command_line("settlement", "check", "-n", books.network.code, "-m", "2026-01")

    assert told.status_code == 200
    assert told.json == json.loads(printed.stdout)
    [red] = [check for check in told.json["checks"] if check["state"] == "red"]
    assert (told.json["all_green"], red["name"], len(red["findings"])) == (False, "lines", 1)
    assert red["findings_count"] > 1
    assert (printed.exit_code, shown.exit_code) == (1, 1)
    assert "RED     lines" in shown.stdout and "green   seals" in shown.stdout


def test_green_checks_exit_with_zero(books: Books, command_line: Callable[..., Result]) -> None:
    result = command_line("settlement", "check", "-n", books.network.code, "-m", "2026-01")

    assert (result.exit_code, result.stdout.count("green")) == (0, len(CHECKS))


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("2026-02/checks", 404, "settlement_unknown"),
        ("2026-13/checks", 422, "invalid_month"),
        ("2026-01/checks?limit=-1", 422, "invalid_input"),
        ("2026-01/checks?limit=x", 422, "invalid_input"),
    ],
)
def test_what_can_not_be_checked_is_refused_with_a_code(books: Books, path: str, status: int, code: str) -> None:
    answer = books.network.hq("GET", f"/v1/settlement/windows/{path}")

    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_a_refused_approval_names_the_checks_and_leaves_everything_as_it_was(books: Books) -> None:
    books.tamper(f"UPDATE ledger.wallets SET balance = balance + 1 {WALLET}")
    approver = books.network.add_staff("ada", "approver")

    answer = books.network.call(approver, "POST", "/v1/settlement/windows/2026-01/settlement/approve")

    told = (answer.status_code, answer.json["code"], answer.json["checks"])
    assert told == (409, "check_failed", ["ledger, lots and wallets"])
    shown = books.network.hq("GET", "/v1/settlement/windows/2026-01/settlement").json
    assert (shown["state"], shown["approved_by"]) == ("proposed", None)


def test_the_changed_books_of_a_network_are_no_finding_of_another(
    books: Books, make_network: Callable[..., NetworkForTests]
) -> None:
    other = make_network()
    other.add_till("A")
    other.propose(JANUARY)
    books.tamper(f"UPDATE ledger.wallets SET balance = balance + 1 {WALLET}")

    assert Books(books.owner, other).red() == set()


def test_findings_name_the_transfer(books: Books) -> None:
    books.tamper(f"UPDATE ledger.transfers SET amount = amount + 1 {REDEMPTION}")
    with books.owner.connect() as connection:
        transfer_id = connection.scalar(
            text(f"SELECT transfer_id FROM ledger.transfers {REDEMPTION}"), {"tenant": books.network.tenant_id}
        )

    _, results = check_month(books.network.tenant_id, JANUARY)
    [finding] = [finding for result in results for finding in result.findings]

    assert isinstance(transfer_id, UUID) and f"transfer {transfer_id}" in finding.subject
