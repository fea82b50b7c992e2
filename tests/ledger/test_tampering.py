"""A check that can't fail is no check: change what is kept, as the database's owner, and see it named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, create_engine, text

from clearinghouse.ledger.checks import check_ledger
from clearinghouse.merges.service import merge_members
from settlement.checks.service import check_settlement
from settlement.windows.service import close_month, find_window, get_window
from tenants.foundation import ids
from tenants.foundation.config import Settings
from tenants.foundation.database import normal_url
from tenants.foundation.errors import IntegrityFailure
from tenants.members.service import find_card
from tests.conftest import NetworkForTests

JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)
PUBLISHED = ("positions", "days", "flows", "windows")


@pytest.fixture(scope="module")
def owner(settings: Settings) -> Iterator[Engine]:
    engine = create_engine(normal_url(settings.database_url))
    yield engine
    engine.dispose()


@dataclass
class Books:
    """January of a network: A issued 100 twice and took one back after B had recovered 150, so 50 are owed."""

    owner: Engine
    network: NetworkForTests
    transfers: dict[str, UUID]

    @property
    def tenant_id(self) -> UUID:
        return self.network.tenant_id

    def tamper(self, *statements: str, **values: Any) -> None:
        """With triggers, and so foreign keys, switched off, as somebody would who wants to hide something."""
        with self.owner.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for statement in statements:
                changed = connection.execute(text(statement), {"tenant": self.tenant_id, **self.transfers, **values})
                assert changed.rowcount > 0, statement

    def findings(self) -> dict[str, str]:
        """Check -> the subjects it named."""
        named: dict[str, str] = {}
        for finding in (*check_ledger(self.tenant_id), *check_settlement(self.tenant_id)):
            named[finding.check] = named.get(finding.check, "") + f" {finding.subject}"
        return named


def transfer_id(answer: Any) -> UUID:
    assert answer.status_code == 201, answer.json
    return ids.parse(ids.TRANSFER, answer.json["transfer_id"])


@pytest.fixture
def books(owner: Engine, network: NetworkForTests, card: str) -> Books:
    a, b = network.tills["A"], network.tills["B"]
    first = a.accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    second = a.accrue(card, 10000, occurred_at="2026-01-11T12:00:00Z")
    redemption = b.redeem(card, 150, occurred_at="2026-01-12T12:00:00Z")
    reversal = a.reverse(first.json["transfer_id"], occurred_at="2026-01-13T12:00:00Z")
    other = network.add_card()
    whole = network.tills["C"].accrue(other, 7000, occurred_at="2026-01-14T12:00:00Z")
    transfers = {"first": first, "second": second, "redemption": redemption, "reversal": reversal, "whole": whole}
    return Books(owner, network, {name: transfer_id(answer) for name, answer in transfers.items()})


def test_untouched_books_have_no_findings(books: Books) -> None:
    close_month(books.tenant_id, JANUARY, "test")

    assert books.findings() == {}


LOT = "UPDATE ledger.lots SET {} WHERE tenant_id = :tenant AND transfer_id = :whole"
WALLET = "UPDATE ledger.wallets SET {} WHERE tenant_id = :tenant AND deficit > 0"
TRANSFER = "UPDATE ledger.transfers SET {} WHERE tenant_id = :tenant AND transfer_id = :redemption"
POSTING = "UPDATE ledger.postings SET {} WHERE tenant_id = :tenant AND transfer_id = :redemption AND line = 1"
# A store of the network that is not the one which is there.
OTHER_STORE = "(SELECT store_id FROM tenants.stores s WHERE s.tenant_id = :tenant AND s.code = 'C')"

A_STORE = OTHER_STORE.replace("'C'", "'A'")

LEDGER_CASES = [
    ("a lot's remaining", LOT.format("remaining = remaining - 1"), {"lots"}),
    ("a lot's points", LOT.format("points = points + 1"), {"lot origins"}),
    ("a lot's expired", LOT.format("remaining = remaining - 1, expired = 1"), {"lots"}),
    ("a lot's member", LOT.format("member_id = gen_random_uuid()"), {"wallet balances"}),
    ("a wallet's balance", WALLET.format("balance = balance + 1"), {"wallet balances"}),
    ("a wallet's deficit", WALLET.format("deficit = deficit - 1"), {"wallet deficits"}),
    ("a chain's head", WALLET.format("chain_head = sha256('x')"), {"chain heads"}),
    ("a chain's length", WALLET.format("chain_length = chain_length + 1"), {"chain heads"}),
    ("a transfer's amount", TRANSFER.format("amount = amount + 1"), {"chains"}),
    ("a transfer's points", TRANSFER.format("points = points + 1"), {"chains", "transfer points"}),
    ("a transfer's store", TRANSFER.format(f"store_id = {OTHER_STORE}"), {"chains"}),
    ("a transfer's order", TRANSFER.format("order_ref = 'other'"), {"chains"}),
    ("a transfer's time", TRANSFER.format("occurred_at = occurred_at + interval '1 second'"), {"chains"}),
    ("a transfer's day", TRANSFER.format("business_date = business_date + 1"), {"chains", "posting months"}),
    ("a transfer's key", TRANSFER.format("idempotency_key = 'other'"), {"chains"}),
    ("a transfer's answer", TRANSFER.format("available_after = available_after + 1"), {"chains"}),
    ("a transfer's hash", TRANSFER.format("hash = sha256('x')"), {"chains"}),
    ("a gap in the chain", TRANSFER.format("sequence = 1000"), {"chains", "chain heads"}),
    ("a posting's points", POSTING.format("points = points - 1"), {"chains", "lots", "transfer points"}),
    ("a posting's funder", POSTING.format(f"funder_id = {OTHER_STORE}"), {"chains", "issuing x redeeming matrix"}),
    ("a posting's redeemer", POSTING.format(f"target_id = {OTHER_STORE}"), {"chains"}),
    ("a posting's day", POSTING.format("business_date = business_date + 1"), {"posting months"}),
    ("a posting's month", POSTING.format("settlement_month = DATE '2026-02-01'"), {"posting months"}),
    ("a deleted posting", POSTING.replace("UPDATE", "DELETE FROM", 1).replace(" SET {}", ""), {"chains", "lots"}),
    ("a lot's funder", LOT.format(f"funder_id = {OTHER_STORE}").replace(":whole", ":second"),
     {"issuing x redeeming matrix"}),
    ("the funder of a lot that nobody has redeemed from",
     LOT.format(f"funder_id = {A_STORE}"), {"lot origins"}),
    ("a lot's expiry", LOT.format("expires_on = expires_on + 365"), {"lot expiries"}),
    ("a lot's date of issue", LOT.format("issued_on = issued_on - 1"), {"lot origins"}),
    ("a deleted lot", "DELETE FROM ledger.lots WHERE tenant_id = :tenant AND transfer_id = :whole", {"lots"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "checks"), [case[1:] for case in LEDGER_CASES], ids=[c[0] for c in LEDGER_CASES]
)
def test_the_check_of_the_ledger_names_what_was_changed(books: Books, statement: str, checks: set[str]) -> None:
    books.tamper(statement)

    assert checks <= books.findings().keys()


TILL_CASES = [
    ("a hold's state", "UPDATE ledger.holds SET state = 'voided' {} AND state = 'captured'", "holds"),
    (
        "a hold undone",
        "UPDATE ledger.holds SET state = 'held', resolved_by = NULL {} AND state = 'captured'",
        "holds",
    ),
    ("a deleted hold", "DELETE FROM ledger.holds {} AND state = 'held'", "holds"),
    ("what a wallet holds", "UPDATE ledger.wallets SET held = held + 1 {} AND held > 0", "wallet balances"),
    (
        "more reversed than posted",
        "UPDATE ledger.transfers SET points = 10 {} AND points = 100 AND kind = 'accrual'",
        "reversals",
    ),
    ("a lot of a merged member", "UPDATE ledger.lots SET member_id = :merged {} AND points = 30", "lot origins"),
    ("a merge in half", "DELETE FROM ledger.postings {} AND target = 'moved'", "merges"),
]


@pytest.mark.parametrize(("statement", "check"), [case[1:] for case in TILL_CASES], ids=[c[0] for c in TILL_CASES])
def test_the_check_of_the_ledger_knows_the_till(books: Books, card: str, statement: str, check: str) -> None:
    """A member with 30 points is merged into the one of `card`, of whom a hold is captured and another open."""
    till, merged = books.network.tills["C"], books.network.add_card()
    till.accrue(merged, 3000)
    merged_id, kept_id = (find_card(books.tenant_id, number).member_id for number in (merged, card))
    merge_members(books.tenant_id, merged_id, kept_id, "test")
    till.accrue(card, 20000)
    hold = {"card": card, "points": 5}
    captured = till.post("/v1/holds", {**hold, "order_ref": "h1"}).json["hold_id"]
    till.post(f"/v1/holds/{captured}/capture", {})
    till.post("/v1/holds", {**hold, "order_ref": "h2"})
    assert books.findings() == {}

    books.tamper(statement.format("WHERE tenant_id = :tenant"), merged=merged_id)

    assert check in books.findings()


@pytest.mark.parametrize("name", ["first", "redemption", "reversal", "whole"])
def test_a_deleted_transfer_is_noticed(books: Books, name: str) -> None:
    books.tamper(
        f"DELETE FROM ledger.postings WHERE tenant_id = :tenant AND transfer_id = :{name}",
        f"DELETE FROM ledger.transfers WHERE tenant_id = :tenant AND transfer_id = :{name}",
    )

    assert {"chains", "chain heads"} & books.findings().keys()


def test_a_deleted_transfer_whose_postings_stayed_is_noticed(books: Books) -> None:
    books.tamper("DELETE FROM ledger.transfers WHERE tenant_id = :tenant AND transfer_id = :whole")

    assert "chain heads" in books.findings()


def test_a_finding_names_the_transfer_that_was_changed(books: Books) -> None:
    books.tamper(TRANSFER.format("amount = amount + 1"))

    [finding] = check_ledger(books.tenant_id)
    assert str(books.transfers["redemption"]) in finding.subject
    assert finding.expected != finding.found


def test_the_changed_books_of_a_network_are_no_finding_of_another(
    books: Books, make_network: Callable[..., NetworkForTests]
) -> None:
    other = make_network()
    books.tamper(TRANSFER.format("amount = amount + 1"))

    assert check_ledger(other.tenant_id) == []


PUBLISHED_ROW = "WHERE tenant_id = :tenant AND month = :month"
PUBLISHED_CASES = [
    ("a position's points", "UPDATE settlement.positions SET issued = issued + 1 {}", "published positions"),
    ("a deleted position", "DELETE FROM settlement.positions {}", "published positions"),
    ("a day", "UPDATE settlement.days SET recovered = recovered + 1 {}", "published days"),
    ("a deleted day", "DELETE FROM settlement.days {}", "published days"),
    ("a flow", "UPDATE settlement.flows SET points = points + 1 {}", "published matrix"),
    ("a deleted flow", "DELETE FROM settlement.flows {}", "published matrix"),
    ("the issued total",
     "UPDATE settlement.windows SET issued = issued + 1, closing_outstanding = closing_outstanding + 1 {}",
     "published totals"),
    ("the expired total",
     "UPDATE settlement.windows SET expired = expired + 1, closing_outstanding = closing_outstanding - 1 {}",
     "published totals"),
    ("both outstanding totals",
     "UPDATE settlement.windows SET opening_outstanding = 1, closing_outstanding = closing_outstanding + 1 {}",
     "published totals"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "check"), [case[1:] for case in PUBLISHED_CASES], ids=[case[0] for case in PUBLISHED_CASES]
)
def test_the_check_of_published_months_names_what_was_changed(books: Books, statement: str, check: str) -> None:
    close_month(books.tenant_id, JANUARY, "test")

    books.tamper(statement.format(PUBLISHED_ROW), month=JANUARY)

    assert "2026-01" in books.findings().get(check, "")


def test_a_transfer_added_to_a_published_month_is_noticed(books: Books) -> None:
    close_month(books.tenant_id, JANUARY, "test")

    books.tamper(POSTING.format("points = points + 1"))

    assert {"published positions", "published matrix"} <= books.findings().keys()


TAMPERED_LOTS = [
    ("a lot that grew", LOT.format("points = points + 5, remaining = remaining + 5")),
    ("a lot that shrank", LOT.format("remaining = remaining - 5")),
    ("a deficit that was forgiven", WALLET.format("deficit = deficit - 5")),
    ("a posting that says more", POSTING.format("points = points + 5")),
]


@pytest.mark.parametrize("statement", [case[1] for case in TAMPERED_LOTS], ids=[case[0] for case in TAMPERED_LOTS])
def test_a_month_whose_books_disagree_is_not_published(books: Books, statement: str) -> None:
    books.tamper(statement)

    with pytest.raises(IntegrityFailure) as failure:
        close_month(books.tenant_id, JANUARY, "test")

    window = find_window(books.tenant_id, JANUARY)
    assert failure.value.code == "identity_failed"
    assert window is not None and window.published_at is None
    assert count_published(books) == {"positions": 0, "days": 0, "flows": 0, "windows": 0}


def test_a_month_that_was_refused_is_published_once_the_books_are_repaired(books: Books) -> None:
    books.tamper(LOT.format("remaining = remaining - 5"))
    with pytest.raises(IntegrityFailure):
        close_month(books.tenant_id, JANUARY, "test")
    closed_at = get_window(books.tenant_id, JANUARY).closed_at
    books.tamper(LOT.format("remaining = remaining + 5"))

    window = close_month(books.tenant_id, JANUARY, "test")

    assert window.published_at is not None
    assert window.closed_at == closed_at
    assert (window.issued, window.recovered, window.closing_outstanding) == (170, 150, 20)
    assert books.findings() == {}
    assert close_month(books.tenant_id, FEBRUARY, "test").opening_outstanding == 20


def test_the_months_after_an_unpublished_one_wait_for_it(books: Books) -> None:
    books.tamper(LOT.format("remaining = remaining - 5"))
    for month in (JANUARY, FEBRUARY):
        with pytest.raises(Exception):  # noqa: B017 the first as identity_failed, the second as window_not_published
            close_month(books.tenant_id, month, "test")
    books.tamper(LOT.format("remaining = remaining + 5"))

    close_month(books.tenant_id, JANUARY, "test")
    close_month(books.tenant_id, FEBRUARY, "test")

    assert books.findings() == {}


def count_published(books: Books) -> dict[str, int]:
    published = {"windows": "AND published_at IS NOT NULL"}
    with books.owner.connect() as connection:
        return {
            table: connection.scalar(
                text(f"SELECT count(*) FROM settlement.{table} WHERE tenant_id = :tenant {published.get(table, '')}"),
                {"tenant": books.tenant_id},
            )
            for table in PUBLISHED
        }
