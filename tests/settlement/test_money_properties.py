"""What holds of the money of any network, whatever its rates and in both models.

`MONEY_EXAMPLES=5000` looks longer.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from settlement.netting.rules import StorePoints
from settlement.proposals.identities import prove_money
from settlement.proposals.rules import (
    BILATERAL,
    BORNE,
    CARRIED_FORWARD,
    DISPUTE_ACCEPTED,
    DISPUTED,
    FUNDING,
    MARGIN,
    OPENING_BALANCE,
    REDEMPTION,
    Month,
    canonical,
    derive_lines,
    nets_of,
    positions_of,
    rounding_of,
)
from settlement.terms.rules import ON_REDEMPTION, POOLED
from tenants.rates.rules import Rate, RateBook
from tests.settlement.money import HQ
from tests.settlement.random_months import STORES, months, totals_of

thorough = settings(max_examples=int(os.environ.get("MONEY_EXAMPLES") or 80), deadline=None)


def rate_on(month: Month, store_id: UUID, day: date) -> Rate:
    """Once more, in the plainest way."""
    every = [rate for rates in month.rates.rates.values() for rate in rates]
    holding = [r for r in every if r.valid_from <= day and (r.valid_until is None or day <= r.valid_until)]
    own = [
        r for r in holding if r.participant_id is not None and r.participant_id == month.participants.get(store_id)
    ]
    return (own or [rate for rate in holding if rate.participant_id is None])[0]


@thorough
@given(months())
def test_all_owe_and_are_owed_the_same(month: Month) -> None:
    lines = derive_lines(month)

    nets = nets_of(lines)
    points = [StorePoints(store_id, 0, 0, 0, 0) for store_id in STORES]
    positions = {position.store_id: position.net for position in positions_of(points, lines)}
    assert sum(positions.values()) + nets.get(HQ, 0) == 0
    assert positions == {store_id: nets.get(store_id, 0) for store_id in STORES}


@thorough
@given(months())
def test_each_line_is_rounded_once_half_to_even_and_what_that_adds_is_head_offices(month: Month) -> None:
    lines = derive_lines(month)

    assert all(line.amount == round(Fraction(line.exact)) for line in lines)
    assert all(line.exact == round(line.exact, 6) for line in lines), "as many decimals as the database keeps"
    of_hq = [line for line in lines if HQ in (line.payer_id, line.payee_id)]
    exact_net = sum(line.exact * ((line.payer_id == HQ) - (line.payee_id == HQ)) for line in of_hq)
    assert rounding_of(lines, HQ) == exact_net - nets_of(lines).get(HQ, 0)


@thorough
@given(months())
def test_no_two_lines_have_the_same_key_and_only_head_office_owes_itself(month: Month) -> None:
    lines = derive_lines(month)

    assert len({line.key for line in lines}) == len(lines)
    assert all(line.kind == FUNDING and line.payer_id == HQ for line in lines if line.payer_id == line.payee_id)


@thorough
@given(months(model=POOLED))
def test_pooled_each_store_and_rate_is_one_leg_each_way_of_all_its_points(month: Month) -> None:
    funded: Counter[tuple[Any, ...]] = Counter()
    paid: Counter[tuple[Any, ...]] = Counter()
    for each in month.days:
        rate = rate_on(month, each.store_id, each.day)
        funded[each.store_id, HQ, rate.rate_id, rate.funding] += each.issued + each.borne
        paid[HQ, each.store_id, rate.rate_id, rate.redemption] += each.recovered

    lines = derive_lines(month)

    for kind, expected in ((FUNDING, funded), (REDEMPTION, paid)):
        found = {(x.payer_id, x.payee_id, x.reference, x.rate): x.quantity for x in lines if x.kind == kind}
        assert found == {key: points for key, points in expected.items() if points}


@thorough
@given(months(model=ON_REDEMPTION))
def test_on_redemption_the_issuer_pays_its_funding_rate_and_the_redeemer_gets_its_redemption_rate(
    month: Month,
) -> None:
    owed: Counter[UUID] = Counter()
    for use in month.uses:
        redemption = use.points * rate_on(month, use.redeemer_id, use.day).redemption
        funding = use.points * rate_on(month, use.issuer_id, use.day).funding
        owed[use.issuer_id] += redemption if use.issuer_id == HQ else funding
        owed[use.redeemer_id] -= redemption
        owed[HQ] -= Decimal(0) if use.issuer_id == HQ else funding - redemption
    for loss in month.borne:
        made_good = loss.points * rate_on(month, loss.issuer_id, loss.day).funding
        owed[loss.bearer_id] += made_good
        owed[loss.issuer_id] -= made_good

    found: Counter[UUID] = Counter()
    for line in derive_lines(month):
        if line.kind in (BILATERAL, MARGIN, BORNE):
            found[line.payer_id] += line.exact
            found[line.payee_id] -= line.exact

    assert {store: net for store, net in found.items() if net} == {store: net for store, net in owed.items() if net}


@thorough
@given(months(model=POOLED), st.integers(-(10**6), 10**6))
def test_pooled_the_float_is_what_points_outstanding_are_worth_at_any_rates(month: Month, opening: int) -> None:
    totals = totals_of(month, opening)

    identities = prove_money(month, derive_lines(month), totals, totals.closing_outstanding)

    assert len(identities) == 2
    assert all(identity.holds for identity in identities)


@thorough
@given(months(model=POOLED), st.integers(-(10**6), 10**6), st.integers(1, 100))
def test_pooled_a_point_too_many_in_the_lots_is_found_at_any_rate_but_zero(
    month: Month, opening: int, more: int
) -> None:
    totals, lines = totals_of(month, opening), derive_lines(month)
    first = next((line.rate for line in lines if line.kind == FUNDING), Decimal(0))

    _, identity = prove_money(month, lines, totals, totals.closing_outstanding + more)

    assert identity.holds == (not first)


@thorough
@given(st.data(), st.decimals(0, 3, places=6))
def test_on_redemption_without_fees_and_with_one_rate_head_office_has_nothing_to_do_with_it(
    data: st.DataObject, price: Decimal
) -> None:
    one = RateBook([Rate(UUID(int=1), None, date(2025, 1, 1), None, price, price)])
    month = data.draw(
        months(model=ON_REDEMPTION, rates=one, fees=[], adjustments=[], opening={}, minimum_payout=0, disputes=[])
    )
    among_stores = replace(
        month,
        uses=[use for use in month.uses if HQ not in use[:2]],
        borne=[loss for loss in month.borne if HQ not in loss[:2]],
    )

    lines = derive_lines(among_stores)

    assert nets_of(lines).get(HQ, 0) == 0
    assert rounding_of(lines, HQ) == 0


@thorough
@given(months())
def test_carried_forward_is_what_is_too_little_and_opens_the_next_month(month: Month) -> None:
    lines = derive_lines(month)

    before = nets_of(line for line in lines if line.kind != CARRIED_FORWARD)
    carried = {line.payer_id: line.amount for line in lines if line.kind == CARRIED_FORWARD}
    assert carried == {s: -net for s, net in before.items() if s != HQ and -month.minimum_payout < net < 0}
    nets = nets_of(lines)
    assert all(nets[store_id] == 0 for store_id in carried)
    assert all(net >= 0 or -net >= month.minimum_payout for store_id, net in nets.items() if store_id != HQ)
    nothing = {"days": (), "uses": (), "borne": (), "activity": (), "fees": (), "adjustments": (), "disputes": ()}
    following = derive_lines(replace(month, opening=carried, minimum_payout=0, **nothing))
    assert {(line.kind, line.payee_id, line.amount) for line in following} == {
        (OPENING_BALANCE, store_id, amount) for store_id, amount in carried.items()
    }


@thorough
@given(months())
def test_no_more_is_disputed_than_there_is(month: Month) -> None:
    lines = derive_lines(month)

    plain = {line.key: line for line in derive_lines(replace(month, disputes=[]))}
    of_dispute = {dispute.dispute_id: dispute for dispute in month.disputes}
    taken: Counter[str] = Counter()
    for line in lines:
        if line.kind in (DISPUTED, DISPUTE_ACCEPTED):
            assert line.reference is not None
            dispute = of_dispute[line.reference]
            assert 0 < -line.amount / dispute.amount <= 1
            taken[dispute.line_key] -= line.amount
    for key, amount in taken.items():
        assert 0 <= amount / plain[key].amount <= 1


@thorough
@given(months(), st.randoms(use_true_random=False))
def test_a_settlement_is_spelt_the_same_in_whatever_order_it_is_read(month: Month, chance: Any) -> None:
    def shuffled(values: Any) -> list[Any]:
        values = list(values)
        chance.shuffle(values)
        return values

    names = ("days", "uses", "borne", "activity", "fees", "adjustments", "disputes", "open_stores")
    other = replace(
        month,
        rates=RateBook(shuffled(rate for rates in month.rates.rates.values() for rate in rates)),
        participants=dict(shuffled(month.participants.items())),
        opening=dict(shuffled(month.opening.items())),
        **{name: shuffled(getattr(month, name)) for name in names},
    )

    assert spelt(other) == spelt(month)


@thorough
@given(months(), st.integers(-100, 100))
def test_a_leg_is_rounded_once_in_however_many_parts_its_points_come(month: Month, part: int) -> None:
    days = [
        half
        for each in month.days
        for half in (
            replace(each, issued=part, recovered=part, borne=0),
            replace(each, issued=each.issued - part, recovered=each.recovered - part),
        )
    ]
    uses = [
        half for use in month.uses for half in (use._replace(points=part), use._replace(points=use.points - part))
    ]

    assert spelt(replace(month, days=days, uses=uses)) == spelt(month)


def spelt(month: Month) -> bytes:
    return canonical(month.month, month.model, month.minimum_payout, derive_lines(month))
