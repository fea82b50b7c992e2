"""The posting function against an independent model, in histories that nobody would think of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from clearinghouse.expiry.service import expire_points
from clearinghouse.ledger import service as posting
from clearinghouse.ledger.checks import check_ledger, count_checked
from clearinghouse.ledger.service import Event, Grant, PostingResult, ledger
from clearinghouse.ledger.tables import Transfer, Wallet
from clearinghouse.merges.service import post_merge
from settlement.checks.service import check_settlement
from settlement.netting.tables import FlowRow, PositionRow
from settlement.windows.service import close_month, get_window
from tenants.foundation.database import unit_of_work
from tenants.foundation.months import add_months, last_day, month_of
from tenants.members.service import find_card
from tenants.stores.service import create_store
from tests.conftest import NetworkForTests
from tests.ledger.model import BORNE, DEFICIT, Expected, Model, ModelHold, ModelMember, ModelTransfer, Return

LONG_AGO, FAR_AWAY = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
OPENED_ON = date(2024, 1, 1)
LATEST = date(2025, 3, 1)
NEVER = date.max
MEMBERS, STORES = 3, 3

members = st.integers(0, MEMBERS - 1)
stores = st.integers(0, STORES - 1)
# How long after the event its upload arrives, in days; most tills are online.
days_late = st.sampled_from([0, 0, 0, 1, 20, 45])
# In months to whose end the points can be used; None: never expire.
lifetimes = st.sampled_from([0, 0, 1, 2, 3, None])
points_granted = st.sampled_from([0, 1, 2, 10, 50, 100, 101])
grace = st.sampled_from([0, 0, 30])
grants = st.lists(st.tuples(stores, points_granted, lifetimes), min_size=1, max_size=3)


@dataclass(frozen=True)
class Posted:
    """A transfer with the request that made it; `model` is None for one that can't be reversed."""

    event: Event
    result: PostingResult
    model: ModelTransfer | None


@dataclass(frozen=True)
class Placed:
    """A hold, with the model's."""

    hold_id: UUID
    model: ModelHold


class LedgerMachine(RuleBasedStateMachine):
    # Accruals, redemptions and captures, in whatever part they have been reversed, and reversals.
    posted = Bundle("posted")
    undone = Bundle("undone")
    placed = Bundle("placed")

    def __init__(self, make_network: Callable[..., NetworkForTests]) -> None:
        super().__init__()
        network = make_network(opened_on=OPENED_ON)
        self.tenant_id = network.tenant_id
        self.store_ids = [create_store(network.tenant_id, code, code).store_id for code in "ABC"]
        self.cards = [network.add_card() for _ in range(MEMBERS)]
        self.member_ids = [find_card(network.tenant_id, card).member_id for card in self.cards]
        self.terminal_id = uuid4()
        self.today = OPENED_ON
        self.model = Model(network.tenant_id, OPENED_ON, [ModelMember() for _ in range(MEMBERS)])

    @rule(days=st.sampled_from([1, 10, 20, 35]))
    @precondition(lambda self: self.today < LATEST)
    def time_passes(self, days: int) -> None:
        self.today += timedelta(days=days)

    @rule(target=posted, member=members, store=stores, late=days_late, grants=grants)
    def accrue(self, member: int, store: int, late: int, grants: list[tuple[int, int, int | None]]) -> Any:
        event, expected, transfer = self.accrual(member, store, late, grants)

        return self.post(event, expected, transfer)

    @rule(target=posted, member=members, store=stores, late=days_late, points=st.sampled_from([1, 5, 50, 100, 120]))
    def redeem(self, member: int, store: int, late: int, points: int) -> Any:
        event, expected, transfer = self.redemption(member, store, late, points)

        return self.post(event, expected, transfer)

    @rule(target=posted, member=members, store=stores, late=days_late)
    def redeem_all(self, member: int, store: int, late: int) -> Any:
        points = self.available(member, self.day(late))
        return self.redeem(member, store, late, points) if points else multiple()

    @rule(member=members, store=stores, missing=st.integers(1, 1000))
    def redeem_too_many(self, member: int, store: int, missing: int) -> None:
        points = self.available(member, self.today) + missing
        event, expected, _ = self.redemption(member, store, 0, points)

        [result] = ledger().post(self.tenant_id, [event])

        assert expected == Expected("insufficient_points")
        assert (result.outcome, result.code) == ("refused", "insufficient_points")
        assert result.detail == {"available": points - missing, "missing": missing}

    @rule(
        target=posted,
        member=members,
        store=stores,
        late=days_late,
        points=st.sampled_from([1, 50, 100, 200]),
        limit=st.sampled_from([0, 100]),
        charged_to=st.sampled_from([DEFICIT, BORNE]),
    )
    def redeem_offline(self, member: int, store: int, late: int, points: int, limit: int, charged_to: str) -> Any:
        """What an offline till has given away: honoured up to a limit, whatever the balance."""
        event = posting.redemption(
            points,
            points,
            1,
            self.cards[member],
            beyond_limit=limit,
            beyond_charged_to="store" if charged_to == BORNE else "member",
            **self.common(store, late),
        )
        expected, transfer = self.model.redeem(
            self.model.members[member], self.store_ids[store], self.day(late), points, limit, charged_to
        )
        return self.post(event, expected, transfer)

    @rule(
        target=undone,
        original=posted,
        store=stores,
        late=days_late,
        by_order=st.booleans(),
        clamps=st.booleans(),
        grace_days=grace,
        part=st.one_of(
            st.none(),
            st.tuples(st.just("points"), st.integers(1, 120)),
            st.tuples(st.just("amount"), st.integers(1, 1100)),
        ),
    )
    def reverse(
        self,
        original: Posted,
        store: int,
        late: int,
        by_order: bool,
        clamps: bool,
        grace_days: int,
        part: tuple[str, int] | None,
    ) -> Any:
        named = dict([part] if part else [])
        event = self.reversal(original, store, late, by_order, clamps, grace_days, **named)
        wanted = Return(self.store_ids[store], self.day(late), clamps=clamps, grace_days=grace_days, **named)

        return self.post(event, self.model.reverse(original.model, wanted), None)

    @rule(target=undone, sale=st.tuples(consumes(posted), consumes(posted)), store=stores)
    def return_a_sale_that_earned_and_redeemed(self, sale: tuple[Posted, Posted], store: int) -> Any:
        events = [self.reversal(part, store, 0) for part in sale]

        results = ledger().post(self.tenant_id, events)

        wanted = Return(self.store_ids[store], self.today)
        assert [shown(result) for result in results] == [self.model.reverse(part.model, wanted) for part in sale]
        pairs = zip(events, results, strict=True)
        return multiple(*(Posted(event, result, None) for event, result in pairs if result.transfer))

    @rule(
        target=placed,
        member=members,
        store=stores,
        late=days_late,
        points=st.sampled_from([1, 50, 100, 150]),
        has_run_out=st.sampled_from([False, False, True]),
    )
    def hold(self, member: int, store: int, late: int, points: int, has_run_out: bool) -> Any:
        until = LONG_AGO if has_run_out else FAR_AWAY
        event = posting.hold(points, points, 1, self.cards[member], until, **self.common(store, late))
        expected, hold = self.model.hold(self.model.members[member], self.day(late), points, has_run_out)

        [result] = ledger().post(self.tenant_id, [event])

        assert shown(result) == expected
        return Placed(id_of(Posted(event, result, None)), hold) if hold else multiple()

    @rule(
        target=posted,
        placed=placed,
        store=stores,
        late=days_late,
        grace_days=grace,
        points=st.sampled_from([None, None, 1, 50, 200]),
    )
    def capture(self, placed: Placed, store: int, late: int, grace_days: int, points: int | None) -> Any:
        """In any store, in part or whole; what has been resolved stays so."""
        event = posting.capture(placed.hold_id, grace_days, points, **self.common(store, late))
        expected, transfer = self.model.capture(
            placed.model, self.store_ids[store], self.day(late), points, grace_days
        )
        return self.post(event, expected, transfer)

    @rule(placed=placed, store=stores, late=days_late, grace_days=grace)
    def void(self, placed: Placed, store: int, late: int, grace_days: int) -> None:
        event = posting.void(placed.hold_id, grace_days, **self.common(store, late))

        self.post(event, self.model.void(placed.model, self.day(late), grace_days), None)

    @rule(merged=members, kept=members)
    def merge(self, merged: int, kept: int) -> None:
        modelled = [self.model.members[number] for number in (merged, kept)]
        again = modelled[0].merged_into is modelled[1]
        at = datetime.fromisoformat(f"{self.today}T12:00:00+00:00")

        with unit_of_work(self.tenant_id) as session:
            pair = self.member_ids[merged], self.member_ids[kept]
            result = post_merge(session, self.tenant_id, *pair, at, self.today)

        if again:
            assert result.outcome == "replayed"
        else:
            assert shown(result) == self.model.merge(*modelled, self.today)

    @rule(original=undone, store=stores)
    def reverse_a_reversal(self, original: Posted, store: int) -> None:
        [result] = ledger().post(self.tenant_id, [self.reversal(original, store, 0)])

        assert (result.outcome, result.code) == ("refused", "not_reversible")
        # The holds of the member that had run out are released even so.
        assert original.result.transfer
        with unit_of_work(self.tenant_id) as session:
            transfer = session.get_one(Transfer, (self.tenant_id, original.result.transfer.transfer_id))
        member = self.model.members[self.member_ids.index(transfer.member_id)]
        self.model.release_what_has_run_out(self.model.owner(member), self.today)

    @rule(original=st.one_of(posted, undone), card=members)
    def repeat(self, original: Posted, card: int) -> None:
        """Of every request three ways to send it once more, none of which may move a point."""
        same = {**original.event, "transfer_id": str(uuid4())}
        other = {**same, "request_hash": "\\x" + "ff" * 32} | ({"card": self.cards[card]} if "card" in same else {})
        same_order = {**same, "idempotency_key": str(uuid4())}

        replayed, reused, posted_already = ledger().post(self.tenant_id, [same, other, same_order])

        assert replayed == original.result._replace(outcome="replayed")
        assert (reused.outcome, reused.code) == ("refused", "idempotency_key_reused")
        # Which capture it was, a hold tells itself.
        code = "hold_captured" if "hold_id" in same else "order_already_posted"
        assert (posted_already.outcome, posted_already.code) == ("refused", code)
        assert reused.detail == posted_already.detail == {"transfer_id": str(id_of(original))}

    @rule(
        target=posted,
        sales=st.lists(st.tuples(members, stores, days_late, grants, st.integers(1, 60)), min_size=2, max_size=4),
    )
    def post_together(self, sales: list[tuple[int, int, int, list[Any], int]]) -> Any:
        prepared = []
        for member, store, late, granted, points in sales:
            prepared.append(self.redemption(member, store, late, points))
            prepared.append(self.accrual(member, store, late, granted))

        results = ledger().post(self.tenant_id, [event for event, _, _ in prepared])

        assert [shown(result) for result in results] == [expected for _, expected, _ in prepared]
        pairs = zip(prepared, results, strict=True)
        return multiple(*(Posted(event, result, transfer) for (event, _, transfer), result in pairs if transfer))

    @rule(whole_month=st.booleans())
    def expire(self, whole_month: bool) -> None:
        if whole_month and self.today < LATEST:
            self.today = add_months(month_of(self.today), 1)

        assert expire_points(self.tenant_id, self.today) == self.model.expire(self.today)

    @rule()
    @precondition(lambda self: self.model.first_open_month < month_of(self.today))
    def close(self) -> None:
        month = self.model.close()

        window = close_month(self.tenant_id, month, "test")

        assert window.closing_outstanding == self.outstanding_at_the_end_of(month)
        self.check_published(month)

    def teardown(self) -> None:
        for month in self.closed_months():
            self.check_published(month)
        while self.model.first_open_month <= month_of(self.today):
            self.close()
        assert check_ledger(self.tenant_id) == []
        assert check_settlement(self.tenant_id) == []
        owners = [self.model.owner(member) for member in self.model.members]
        assert self.points_now() == [(m.available(self.today), m.deficit) for m in owners]
        held = [sum(hold.points for hold in m.holds if hold.state == "held") for m in self.model.members]
        assert self.points_held() == held

    def points_now(self) -> list[tuple[int, int]]:
        """Available points and deficit of each member, by trying to redeem more than there is."""
        events = [self.redemption(member, 0, 0, 10**9)[0] for member in range(MEMBERS)]
        refused = ledger().post(self.tenant_id, events)
        events = [self.accrual(member, 0, 0, [])[0] for member in range(MEMBERS)]
        asked = ledger().post(self.tenant_id, events)
        return [
            ((result.detail or {})["available"], zero.transfer.deficit_after if zero.transfer else 0)
            for result, zero in zip(refused, asked, strict=True)
        ]

    def points_held(self) -> list[int]:
        with unit_of_work(self.tenant_id) as session:
            held = {wallet.member_id: wallet.held for wallet in session.scalars(select(Wallet))}
        return [held.get(member_id, 0) for member_id in self.member_ids]

    def available(self, member: int, day: date) -> int:
        """Holds that have run out are released first, as any posting for the member does."""
        owner = self.model.owner(self.model.members[member])
        ledger().post(self.tenant_id, [self.redemption(member, 0, 0, 10**9)[0]])
        self.model.release_what_has_run_out(owner, self.today)
        return owner.available(day)

    def closed_months(self) -> list[date]:
        months = []
        month = OPENED_ON
        while month < self.model.first_open_month:
            months.append(month)
            month = add_months(month, 1)
        return months

    def check_published(self, month: date) -> None:
        with unit_of_work(self.tenant_id) as session:
            positions = session.scalars(select(PositionRow).where(PositionRow.month == month)).all()
            flows = session.scalars(select(FlowRow).where(FlowRow.month == month)).all()
        window = get_window(self.tenant_id, month)
        modelled = self.model.months[month]
        by_store = {store_id: modelled.stores[store_id] for store_id in self.store_ids}

        published = {p.store_id: (p.issued, p.recovered, p.expired, p.borne) for p in positions}
        modelled_points = {s: (m.issued, m.recovered, m.expired, m.borne) for s, m in by_store.items()}
        advances = published.pop(self.tenant_id, None)
        assert advances is None or advances[1:] == (0, *advances[2:])
        assert published == modelled_points
        matrix = {(f.funder_id, f.redeeming_store_id): f.points for f in flows}
        assert matrix == {pair: points for pair, points in modelled.flows.items() if points}
        totals = (window.issued, window.recovered, window.expired, window.borne)
        assert totals == tuple(sum(column) for column in zip(*published.values(), strict=True))

    def outstanding_at_the_end_of(self, month: date) -> int:
        """What members hold, less what the months after `month` have moved already."""
        later = [m for key, m in self.model.months.items() if key > month]
        moved = sum(s.issued + s.borne - s.recovered - s.expired for m in later for s in m.stores.values())
        return self.model.outstanding() - moved

    def day(self, late: int) -> date:
        return self.today - timedelta(days=late)

    def common(self, store: int, late: int) -> Event:
        day = self.day(late)
        key = str(uuid4())
        return posting.common_fields(
            datetime.fromisoformat(f"{day}T12:00:00+00:00"),
            day,
            self.terminal_id,
            self.store_ids[store],
            f"order {key}",
            key,
            b"\0" * 32,
        )

    def reversal(
        self,
        original: Posted,
        store: int,
        late: int,
        by_order: bool = False,
        clamps: bool = False,
        grace_days: int = 0,
        **part: int,
    ) -> Event:
        named = {"original_transfer_id": str(id_of(original))}
        if by_order:
            kind = {"capture": "redemption"}.get(original.event["kind"], original.event["kind"])
            named = {f"original_{name}": original.event[name] for name in ("store_id", "order_ref")}
            named["original_kind"] = kind
        policy = "clamp" if clamps else "deficit"
        return posting.reversal(policy, grace_days, **part, **named, **self.common(store, late))

    def accrual(
        self, member: int, store: int, late: int, granted: list[tuple[int, int, int | None]]
    ) -> tuple[Event, Expected, ModelTransfer]:
        day = self.day(late)
        terms = [(self.store_ids[funder], points, expiry_of(day, months)) for funder, points, months in granted]
        event = posting.accrual(
            [Grant(*term) for term in terms], 1000, 1, self.cards[member], **self.common(store, late)
        )
        return event, *self.model.accrue(self.model.members[member], self.store_ids[store], day, terms)

    def redemption(
        self, member: int, store: int, late: int, points: int
    ) -> tuple[Event, Expected, ModelTransfer | None]:
        event = posting.redemption(points, points, 1, self.cards[member], **self.common(store, late))
        return event, *self.model.redeem(self.model.members[member], self.store_ids[store], self.day(late), points)

    def post(self, event: Event, expected: Expected, transfer: ModelTransfer | None) -> Any:
        """Post one event and compare; the transfer, when it was posted, for later rules."""
        [result] = ledger().post(self.tenant_id, [event])

        assert shown(result) == expected
        return multiple() if expected.code else Posted(event, result, transfer)


def id_of(posted: Posted) -> UUID:
    assert posted.result.transfer is not None
    return posted.result.transfer.transfer_id


def expiry_of(day: date, months: int | None) -> date:
    return NEVER if months is None else last_day(add_months(month_of(day), months))


def shown(result: PostingResult) -> Expected:
    if result.transfer is None:
        assert result.outcome == "refused"
        return Expected(result.code)
    transfer = result.transfer
    assert result.outcome == "posted"
    return Expected(
        None, transfer.points, transfer.available_after, transfer.deficit_after, transfer.settlement_month
    )


def test_the_ledger_does_what_the_rules_say(make_network: Callable[..., NetworkForTests]) -> None:
    networks: list[NetworkForTests] = []

    def machine() -> LedgerMachine:
        return LedgerMachine(lambda **fields: networks.append(make_network(**fields)) or networks[-1])

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            derandomize=False,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )

    checked = [count_checked(network.tenant_id) for network in networks]
    assert all(any(counts[table] for counts in checked) for table in ("wallets", "lots", "transfers", "postings"))


def test_a_reversed_accrual_of_two_lots_takes_each_point_once(network: NetworkForTests, card: str) -> None:
    """The first lot has been spent, the second is whole: it must pay for the first or go back itself, not both."""
    store_id = network.tills["A"].store_id
    day, moment = date(2026, 1, 10), datetime.fromisoformat("2026-01-10T12:00:00+00:00")
    two_lots = [Grant(store_id, 100, date(2026, 2, 28)), Grant(store_id, 100, date(2026, 3, 31))]

    def common() -> Event:
        return posting.common_fields(
            moment, day, network.tills["A"].terminal_id, store_id, str(uuid4()), str(uuid4())
        )

    accrual = posting.accrual(two_lots, 0, 1, card, **common())
    ledger().post(network.tenant_id, [accrual, posting.redemption(100, 0, 1, card, **common())])
    other = posting.accrual([Grant(store_id, 500, date(2026, 5, 31))], 0, 1, card, **common())
    ledger().post(network.tenant_id, [other])

    reversal = posting.reversal(original_transfer_id=accrual["transfer_id"], **common())
    [result] = ledger().post(network.tenant_id, [reversal])

    assert shown(result) == Expected(None, 200, 400, 0, date(2026, 1, 1))
    assert check_ledger(network.tenant_id) == []
