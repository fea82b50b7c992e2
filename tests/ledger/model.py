"""The ledger's rules once more, as plain Python: what `test_model.py` compares the posting function with.

Written from the specification (docs, issue and the worked examples of `test_lots.py`), not from the SQL: one list of
lots a member, no postings, no balance that is kept beside them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from math import floor
from uuid import UUID

from tenants.foundation.months import add_months, month_of

ACCRUAL, REDEMPTION = "accrual", "redemption"
DEFICIT, BORNE = "deficit", "borne"


@dataclass(eq=False)
class ModelLot:
    """`number` tells which of two lots of the same day is older. `remaining` + `expired` <= `points`."""

    number: int
    funder_id: UUID
    points: int
    issued_on: date
    expires_on: date
    remaining: int = 0
    expired: int = 0


# Where points came from: a lot, what the member owed for them, or what a store bore.
Source = ModelLot | str


@dataclass(eq=False)
class ModelHold:
    """`taken` says from which lots; `state` is held, captured, voided or expired."""

    member: ModelMember
    points: int
    amount: int
    taken: list[tuple[ModelLot, int]]
    has_run_out: bool
    state: str = "held"


@dataclass(eq=False)
class ModelMember:
    lots: list[ModelLot] = field(default_factory=list)
    deficit: int = 0
    holds: list[ModelHold] = field(default_factory=list)
    merged_into: ModelMember | None = None

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

    def held(self) -> int:
        return sum(hold.points for hold in self.holds if hold.state == "held")


@dataclass(eq=False)
class ModelTransfer:
    """What a later reversal has to know; `undone_…` is what reversals have taken of it so far."""

    kind: str
    member: ModelMember
    store_id: UUID
    points: int
    amount: int = 0
    opened: list[ModelLot] = field(default_factory=list)
    taken: list[tuple[Source, int]] = field(default_factory=list)
    undone_points: int = 0
    undone_amount: int = 0
    reversals: int = 0


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
    borne: int = 0


@dataclass
class ModelMonth:
    stores: dict[UUID, StoreMonth] = field(default_factory=lambda: defaultdict(StoreMonth))
    flows: dict[tuple[UUID, UUID], int] = field(default_factory=lambda: defaultdict(int))


@dataclass(frozen=True)
class Return:
    """Of a transfer, by `points`, by `amount`, or (neither) all that is left; what the network has decided."""

    store_id: UUID
    day: date
    points: int | None = None
    amount: int | None = None
    clamps: bool = False
    grace_days: int = 0
    expires_on: date = date.max


@dataclass
class Model:
    network_id: UUID
    first_open_month: date
    members: list[ModelMember]
    months: dict[date, ModelMonth] = field(default_factory=lambda: defaultdict(ModelMonth))
    lots_made: int = 0

    def month(self, day: date) -> date:
        """A day's own month while that is open, else the oldest open one."""
        return max(month_of(day), self.first_open_month)

    def owner(self, member: ModelMember) -> ModelMember:
        """Whose the points of `member` are, after merges."""
        while member.merged_into is not None:
            member = member.merged_into
        return member

    def open_lot(self, member: ModelMember, funder_id: UUID, points: int, day: date, expires_on: date) -> ModelLot:
        self.lots_made += 1
        lot = ModelLot(self.lots_made, funder_id, points, day, expires_on)
        member.lots.append(lot)
        return lot

    def accrue(
        self,
        member: ModelMember,
        store_id: UUID,
        day: date,
        grants: Iterable[tuple[UUID, int, date]],
        amount: int = 1000,
    ) -> tuple[Expected, ModelTransfer]:
        """`grants` are (funder, points, last usable day)."""
        member = self.owner(member)
        transfer = ModelTransfer(ACCRUAL, member, store_id, 0, amount)
        for funder_id, points, expires_on in grants:
            if not points:
                continue
            lot = self.open_lot(member, funder_id, points, day, expires_on)
            member.give(lot, points)
            transfer.opened.append(lot)
            transfer.points += points
            self.months[self.month(day)].stores[funder_id].issued += points
        return self.posted(member, transfer.points, day), transfer

    def redeem(
        self,
        member: ModelMember,
        store_id: UUID,
        day: date,
        points: int,
        offline_limit: int | None = None,
        charged_to: str = DEFICIT,
    ) -> tuple[Expected, ModelTransfer | None]:
        """With `offline_limit` honoured up to it, what is missing then being owed or borne."""
        member = self.owner(member)
        self.release_what_has_run_out(member, day)
        missing = max(points - member.available(day), 0)
        if missing and (offline_limit is None or points > offline_limit):
            return Expected("insufficient_points" if offline_limit is None else "offline_limit_exceeded"), None
        transfer = ModelTransfer(REDEMPTION, member, store_id, points, points)
        transfer.taken = [*member.take(day, points)]
        if missing:
            transfer.taken.append((charged_to, missing))
            if charged_to == DEFICIT:
                member.deficit += missing
            else:
                self.months[self.month(day)].stores[store_id].borne += missing
        for source, part in transfer.taken:
            self.count_recovered(source, store_id, part, day)
        return self.posted(member, points, day), transfer

    def hold(
        self, member: ModelMember, day: date, points: int, has_run_out: bool
    ) -> tuple[Expected, ModelHold | None]:
        member = self.owner(member)
        self.release_what_has_run_out(member, day)
        if points > member.available(day):
            return Expected("insufficient_points"), None
        hold = ModelHold(member, points, points, member.take(day, points), has_run_out)
        member.holds.append(hold)
        return self.posted(member, points, day), hold

    def capture(
        self, hold: ModelHold, store_id: UUID, day: date, points: int | None, grace_days: int
    ) -> tuple[Expected, ModelTransfer | None]:
        self.release_what_has_run_out(hold.member, day, grace_days)
        if hold.state != "held":
            return Expected(f"hold_{hold.state}"), None
        points = hold.points if points is None else points
        if points > hold.points:
            return Expected("more_than_held"), None
        hold.state = "captured"
        transfer = ModelTransfer(REDEMPTION, hold.member, store_id, points, points)
        for lot, held in hold.taken:
            part = min(points, held)
            points -= part
            if part:
                transfer.taken.append((lot, part))
                self.count_recovered(lot, store_id, part, day)
            if part < held:
                self.give_back(hold.member, lot, held - part, day, grace_days)
        return self.posted(hold.member, transfer.points, day), transfer

    def void(self, hold: ModelHold, day: date, grace_days: int) -> Expected:
        self.release_what_has_run_out(hold.member, day, grace_days)
        if hold.state != "held":
            return Expected(f"hold_{hold.state}")
        self.release(hold, "voided", day, grace_days)
        return self.posted(hold.member, hold.points, day)

    def release(self, hold: ModelHold, state: str, day: date, grace_days: int) -> None:
        hold.state = state
        for lot, points in hold.taken:
            self.give_back(hold.member, lot, points, day, grace_days)

    def release_what_has_run_out(self, member: ModelMember, day: date, grace_days: int = 0) -> None:
        for hold in member.holds:
            if hold.has_run_out and hold.state == "held":
                self.release(hold, "expired", day, grace_days)

    def give_back(self, member: ModelMember, lot: ModelLot, points: int, day: date, grace_days: int) -> None:
        """A lot that has expired meanwhile is usable again for the days of grace; its own rest has expired."""
        if lot.expires_on < day and grace_days:
            self.months[self.month(day)].stores[lot.funder_id].expired += lot.remaining
            lot.expired += lot.remaining
            lot.remaining = 0
            lot.expires_on = day + timedelta(days=grace_days)
        member.give(lot, points)

    def reverse(self, original: ModelTransfer, wanted: Return) -> Expected:
        member = self.owner(original.member)
        self.release_what_has_run_out(member, wanted.day, wanted.grace_days)
        points_left = original.points - original.undone_points
        amount_left = original.amount - original.undone_amount
        if original.reversals and not points_left and not amount_left:
            return Expected("already_reversed")
        points, amount = points_left, amount_left
        if wanted.points is not None:
            points = wanted.points
            amount = floor(Fraction(amount_left * points, points_left)) if points_left else 0
        elif wanted.amount is not None:
            amount = wanted.amount
            if amount <= amount_left:
                points = self.points_of_amount(original, amount, points_left, amount_left)
        if points > points_left or amount > amount_left:
            return Expected("more_than_left")
        if original.kind == REDEMPTION:
            self.undo(original, points, wanted)
        else:
            self.take_back(original, points, wanted)
        original.undone_points += points
        original.undone_amount += amount
        original.reversals += 1
        return self.posted(member, points, wanted.day)

    def points_of_amount(self, original: ModelTransfer, amount: int, points_left: int, amount_left: int) -> int:
        """Rounded on the total: what is kept of an accrual, what has come back of a redemption."""
        if original.kind == ACCRUAL:
            kept = floor(Fraction(original.points * (amount_left - amount), original.amount))
            return max(points_left - kept, 0)
        back = floor(Fraction(original.points * (original.undone_amount + amount), original.amount))
        return max(back - original.undone_points, 0)

    def take_back(self, accrual: ModelTransfer, points: int, wanted: Return) -> None:
        member = self.owner(accrual.member)
        stores = self.months[self.month(wanted.day)].stores
        skipped = accrual.undone_points
        spent = []
        for lot in accrual.opened:
            share = min(max(lot.points - skipped, 0), points)
            skipped = max(skipped - lot.points, 0)
            points -= share
            stores[lot.funder_id].issued -= share
            left = min(lot.remaining, share)
            lot.remaining -= left
            expired = min(lot.expired, share - left)
            lot.expired -= expired
            stores[lot.funder_id].expired -= expired
            spent.append(share - left - expired)
        for missing in spent:
            missing -= sum(part for _, part in member.take(wanted.day, missing))
            if wanted.clamps:
                stores[wanted.store_id].borne += missing
            else:
                member.deficit += missing

    def undo(self, redemption: ModelTransfer, points: int, wanted: Return) -> None:
        """Last consumed, first given back."""
        member = self.owner(redemption.member)
        skipped = redemption.undone_points
        for source, taken in reversed(redemption.taken):
            part = min(max(taken - skipped, 0), points)
            skipped = max(skipped - taken, 0)
            points -= part
            self.count_recovered(source, redemption.store_id, -part, wanted.day)
            if source == BORNE:
                self.months[self.month(wanted.day)].stores[redemption.store_id].borne -= part
            elif isinstance(source, ModelLot):
                if part:
                    self.give_back(member, source, part, wanted.day, wanted.grace_days)
            else:
                self.cancel_advance(member, part, wanted)

    def cancel_advance(self, member: ModelMember, points: int, wanted: Return) -> None:
        """Of points that the member came to owe: what has been repaid since comes back as a lot of head office."""
        owed = min(member.deficit, points)
        member.deficit -= owed
        if points > owed:
            lot = self.open_lot(member, self.network_id, points - owed, wanted.day, wanted.expires_on)
            lot.remaining = lot.points

    def count_recovered(self, source: Source, store_id: UUID, points: int, day: date) -> None:
        funder_id = source.funder_id if isinstance(source, ModelLot) else self.network_id
        month = self.months[self.month(day)]
        month.stores[store_id].recovered += points
        month.flows[store_id if source == BORNE else funder_id, store_id] += points

    def merge(self, merged: ModelMember, kept: ModelMember, day: date) -> Expected:
        if merged is kept:
            return Expected("same_member")
        if merged.merged_into or kept.merged_into:
            return Expected("member_merged")
        if merged.held():
            return Expected("member_has_holds")
        moved = sum(lot.remaining for lot in merged.lots)
        kept.lots += merged.lots
        owed = merged.deficit + kept.deficit
        merged.lots, merged.deficit, merged.merged_into = [], 0, kept
        kept.deficit = owed - sum(part for _, part in kept.take(day, owed))
        return self.posted(kept, moved, day)

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
        return sum(
            sum(lot.remaining for lot in member.lots) + member.held() - member.deficit for member in self.members
        )

    def posted(self, member: ModelMember, points: int, day: date) -> Expected:
        return Expected(None, points, member.available(day), member.deficit, self.month(day))
