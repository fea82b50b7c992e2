"""The ledger's rules once more, as plain Python: what `test_model.py` compares the posting function with.

Written from the specification (docs, issue and the worked examples of `test_lots.py`), not from the SQL: one list of
lots a member, no postings, no balance that is kept beside them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from tenants.foundation.months import add_months, month_of

ACCRUAL, REDEMPTION = "accrual", "redemption"


@dataclass
class ModelLot:
    """`number` tells which of two lots of the same day is older. `remaining` + `expired` <= `points`."""

    number: int
    funder_id: UUID
    points: int
    issued_on: date
    expires_on: date
    remaining: int = 0
    expired: int = 0

    @property
    def spent(self) -> int:
        return self.points - self.remaining - self.expired


@dataclass
class ModelMember:
    lots: list[ModelLot] = field(default_factory=list)
    deficit: int = 0

    def live(self, day: date) -> list[ModelLot]:
        """In the order in which points are consumed: soonest expiry first, then oldest."""
        usable = [lot for lot in self.lots if lot.remaining and lot.expires_on >= day]
        return sorted(usable, key=lambda lot: (lot.expires_on, lot.issued_on, lot.number))

    def available(self, day: date) -> int:
        return sum(lot.remaining for lot in self.live(day))

    def take(self, day: date, points: int) -> list[tuple[ModelLot, int]]:
        """At most `points`, from live lots; what was taken of each."""
        taken = []
        for lot in self.live(day):
            part = min(lot.remaining, points)
            if part:
                lot.remaining -= part
                points -= part
                taken.append((lot, part))
        return taken

    def give(self, lot: ModelLot, points: int) -> None:
        """To a lot, after what the member owes."""
        repaid = min(self.deficit, points)
        self.deficit -= repaid
        lot.remaining += points - repaid


@dataclass
class ModelTransfer:
    """What a later reversal has to know."""

    kind: str
    member: ModelMember
    store_id: UUID
    points: int
    opened: list[ModelLot] = field(default_factory=list)
    taken: list[tuple[ModelLot, int]] = field(default_factory=list)
    reversed: bool = False


@dataclass(frozen=True)
class Expected:
    """`code` is None for a posted transfer; a refusal has no figures."""

    code: str | None
    points: int = 0
    available: int = 0
    deficit: int = 0
    month: date | None = None


@dataclass
class StoreMonth:
    issued: int = 0
    recovered: int = 0
    expired: int = 0


@dataclass
class ModelMonth:
    stores: dict[UUID, StoreMonth] = field(default_factory=lambda: defaultdict(StoreMonth))
    flows: dict[tuple[UUID, UUID], int] = field(default_factory=lambda: defaultdict(int))


@dataclass
class Model:
    first_open_month: date
    members: list[ModelMember]
    months: dict[date, ModelMonth] = field(default_factory=lambda: defaultdict(ModelMonth))
    lots_made: int = 0

    def month(self, day: date) -> date:
        """A day's own month while that is open, else the oldest open one."""
        return max(month_of(day), self.first_open_month)

    def accrue(
        self, member: ModelMember, store_id: UUID, day: date, grants: Iterable[tuple[UUID, int, date]]
    ) -> tuple[Expected, ModelTransfer]:
        """`grants` are (funder, points, last usable day)."""
        transfer = ModelTransfer(ACCRUAL, member, store_id, 0)
        for funder_id, points, expires_on in grants:
            if not points:
                continue
            self.lots_made += 1
            lot = ModelLot(self.lots_made, funder_id, points, day, expires_on)
            member.lots.append(lot)
            member.give(lot, points)
            transfer.opened.append(lot)
            transfer.points += points
            self.months[self.month(day)].stores[funder_id].issued += points
        return self.posted(transfer, day), transfer

    def redeem(
        self, member: ModelMember, store_id: UUID, day: date, points: int
    ) -> tuple[Expected, ModelTransfer | None]:
        if points > member.available(day):
            return Expected("insufficient_points"), None
        transfer = ModelTransfer(REDEMPTION, member, store_id, points)
        transfer.taken = member.take(day, points)
        self.count_recovered(transfer, day, sign=1)
        return self.posted(transfer, day), transfer

    def reverse(self, original: ModelTransfer, day: date) -> Expected:
        if original.kind not in (ACCRUAL, REDEMPTION):
            return Expected("not_reversible")
        if original.reversed:
            return Expected("already_reversed")
        original.reversed = True
        if original.kind == REDEMPTION:
            for lot, points in original.taken:
                original.member.give(lot, points)
            self.count_recovered(original, day, sign=-1)
        else:
            self.take_back(original, day)
        return self.posted(original, day)

    def take_back(self, accrual: ModelTransfer, day: date) -> None:
        stores = self.months[self.month(day)].stores
        spent = sum(lot.spent for lot in accrual.opened)
        for lot in accrual.opened:
            stores[lot.funder_id].issued -= lot.points
            stores[lot.funder_id].expired -= lot.expired
            lot.remaining = lot.expired = 0
        found = sum(points for _, points in accrual.member.take(day, spent))
        accrual.member.deficit += spent - found

    def count_recovered(self, redemption: ModelTransfer, day: date, sign: int) -> None:
        month = self.months[self.month(day)]
        for lot, points in redemption.taken:
            month.stores[redemption.store_id].recovered += sign * points
            month.flows[lot.funder_id, redemption.store_id] += sign * points

    def expire(self, as_of: date) -> int:
        """Lots whose last usable day is before `as_of`; the points expired."""
        expired = 0
        for lot in (lot for member in self.members for lot in member.lots):
            if lot.expires_on < as_of and lot.remaining:
                self.months[self.month(lot.expires_on)].stores[lot.funder_id].expired += lot.remaining
                expired += lot.remaining
                lot.expired += lot.remaining
                lot.remaining = 0
        return expired

    def close(self) -> date:
        """The month closed."""
        closed = self.first_open_month
        self.expire(add_months(closed, 1))
        self.first_open_month = add_months(closed, 1)
        return closed

    def outstanding(self) -> int:
        return sum(sum(lot.remaining for lot in member.lots) - member.deficit for member in self.members)

    def posted(self, transfer: ModelTransfer, day: date) -> Expected:
        member = transfer.member
        return Expected(None, transfer.points, member.available(day), member.deficit, self.month(day))
