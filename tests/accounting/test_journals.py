"""Journals of months on a real ledger: what points outstanding are carried at, and that all of it balances."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from clearinghouse.ledger.checks import check_ledger
from clearinghouse.ledger.service import Grant, accrual, common_fields, ledger
from clearinghouse.ledger.tables import Lot, Posting, Wallet
from settlement.accounting.documents import Journal
from settlement.accounting.service import book_through, journal_of
from settlement.adjustments.tables import AdjustmentRow
from settlement.disputes.service import accept, reject
from settlement.disputes.tables import DisputeRow
from settlement.proposals.queries import nets_by_party
from settlement.proposals.tables import Leg, Settlement
from settlement.states.rules import CARRIED, CONFIRMED, DISPUTE, FAILED, LEG, OPENED, PENDING
from settlement.states.service import begin, change_state
from settlement.terms.rules import ON_REDEMPTION, POOLED
from settlement.terms.service import set_terms
from tenants.credentials.service import TERMINAL, create_credential
from tenants.foundation import clock, ids
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import Conflict, InvalidInput, NotFound
from tenants.foundation.months import add_months, last_day
from tenants.networks.service import today_in
from tenants.rates.service import make_rate
from tenants.rates.tables import RateRow
from tenants.staff.rules import AUDITOR, PREPARER
from tenants.stores.service import create_participant, create_store
from tenants.stores.tables import Store
from tenants.terminals.service import create_terminal
from tests.conftest import NetworkForTests, Till

JANUARY, FEBRUARY, MARCH = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)
YEAR = [add_months(date(2025, 1, 1), number) for number in range(12)]
DEFERRED = "Liabilities:DeferredRevenue"


def balances(*journals: Journal) -> dict[str, int]:
    """By account, those that are not zero; a debit is positive."""
    found: dict[str, int] = {}
    for journal in journals:
        for posting in journal.postings():
            found[posting.account] = found.get(posting.account, 0) + posting.amount
    return {account: amount for account, amount in found.items() if amount}


def set_rate(
    network: NetworkForTests, first_day: date, funding: str, redemption: str, participant_id: UUID | None = None
) -> None:
    """From `first_day` on, instead of what counted until then."""
    with unit_of_work(network.tenant_id) as session:
        former = (RateRow.participant_id == participant_id) & RateRow.valid_until.is_(None)
        if participant_id is None:
            former = RateRow.participant_id.is_(None) & RateRow.valid_until.is_(None)
        session.execute(update(RateRow).where(former).values(valid_until=first_day - timedelta(days=1)))
        rates = Decimal(funding), Decimal(redemption)
        session.add(make_rate(network.tenant_id, *rates, first_day, "test", participant_id=participant_id))


def adjust(network: NetworkForTests, month: date, reason: str, amount: int, reference: UUID | None = None) -> None:
    """Store A owes it to head office."""
    with unit_of_work(network.tenant_id) as session:
        session.add(
            AdjustmentRow(
                tenant_id=network.tenant_id,
                adjustment_id=ids.new_id(),
                settlement_month=month,
                origin_month=month,
                payer_id=network.tills["A"].store_id,
                payee_id=network.tenant_id,
                amount=amount,
                reason=reason,
                note='a "note"\nof two lines',
                reference=reference,
                made_by="test",
                made_at=clock.now(),
            )
        )


def test_a_month_is_booked_against_receivables_payables_and_deferred_revenue(network: NetworkForTests) -> None:
    card = network.add_card()
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 30, occurred_at="2026-01-11T12:00:00Z")
    network.settle(JANUARY)

    journal = journal_of(network.tenant_id, JANUARY)

    assert balances(journal) == {
        "Assets:Receivables:A": 100,
        "Liabilities:Payables:B": -30,
        DEFERRED: -70,
    }
    assert [(entry.number, entry.day, entry.narration, entry.balance) for entry in journal.entries] == [
        ("2026-01-0001", date(2026, 1, 31), "Settlement 2026-01 of A", 0),
        ("2026-01-0002", date(2026, 1, 31), "Settlement 2026-01 of B", 0),
    ]


def test_an_empty_month_has_no_entries(network: NetworkForTests) -> None:
    network.settle(JANUARY)

    journal = journal_of(network.tenant_id, JANUARY)

    assert journal.entries == ()
    assert journal.deferred_revenue == 0


def test_only_what_is_approved_is_booked(network: NetworkForTests) -> None:
    with pytest.raises(NotFound) as unknown:
        journal_of(network.tenant_id, JANUARY)
    network.propose(JANUARY)
    with pytest.raises(Conflict) as proposed:
        journal_of(network.tenant_id, JANUARY)
    with pytest.raises(InvalidInput):
        journal_of(network.tenant_id, JANUARY, "nobody")

    assert (unknown.value.code, proposed.value.code) == ("settlement_unknown", "settlement_not_approved")
    assert book_through(network.tenant_id).entries == ()


@pytest.mark.parametrize(("breakage_to", "account"), [("hq", "Income:Breakage"), ("members", "Liabilities:Breakage")])
def test_expired_points_leave_at_what_they_were_funded_at(
    make_network: Callable[..., NetworkForTests], breakage_to: str, account: str
) -> None:
    network = make_network(expiry_policy="P1M", funding_rate=Decimal("1.255"), redemption_rate=Decimal("1.1"))
    till, card = network.add_till("A"), network.add_card()
    till.accrue(card, 10100, occurred_at="2026-01-10T12:00:00Z")
    set_rate(network, FEBRUARY, "2", "1")
    till.redeem(card, 1, occurred_at="2026-02-10T12:00:00Z")
    for month in (JANUARY, FEBRUARY, MARCH):
        network.settle(month)

    journals = [journal_of(network.tenant_id, month, breakage_to) for month in (JANUARY, FEBRUARY, MARCH)]

    # 101 x 1.255 = 126.755; one was used for 1, which leaves 0.255; the other hundred expired: 125.5.
    assert [journal.deferred_revenue for journal in journals] == [127, 0, 0]
    assert balances(*journals) == {
        "Assets:Receivables:A": 127,
        "Liabilities:Payables:A": -1,
        account: -126,
    }
    [month] = journals[1].months
    assert (month[1].breakage, month[1].margin, month[1].rate_differences, month[1].rounding) == (126, 0, 0, 0)


def test_points_that_head_office_funds_are_its_expense(network: NetworkForTests, card: str) -> None:
    moment, till = datetime(2026, 1, 10, 12, tzinfo=UTC), network.tills["A"]
    grants = [Grant(network.tenant_id, 40, date(2026, 7, 31))]
    common = common_fields(moment, moment.date(), till.terminal_id, till.store_id, "bonus", "bonus", b"1")
    ledger().post(network.tenant_id, [accrual(grants, 10000, 1, card, **common)])
    network.settle(JANUARY)

    journal = journal_of(network.tenant_id, JANUARY)

    assert balances(journal) == {"Expenses:Marketing:HeadOfficePoints": 40, DEFERRED: -40}
    assert [entry.narration for entry in journal.entries] == ["Points funded by head office in 2026-01"]


def test_nothing_is_deferred_while_stores_settle_on_redemption(network: NetworkForTests, card: str) -> None:
    set_terms(network.tenant_id, JANUARY, "test", model=POOLED, minimum_payout=1)
    set_terms(network.tenant_id, JANUARY, "test", model=ON_REDEMPTION, minimum_payout=0)
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 30, occurred_at="2026-01-11T12:00:00Z")
    network.settle(JANUARY)

    journal = journal_of(network.tenant_id, JANUARY)

    assert balances(journal) == {"Assets:Receivables:A": 30, "Liabilities:Payables:B": -30}
    assert [entry.balance for entry in journal.entries] == [0, 0]


def spend_a_year(network: NetworkForTests, seed: int) -> None:
    """Purchases, redemptions, offline ones too, holds and returns of three members in twelve months."""
    chance = random.Random(seed)
    cards = [network.add_card() for _ in range(3)]
    done: dict[str, list[tuple[str, str]]] = {"accrual": [], "redemption": []}
    posted = dict.fromkeys(("accrual", "redemption", "offline", "hold", "accrual_reversal", "redemption_reversal"), 0)
    for month in YEAR:
        for number in range(12):
            at = f"{month + timedelta(days=2 * number)}T12:00:00Z"
            till, card = network.tills[chance.choice("ABC")], chance.choice(cards)
            kind = chance.choice([*posted, "accrual", "accrual", "redemption", "redemption"])
            if kind.endswith("_reversal"):
                if not (originals := done[kind.removesuffix("_reversal")]):
                    continue
                store_code, transfer_id = originals.pop(chance.randrange(len(originals)))
                answer = network.tills[store_code].reverse(transfer_id, occurred_at=at).json
            elif kind == "accrual":
                answer = till.accrue(card, chance.randint(100, 30_000), occurred_at=at).json
            elif kind == "hold":
                event = {"card": card, "order_ref": at, "points": 5, "occurred_at": at}
                answer = till.post("/v1/holds", event).json
            else:
                event = {"kind": "redemption", "card": card, "points": chance.randint(1, 90), "occurred_at": at}
                event |= {"idempotency_key": at, "order_ref": f"{kind}{at}", "offline": kind == "offline"}
                [result] = till.post("/v1/batches", {"events": [event]}).json["results"]
                answer = result.get("transfer", {})
            if transfer_id := answer.get("transfer_id"):
                posted[kind] += 1
                done.setdefault(answer["kind"], []).append((till.store_code, transfer_id))
        network.settle(month)
    assert all(posted.values()), posted
    assert check_ledger(network.tenant_id) == []


MEMBERS_OWE = {"offline_charged_to": "member", "return_policy": "deficit"}
STORES_BEAR = {"offline_charged_to": "store", "return_policy": "clamp"}


def a_year_old_network(make_network: Callable[..., NetworkForTests], **overrides: Any) -> NetworkForTests:
    network = make_network(opened_on=YEAR[0], expiry_policy="P3M", offline_limit=50, **overrides)
    for code in "ABC":
        network.add_till(code)
    return network


@pytest.mark.parametrize(
    ("rate", "policies", "seed"),
    [("1", MEMBERS_OWE, 1), ("0.55", STORES_BEAR, 2), ("0.333333", MEMBERS_OWE, 3)],
)
def test_with_one_rate_deferred_revenue_is_rate_times_points_outstanding(
    make_network: Callable[..., NetworkForTests], rate: str, policies: dict[str, str], seed: int
) -> None:
    network = a_year_old_network(make_network, funding_rate=Decimal(rate), redemption_rate=Decimal(rate), **policies)
    spend_a_year(network, seed)

    outstanding = [network.hq("GET", f"/v1/settlement/windows/{m:%Y-%m}").json["closing_outstanding"] for m in YEAR]
    deferred = 0
    for month, points in zip(YEAR, outstanding, strict=True):
        journal = journal_of(network.tenant_id, month)
        [(_, of_month)] = journal.months
        assert journal.brought_forward == deferred
        deferred -= balances(journal).get(DEFERRED, 0)
        assert deferred == journal.deferred_revenue == round(points * Decimal(rate))
        assert (of_month.margin, of_month.rate_differences) == (0, 0)
        if rate == "1":
            assert of_month.rounding == 0
    assert sum(outstanding) > 1000


@pytest.mark.parametrize(("policies", "seed"), [(MEMBERS_OWE, 4), (STORES_BEAR, 5)])
def test_when_rates_change_deferred_revenue_is_what_each_lot_was_funded_at(
    make_network: Callable[..., NetworkForTests], policies: dict[str, str], seed: int
) -> None:
    rates = {"funding_rate": Decimal("1.2"), "redemption_rate": Decimal("0.9")}
    network = a_year_old_network(make_network, **rates, **policies)
    with unit_of_work(network.tenant_id) as session:
        owner = session.scalars(select(Store.participant_id).where(Store.code == "B")).one()
    set_rate(network, date(2025, 3, 17), "1.45", "1.1")
    set_rate(network, date(2025, 2, 5), "0.7", "0.6", owner)
    set_rate(network, date(2025, 11, 20), "1.3333", "1")
    spend_a_year(network, seed)

    journals = [journal_of(network.tenant_id, month) for month in YEAR]

    found = balances(*journals)
    assert -found[DEFERRED] == round(value_of_lots(network)) > 0
    assert found["Income:Breakage"] and found["Income:Margin"] and found["Income:RateDifferences"]
    for month, journal in zip(YEAR, journals, strict=True):
        assert all(entry.balance == 0 for entry in journal.entries)
        assert "Liabilities:Clearing" not in balances(journal)
        assert receivables_of(journal) == legs_of(network, month)
    book = book_through(network.tenant_id, last_day(YEAR[-1]))
    assert balances(book) == found
    assert [entry.number for entry in book.entries] == [entry.number for j in journals for entry in j.entries]


def value_of_lots(network: NetworkForTests) -> Decimal:
    """What lots and holds have now, by what their issuers were charged that day, less what members owe."""
    with unit_of_work(network.tenant_id) as session:
        owners = {store.store_id: store.participant_id for store in session.scalars(select(Store))}
        rates = session.scalars(select(RateRow)).all()
        lots = {lot.lot_id: lot for lot in session.scalars(select(Lot))}
        held = {lot_id: lot.remaining for lot_id, lot in lots.items()}
        for posting in session.scalars(select(Posting)):
            held[posting.target_id] = held.get(posting.target_id, 0) + posting.points * (posting.target == "held")
            held[posting.source_id] = held.get(posting.source_id, 0) - posting.points * (posting.source == "held")
        owed = sum(wallet.deficit for wallet in session.scalars(select(Wallet)))

    def charged(owner: UUID | None, day: date) -> Decimal:
        own = [r for r in rates if r.participant_id == owner and r.valid_from <= day <= (r.valid_until or date.max)]
        return own[0].funding_rate if own else charged(None, day)

    worth = sum(held[i] * charged(owners.get(lot.funder_id), lot.issued_on) for i, lot in lots.items())
    return Decimal(worth) - owed * charged(None, last_day(YEAR[-1]))


def receivables_of(journal: Journal) -> dict[str, int]:
    """By participant, each of which owns one store here."""
    found: dict[str, int] = {}
    for account, amount in balances(journal).items():
        if account.startswith(("Assets:Receivables:", "Liabilities:Payables:")):
            owner = account.rpartition(":")[2]
            found[owner] = found.get(owner, 0) + amount
    return found


def legs_of(network: NetworkForTests, month: date) -> dict[str, int]:
    with unit_of_work(network.tenant_id) as session:
        settlement = session.scalars(select(Settlement).where(Settlement.month == month)).one()
        codes = {store.store_id: store.code for store in session.scalars(select(Store))}
        legs = session.scalars(select(Leg).where(Leg.settlement_id == settlement.settlement_id)).all()
        nets = nets_by_party(session, settlement.settlement_id)
    assert {leg.store_id: leg.amount for leg in legs} == {s: net for s, net in nets.items() if net and s in codes}
    return {codes[leg.store_id]: leg.amount for leg in legs}


def test_a_participant_owes_what_all_its_stores_remit(make_network: Callable[..., NetworkForTests]) -> None:
    network = make_network()
    create_participant(network.tenant_id, "north.co", "North Co")
    for code in "ABC":
        store = create_store(network.tenant_id, code, f"Shop {code}", "north.co")
        terminal = create_terminal(network.tenant_id, code, "1")
        _, key = create_credential(network.tenant_id, TERMINAL, "till", terminal.terminal_id)
        network.tills[code] = Till(network.app.test_client(), key, code, store.store_id, terminal.terminal_id)
    card = network.add_card()
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].accrue(card, 5000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["C"].redeem(card, 30, occurred_at="2026-01-11T12:00:00Z")
    network.settle(JANUARY)

    journal = journal_of(network.tenant_id, JANUARY)

    assert balances(journal) == {
        "Assets:Receivables:North-co--sh": 150,
        "Liabilities:Payables:North-co--sh": -30,
        DEFERRED: -120,
    }
    assert journal.participants == {"north.co": "North Co"}


@pytest.fixture
def settled(network: NetworkForTests, card: str) -> NetworkForTests:
    """In January, A remits 100 and B receives 30."""
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 30, occurred_at="2026-01-11T12:00:00Z")
    network.settle(JANUARY)
    return network


def pay(network: NetworkForTests, store_code: str, *states: str) -> UUID:
    """Take the leg of January through `states`; its id."""
    with unit_of_work(network.tenant_id) as session:
        statement = select(Leg).where(Leg.store_id == network.tills[store_code].store_id).with_for_update()
        leg = session.scalars(statement).one()
        for state in states:
            change_state(session, LEG, leg, state, "test")
        session.flush()
        return leg.leg_id


def test_payments_empty_receivables_and_payables_on_their_own_day(settled: NetworkForTests) -> None:
    frozen = journal_of(settled.tenant_id, JANUARY)
    pay(settled, "A", CONFIRMED)
    pay(settled, "B", CONFIRMED)

    book = book_through(settled.tenant_id)

    assert balances(book) == {"Assets:Bank": 70, DEFERRED: -70}
    with unit_of_work(settled.tenant_id):
        today = today_in(settled.tenant_id)
    assert [(entry.day, entry.narration) for entry in book.entries[2:]] == [
        (today, "Payment of A for 2026-01"),
        (today, "Payment of B for 2026-01"),
    ]
    assert book_through(settled.tenant_id, date(2026, 1, 31)).entries == frozen.entries
    assert book_through(settled.tenant_id, date(2026, 1, 30)).entries == ()
    assert journal_of(settled.tenant_id, JANUARY) == frozen


@pytest.mark.parametrize(
    ("states", "receivable", "bank"),
    [
        ([], 100, 0),
        ([FAILED], 100, 0),
        ([FAILED, PENDING], 100, 0),
        ([CONFIRMED], 0, 100),
        ([CONFIRMED, FAILED], 100, 0),
        ([CONFIRMED, FAILED, CONFIRMED], 0, 100),
    ],
)
def test_what_failed_or_was_returned_is_owed_as_before(
    settled: NetworkForTests, states: list[str], receivable: int, bank: int
) -> None:
    pay(settled, "A", *states)

    found = balances(book_through(settled.tenant_id))

    assert (found.get("Assets:Receivables:A", 0), found.get("Assets:Bank", 0)) == (receivable, bank)


def test_a_payment_that_is_carried_is_owed_with_the_next_month(settled: NetworkForTests) -> None:
    leg_id = pay(settled, "A", FAILED, CARRIED)
    between = balances(book_through(settled.tenant_id))
    adjust(settled, FEBRUARY, "leg_carried", 100, leg_id)
    settled.settle(FEBRUARY)

    book = book_through(settled.tenant_id)

    assert (between["Liabilities:CarriedForward"], between.get("Assets:Receivables:A")) == (100, None)
    assert balances(book) == {"Assets:Receivables:A": 100, "Liabilities:Payables:B": -30, DEFERRED: -70}
    numbers = [entry.number for entry in book.entries]
    assert len(set(numbers)) == len(numbers)
    assert numbers[-1] == f"{ids.show(ids.LEG, leg_id)}-3"


def open_dispute(network: NetworkForTests, month: date, amount: int) -> UUID:
    """Of what store A is charged for its points."""
    document = network.propose(month)
    store_id = network.tills["A"].store_id
    [line] = [line for line in document.lines if line.kind == "funding" and line.payer_id == store_id]
    opener = network.person(AUDITOR)
    dispute_id = ids.new_id()
    with unit_of_work(network.tenant_id) as session:
        begin(session, network.tenant_id, DISPUTE, [dispute_id], OPENED, "test")
        session.add(
            DisputeRow(
                tenant_id=network.tenant_id,
                dispute_id=dispute_id,
                month=month,
                store_id=store_id,
                line_key=line.key,
                amount=amount,
                reason="wrong",
                opened_by=opener.staff_id,
                opened_at=clock.now(),
                state=OPENED,
                state_sequence=1,
            )
        )
    network.settle(month)
    return dispute_id


@pytest.fixture
def disputed(network: NetworkForTests, card: str) -> tuple[NetworkForTests, UUID]:
    """Store A is charged 100 for January, and 40 of it are in suspense."""
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    return network, open_dispute(network, JANUARY, 40)


def test_what_is_disputed_is_in_suspense_and_leaves_it_when_it_is_released(
    disputed: tuple[NetworkForTests, UUID],
) -> None:
    network, dispute_id = disputed
    before = balances(book_through(network.tenant_id))
    reject(network.tenant_id, dispute_id, network.person(PREPARER), "as charged")
    network.settle(FEBRUARY)

    assert before == {"Assets:Receivables:A": 60, "Liabilities:Suspense": 40, DEFERRED: -100}
    assert balances(book_through(network.tenant_id)) == {"Assets:Receivables:A": 100, DEFERRED: -100}


def test_what_is_disputed_with_success_later_is_a_loss_of_that_day(disputed: tuple[NetworkForTests, UUID]) -> None:
    network, dispute_id = disputed
    frozen = journal_of(network.tenant_id, JANUARY)
    accept(network.tenant_id, dispute_id, network.person(PREPARER), "so it was")

    book = book_through(network.tenant_id)

    assert balances(book) == {"Assets:Receivables:A": 60, "Expenses:Disputes": 40, DEFERRED: -100}
    assert book.entries[-1].number == ids.show(ids.DISPUTE, dispute_id)
    assert journal_of(network.tenant_id, JANUARY) == frozen


def test_later_months_rates_and_names_change_nothing_of_an_approved_month(
    settled: NetworkForTests, card: str
) -> None:
    frozen = journal_of(settled.tenant_id, JANUARY)
    settled.tills["C"].accrue(card, 7700, occurred_at="2026-01-20T12:00:00Z")  # Late: joins February.
    settled.tills["C"].redeem(card, 60, occurred_at="2026-02-20T12:00:00Z")
    set_rate(settled, FEBRUARY, "3", "2")
    settled.add_till("0-first")
    settled.settle(FEBRUARY)

    february = journal_of(settled.tenant_id, FEBRUARY)

    assert journal_of(settled.tenant_id, JANUARY) == frozen
    assert february.brought_forward == 70
    # All at 1 when they were issued, and 2 paid for each of 60.
    assert february.deferred_revenue == 70 + 77 - 60
    assert balances(february)["Income:Margin"] == 60
    assert "Income:RateDifferences" not in balances(february)


def test_networks_stay_apart(settled: NetworkForTests, make_network: Callable[..., NetworkForTests]) -> None:
    other = make_network()
    other.settle(JANUARY)

    assert journal_of(other.tenant_id, JANUARY).entries == ()
    assert book_through(other.tenant_id).entries == ()
