"""Which rate counts on a day: a participant's own before the network's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from tenants.foundation.errors import Conflict


@dataclass(frozen=True, eq=False)
class Rate:
    """Minor units per point: `funding` is charged to the issuer, `redemption` is paid to the redeemer.

    Without a participant it is the network's. `valid_until` is its last day, None while it has none. A book has one
    object of each rate: as keys of sums, they are told apart by that, a million times in a large month.
    """

    rate_id: UUID
    participant_id: UUID | None
    valid_from: date
    valid_until: date | None
    funding: Decimal
    redemption: Decimal

    def covers(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


class RateBook:
    """The rates of a network, none of them withdrawn. Two of the same participant never overlap."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        self.rates: dict[UUID | None, list[Rate]] = {}
        for rate in rates:
            self.rates.setdefault(rate.participant_id, []).append(rate)
        self.found: dict[tuple[UUID | None, date], Rate | None] = {}

    def on(self, participant_id: UUID | None, day: date) -> Rate:
        """The participant's rate, else the network's (`None`). Raises `Conflict` for a day without one."""
        rate = self.find(participant_id, day)
        if rate is None:
            raise rate_gap([day])
        return rate

    def find(self, participant_id: UUID | None, day: date) -> Rate | None:
        key = participant_id, day
        if key not in self.found:
            own, networks = self.rates.get(participant_id, ()), self.rates.get(None, ())
            self.found[key] = next((rate for rate in (*own, *networks) if rate.covers(day)), None)
        return self.found[key]

    def latest(self, participant_id: UUID | None, day: date) -> Rate | None:
        """The one in force on `day`; if there is none, the last before it, the participant's or the network's."""
        begun = [
            rate for whose in {participant_id, None} for rate in self.rates.get(whose, ()) if rate.valid_from <= day
        ]
        return self.find(participant_id, day) or max(begun, key=lambda rate: rate.valid_from, default=None)

    def gaps(self) -> list[tuple[date, date | None]]:
        """First and last day of each break between the network's own rates, and after the last (None: for ever)."""
        rates = sorted(self.rates.get(None, ()), key=lambda rate: rate.valid_from)
        firsts = [rate.valid_until + timedelta(days=1) for rate in rates if rate.valid_until is not None]
        lasts = [*(rate.valid_from - timedelta(days=1) for rate in rates[1:]), None]
        return [(first, last) for first, last in zip(firsts, lasts, strict=False) if last is None or first <= last]

    def first_days(self) -> list[date]:
        """The days on which any rate begins, and those after one ends: between two of them nothing changes."""
        every = [rate for rates in self.rates.values() for rate in rates]
        begins = {rate.valid_from for rate in every}
        after = {date.fromordinal(rate.valid_until.toordinal() + 1) for rate in every if rate.valid_until}
        return sorted(begins | after)


def rate_gap(days: Iterable[date]) -> Conflict:
    ranges = ranges_of(days)
    told = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in ranges)
    return Conflict(
        f"No rate covers {told}: set one for these days with `clearinghouse rate set`.",
        code="rate_gap",
        gaps=[{"valid_from": first.isoformat(), "valid_until": last.isoformat()} for first, last in ranges],
    )


def ranges_of(days: Iterable[date]) -> list[tuple[date, date]]:
    """First and last day of each run of `days` without a break."""
    ranges: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if ranges and ranges[-1][1] + timedelta(days=1) == day:
            ranges[-1] = ranges[-1][0], day
        else:
            ranges.append((day, day))
    return ranges
