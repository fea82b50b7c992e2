"""Whether a settlement still follows from the postings: derived afresh, and compared byte for byte."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from sqlalchemy import select

from clearinghouse.ledger.queries import check_attached
from settlement.netting.queries import points_by_day
from settlement.proposals.queries import lines_of, live_settlement
from settlement.proposals.rules import canonical, derive_lines
from settlement.proposals.service import Derivation, derive
from settlement.proposals.tables import Settlement
from settlement.states.rules import FINAL
from settlement.windows.tables import Window
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict, NotFound
from tenants.foundation.months import show_month


@dataclass(frozen=True)
class Proof:
    """`derived` is what the postings come to, or why they come to nothing; `kept` are the lines that there are, both
    as `settlement.proposals.rules.canonical` spells them. `content_hash` is the one that was approved."""

    month: date
    version: int
    state: str
    derived: bytes
    kept: bytes
    content_hash: bytes

    @property
    def holds(self) -> bool:
        return self.derived == self.kept and self.kept_hash == self.content_hash

    @property
    def derived_hash(self) -> bytes:
        return hashlib.sha256(self.derived).digest()

    @property
    def kept_hash(self) -> bytes:
        return hashlib.sha256(self.kept).digest()

    @property
    def lines(self) -> int:
        return len(self.kept.splitlines()) - 1

    @property
    def only_derived(self) -> Sequence[str]:
        return only_in(self.derived, self.kept)

    @property
    def only_kept(self) -> Sequence[str]:
        return only_in(self.kept, self.derived)


def only_in(these: bytes, those: bytes) -> list[str]:
    return list((Counter(these.decode().splitlines()) - Counter(those.decode().splitlines())).elements())


def prove_month(tenant_id: UUID, month: date) -> Proof:
    """Of an approved month. Raises `NotFound` when nothing is proposed, `Conflict` when it is not approved or its
    postings are away."""
    with unit_of_work(tenant_id, isolation="REPEATABLE READ") as session:
        settlement = live_settlement(session, month)
        if settlement is None:
            raise NotFound(f"{show_month(month)} has no settlement.", code="settlement_unknown")
        if settlement.state not in FINAL:
            raise Conflict(
                f"{show_month(month)} is only {settlement.state}: once it is approved, it is to stay what it is.",
                code="settlement_not_approved",
            )
        check_attached(session, month, month)
        return prove(session, settlement)


def prove_all(tenant_id: UUID) -> list[Proof]:
    """Of every approved month, oldest first."""
    approved = select(Settlement).where(Settlement.state.in_(FINAL)).order_by(Settlement.month)
    with unit_of_work(tenant_id, isolation="REPEATABLE READ") as session:
        return [prove(session, settlement) for settlement in session.scalars(approved).all()]


def prove(session: Unit, settlement: Settlement) -> Proof:
    kept = canonical(
        settlement.month, settlement.model, settlement.minimum_payout, lines_of(session, settlement.settlement_id)
    )
    try:
        derived = derive_from_postings(session, settlement).content
    except Conflict as error:
        derived = error.message.encode()
    return Proof(settlement.month, settlement.version, settlement.state, derived, kept, settlement.content_hash)


def derive_from_postings(session: Unit, settlement: Settlement) -> Derivation:
    """With each store's days summed from the postings again, whatever was published of them; with the rates, fees,
    adjustments and disputes as they were when it was approved."""
    derived = derive_frozen(session, settlement)
    month = replace(derived.month, days=points_by_day(session, settlement.month))
    return replace(derived, month=month, lines=derive_lines(month))


def derive_frozen(session: Unit, settlement: Settlement) -> Derivation:
    window = session.scalars(select(Window).where(Window.month == settlement.month)).one()
    return derive(session, window, None if settlement.approved_at is None else settlement)
