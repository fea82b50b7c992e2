"""Adjustments: money into the open month, by people who say why.

An adjustment joins a month like a posting does: under the shared cut-off lock, so that it is in exactly one month,
and in none that is closed. None is ever changed; a wrong one is put right by another in the opposite direction.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from clearinghouse.dayclose.service import check_reason
from clearinghouse.ledger.queries import first_open_month
from settlement.adjustments import queries
from settlement.adjustments.rules import (
    NewAdjustment,
    check_amount,
    check_origin,
    check_parties,
    check_reason_code,
)
from settlement.adjustments.tables import AdjustmentRow
from tenants.foundation import clock, ids
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict, NotFound
from tenants.foundation.months import month_of
from tenants.networks.service import get_network
from tenants.staff.rules import Actor
from tenants.stores.queries import codes_of_parties
from tenants.stores.rules import HEAD_OFFICE
from tenants.stores.tables import Store


def adjust(
    tenant_id: UUID,
    actor: Actor,
    payer_code: str,
    payee_code: str,
    amount: int,
    reason: str,
    note: str = "",
    origin_month: date | None = None,
    idempotency_key: str | None = None,
) -> tuple[AdjustmentRow, bool]:
    """The adjustment, and whether it was there already: a repeat with the same key makes no other.

    Payer and payee are codes of stores, or `HQ`. Raises `InvalidInput`, `NotFound` for a store there is not, and
    `Conflict` when the person has used the key for another adjustment.
    """
    check_amount(amount)
    check_reason_code(reason)
    if note:
        check_reason(note)
    with unit_of_work(tenant_id) as session:
        payer_id, payee_id = party_of(session, tenant_id, payer_code), party_of(session, tenant_id, payee_code)
        new = NewAdjustment(payer_id, payee_id, amount, reason, note, origin_month)
        made = add_adjustment(session, tenant_id, new, actor.shown, idempotency_key)
        if made is None:
            return find_repeated(session, new, actor.shown, idempotency_key), True
    return made, False


def party_of(session: Unit, tenant_id: UUID, code: str) -> UUID:
    """A store, open or closed, or head office."""
    if code == HEAD_OFFICE:
        return tenant_id
    store_id = session.scalar(select(Store.store_id).where(Store.code == code))
    if store_id is None:
        raise NotFound(
            f"There is no store {code!r} in this network ({HEAD_OFFICE}: head office).", code="store_unknown"
        )
    return store_id


def make_adjustment(session: Unit, tenant_id: UUID, new: NewAdjustment, made_by: str) -> AdjustmentRow:
    """To be called inside a unit of work that has read nothing of the ledger's months; it waits for a cut-off."""
    made = add_adjustment(session, tenant_id, new, made_by, None)
    assert made is not None
    return made


def add_adjustment(
    session: Unit, tenant_id: UUID, new: NewAdjustment, made_by: str, idempotency_key: str | None
) -> AdjustmentRow | None:
    """None when the same person made one with this key. Waits for another that is making it right now."""
    check_parties(new.payer_id, new.payee_id)
    settlement_month = month_to_join(session, tenant_id)
    origin_month = new.origin_month or settlement_month
    check_origin(origin_month, month_of(get_network(tenant_id).opened_on), settlement_month)
    payer_id, payee_id = (new.payer_id, new.payee_id) if new.amount > 0 else (new.payee_id, new.payer_id)
    statement = insert(AdjustmentRow).values(
        tenant_id=tenant_id,
        adjustment_id=ids.new_id(),
        settlement_month=settlement_month,
        origin_month=origin_month,
        payer_id=payer_id,
        payee_id=payee_id,
        amount=abs(new.amount),
        reason=new.reason,
        note=new.note,
        reference=new.reference,
        made_by=made_by,
        made_at=clock.now(),
        idempotency_key=idempotency_key,
    )
    keys = ["tenant_id", "made_by", "idempotency_key"]
    return session.scalar(statement.on_conflict_do_nothing(index_elements=keys).returning(AdjustmentRow))


def month_to_join(session: Unit, tenant_id: UUID) -> date:
    """The first open month, which stays open until this transaction is over."""
    session.execute(text("SELECT pg_advisory_xact_lock_shared(ledger.cut_off_key(:tenant))"), {"tenant": tenant_id})
    return first_open_month(session)


def find_repeated(session: Unit, new: NewAdjustment, made_by: str, idempotency_key: str | None) -> AdjustmentRow:
    made = queries.find_repeated(session, made_by, idempotency_key)
    wanted = {**vars(new), "origin_month": new.origin_month or made.settlement_month}
    if any(getattr(made, name) != value for name, value in wanted.items()):
        raise Conflict(
            "You have used this Idempotency-Key for another adjustment; use a new key for each new one.",
            code="idempotency_key_reused",
            adjustment_id=ids.show(ids.ADJUSTMENT, made.adjustment_id),
        )
    return made


def list_adjustments(
    tenant_id: UUID, month: date | None = None, after: UUID | None = None, limit: int | None = None
) -> tuple[list[AdjustmentRow], dict[UUID, str]]:
    """Oldest first, those made after `after`, of one month that settles them if one is named; codes of parties."""
    with unit_of_work(tenant_id) as session:
        rows = queries.list_rows(session, month, after, limit)
        parties = {party for row in rows for party in (row.payer_id, row.payee_id)}
        return rows, codes_of_parties(session, tenant_id, parties)
