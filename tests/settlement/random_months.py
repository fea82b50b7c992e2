"""Months of random networks: any stores, participants, rates, fees, adjustments and disputes, in both models."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from settlement.adjustments.rules import Adjustment
from settlement.fees.rules import MONTH, POINT_ISSUED, POINT_RECOVERED, TRANSFER, VOLUME, Fee
from settlement.netting.rules import StoreDay, Totals
from settlement.proposals.rules import Activity, Dispute, Loss, Month, Use, derive_lines
from settlement.states.rules import ACCEPTED, OPENED
from settlement.terms.rules import MODELS
from tenants.rates.rules import Rate, RateBook
from tests.settlement.money import HQ, JANUARY, LONG_AGO, day

STORES = [UUID(int=n) for n in range(1, 6)]
PARTICIPANTS = [UUID(int=n) for n in range(101, 104)]

prices = st.one_of(
    st.sampled_from([Decimal(0), Decimal(1), Decimal("0.5"), Decimal("0.000001")]),
    st.decimals(0, 3, places=6),
)
stores = st.sampled_from(STORES)
anyone = st.sampled_from([*STORES, HQ])
points = st.one_of(st.integers(-20, 20), st.integers(-1000, 100_000))
# Some come late, of December.
days_of_month = st.integers(-20, 31).map(day)

store_days = st.builds(StoreDay, stores, days_of_month, points, points, points, points)
funded_days = st.builds(StoreDay, st.just(HQ), days_of_month, points, st.just(0), points)
uses = st.builds(Use, anyone, anyone, days_of_month, points)
losses = st.builds(Loss, anyone, anyone, days_of_month, st.integers(1, 1000))
activities = st.builds(Activity, stores, days_of_month, st.integers(0, 50), st.integers(-1000, 100_000))


@st.composite
def versions(draw: st.DrawFn, participant_id: UUID | None, number: int) -> list[Rate]:
    """From long ago on for ever without a gap, if they are the network's; a participant's own with gaps."""
    firsts = [LONG_AGO, *sorted(draw(st.sets(st.integers(-20, 31).map(day), max_size=2)))]
    lasts = [*(date.fromordinal(first.toordinal() - 1) for first in firsts[1:]), None]
    rates = [
        Rate(UUID(int=number + place), participant_id, first, last, draw(prices), draw(prices))
        for place, (first, last) in enumerate(zip(firsts, lasts, strict=True))
    ]
    return rates if participant_id is None else [rate for rate in rates if draw(st.booleans())]


@st.composite
def fees(draw: st.DrawFn) -> list[Fee]:
    made = []
    for code in draw(st.lists(st.sampled_from("fgh"), unique=True)):
        for whose in draw(st.lists(st.sampled_from([None, *PARTICIPANTS]), unique=True)):
            basis = draw(st.sampled_from([TRANSFER, POINT_ISSUED, POINT_RECOVERED, VOLUME, MONTH]))
            rate = draw(st.decimals(0, 1, places=6))
            tax = draw(st.decimals(0, 1, places=4))
            made.append(Fee(UUID(int=5000 + len(made)), code, whose, basis, rate, tax, draw(days_of_month), None))
    return made


@st.composite
def adjustments(draw: st.DrawFn) -> list[Adjustment]:
    pairs = draw(st.lists(st.tuples(anyone, anyone).filter(lambda pair: pair[0] != pair[1]), max_size=4))
    return [
        Adjustment(UUID(int=6000 + n), *pair, draw(st.integers(1, 500)), JANUARY, draw(st.text(max_size=3)))
        for n, pair in enumerate(pairs)
    ]


@st.composite
def months(draw: st.DrawFn, **fixed: Any) -> Month:
    participants = {store: draw(st.sampled_from(PARTICIPANTS)) for store in STORES}
    rates = draw(versions(None, 3000))
    for n, participant_id in enumerate(PARTICIPANTS):
        rates += draw(versions(participant_id, 3100 + 10 * n))
    month = Month(
        HQ,
        JANUARY,
        **{
            "model": draw(st.sampled_from(MODELS)),
            "minimum_payout": draw(st.sampled_from([0, 1, 100, 10_000])),
            "participants": participants,
            "days": draw(st.lists(st.one_of(store_days, funded_days), max_size=10)),
            "rates": RateBook(rates),
            "uses": draw(st.lists(uses, max_size=10)),
            "borne": draw(st.lists(losses, max_size=4)),
            "activity": draw(st.lists(activities, max_size=5)),
            "fees": draw(fees()),
            "adjustments": draw(adjustments()),
            "opening": draw(st.dictionaries(stores, st.integers(1, 9_999), max_size=3)),
            "open_stores": draw(st.sets(stores)),
            **fixed,
        },
    )
    return replace(month, disputes=draw(disputes_of(month))) if "disputes" not in fixed else month


@st.composite
def disputes_of(draw: st.DrawFn, month: Month) -> list[Dispute]:
    """Of its lines, and of one that there is not; for what a line comes to, less or more."""
    lines = derive_lines(month)
    keys = [*(line.key for line in lines if line.amount), "funding/nobody/nobody/-"]
    made = draw(st.lists(st.tuples(st.sampled_from(keys), st.integers(-500, 500).filter(bool)), max_size=4))
    states = st.sampled_from([OPENED, ACCEPTED])
    return [Dispute(UUID(int=7000 + n), key, amount, draw(states)) for n, (key, amount) in enumerate(made)]


def totals_of(month: Month, opening: int) -> Totals:
    sums = [sum(getattr(each, name) for each in month.days) for name in ("issued", "recovered", "expired", "borne")]
    made, recovered, expired, borne = sums
    return Totals(*sums, opening, opening + made + borne - recovered - expired)
