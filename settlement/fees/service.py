"""The fees that head office charges, everybody's and those of single participants, from one day until another."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from settlement.fees.rules import check_fee, check_shares
from settlement.fees.tables import FeeRow
from settlement.validity.service import (
    add,
    check_change,
    end_one,
    find_all,
    lock_those_of,
    make_room,
    participant_of,
    refuse_settled_days,
    withdraw_one,
)
from tenants.foundation import clock, ids
from tenants.foundation.database import Unit, unit_of_work
from tenants.networks.service import check_code, check_rate
from tenants.validity.rules import check_days

OVERLAP = "fee_overlap"


def set_fee(
    tenant_id: UUID,
    code: str,
    basis: str,
    rate: Decimal,
    tax_rate: Decimal,
    valid_from: date,
    made_by: str,
    valid_until: date | None = None,
    participant_code: str | None = None,
    confirmed: bool = False,
) -> tuple[FeeRow, str | None]:
    """The new fee and its participant's code. Without a participant it is everybody's who has none of that code.

    What of the same code has no end and began earlier ends the day before. Raises `Conflict` for days that another
    fee of that code has or that are settled, and, unless it is `confirmed`, for a fee unlike the one before it.
    """
    check_code(code)
    check_rate(rate)
    check_fee(basis, rate, tax_rate)
    check_days(valid_from, valid_until)
    with unit_of_work(tenant_id) as session:
        participant_id = participant_of(session, participant_code)
        refuse_settled_days(session, valid_from)
        if not confirmed:
            check_shares(basis, rate, tax_rate)
            check_change(present_rate(session, code, basis, participant_id, valid_from), rate)
        new = FeeRow(
            tenant_id=tenant_id,
            fee_id=ids.new_id(),
            code=code,
            participant_id=participant_id,
            basis=basis,
            rate=rate,
            tax_rate=tax_rate,
            valid_from=valid_from,
            valid_until=valid_until,
            made_by=made_by,
            made_at=clock.now(),
        )
        others = [row for row in lock_those_of(session, FeeRow, participant_id) if row.code == code]
        make_room(session, new, others, OVERLAP)
        add(session, new, OVERLAP)
    return new, participant_code


def present_rate(session: Unit, code: str, basis: str, participant_id: UUID | None, day: date) -> Decimal | None:
    """Of the last fee of this code that began by `day`: the participant's, else everybody's."""
    for whose in dict.fromkeys((participant_id, None)):
        begun = [
            row
            for row in lock_those_of(session, FeeRow, whose)
            if (row.code, row.basis) == (code, basis) and row.valid_from <= day
        ]
        if begun:
            return begun[-1].rate
    return None


def withdraw_fee(tenant_id: UUID, fee_id: UUID, by: str) -> tuple[FeeRow, str | None]:
    """It has never counted then. What it had ended stays ended."""
    return withdraw_one(tenant_id, FeeRow, fee_id, "fee", by)


def end_fee(tenant_id: UUID, fee_id: UUID, valid_until: date, by: str) -> tuple[FeeRow, str | None]:
    return end_one(tenant_id, FeeRow, fee_id, "fee", valid_until, by)


def list_fees(
    tenant_id: UUID, participant_code: str | None = None, withdrawn: bool = False
) -> list[tuple[FeeRow, str | None]]:
    """With the code of each one's participant: everybody's first, by code and first day."""
    with unit_of_work(tenant_id) as session:
        found = find_all(session, FeeRow, participant_code, withdrawn)
    return sorted(found, key=lambda pair: (pair[1] or "", pair[0].code))
