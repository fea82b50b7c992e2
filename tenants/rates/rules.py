"""Which rate counts on a day: a participant's own before the network's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from tenants.foundation.errors import Conflict


@dataclass(frozen=True)
class Rate:
    """Minor units per point: `funding` is charged to the issuer, `redemption` is paid to the redeemer.

    Without a participant it is the network's. `valid_until` is its last day, None while it has none.
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
        self.found: dict[tuple[UUID | None, date], Rate] = {}

    def on(self, participant_id: UUID | None, day: date) -> Rate:
        """The participant's rate, else the network's (`None`). Raises `Conflict` for a day without one."""
        key = participant_id, day
        if key not in self.found:
            self.found[key] = self.find(participant_id, day)
        return self.found[key]

    def find(self, participant_id: UUID | None, day: date) -> Rate:
        for whose in (participant_id, None):
            for rate in self.rates.get(whose, ()):
                if rate.covers(day):
                    return rate
        raise Conflict(
            f"No rate covers {day}: set one for that day with `clearinghouse rate set`.",
            code="rate_gap",
            day=day.isoformat(),
        )

    def covers(self, day: date) -> bool:
        return any(rate.covers(day) for rate in self.rates.get(None, ()))

    def first_days(self) -> list[date]:
        """The days on which any rate begins, and those after one ends: between two of them nothing changes."""
        every = [rate for rates in self.rates.values() for rate in rates]
        begins = {rate.valid_from for rate in every}
        after = {date.fromordinal(rate.valid_until.toordinal() + 1) for rate in every if rate.valid_until}
        return sorted(begins | after)
