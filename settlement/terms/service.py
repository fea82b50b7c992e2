"""Setting how a network settles, for months that are not closed yet, and giving a closed month more time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from clearinghouse.dayclose.service import check_reason
from clearinghouse.ledger.queries import first_open_month
from settlement.proposals.queries import live_settlement
from settlement.proposals.service import check_not_approved, lock_window
from settlement.states.rules import CLOSED, WINDOW
from settlement.states.service import change_state
from settlement.terms.queries import rows_in_force, terms_in, terms_of
from settlement.terms.rules import POSTPONED_DAYS_MAX, Terms, check_terms
from settlement.terms.tables import TermsRow
from settlement.windows.tables import Window
from tenants.foundation import clock
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict, InvalidInput
from tenants.foundation.months import show_month

CALENDAR = ("dispute_until", "approve_by", "collect_on", "pay_on")


def set_terms(tenant_id: UUID, from_month: date, made_by: str, **changes: Any) -> TermsRow:
    """Terms from a month on; what `changes` do not name stays as it is in that month.

    Raises `Conflict` for a month that is closed, and when points that were issued under one model would be used
    under the other.
    """
    with unit_of_work(tenant_id) as session:
        # Closing a month waits here, and this for it.
        session.execute(
            text("SELECT pg_advisory_xact_lock_shared(ledger.cut_off_key(:tenant))"), {"tenant": tenant_id}
        )
        first_open = first_open_month(session)
        check_still_open(from_month, first_open)
        terms = replace(terms_of(session, from_month), **changes)
        check_terms(terms)
        check_model(session, from_month, first_open, terms.model)
        rows = {row.from_month: row for row in rows_in_force(session)}
        new = make_row(tenant_id, from_month, terms, made_by, rows.get(from_month))
        session.add(new)
        for later in rows.values():
            if later.from_month > from_month and later.model != terms.model:
                following = replace(terms_in(later), model=terms.model)
                session.add(make_row(tenant_id, later.from_month, following, made_by, later))
    return new


def check_still_open(from_month: date, first_open: date) -> None:
    if from_month < first_open:
        raise Conflict(
            f"{show_month(from_month)} is closed: terms can be set from {show_month(first_open)} on.",
            code="window_closed",
        )


def check_model(session: Unit, from_month: date, first_open: date, model: str) -> None:
    """Pooled points are paid for when they are issued, the others when they are used: none both or neither."""
    before = terms_of(session, from_month - timedelta(days=1)).model
    newest = session.scalar(select(Window).order_by(Window.month.desc()).limit(1))
    nothing_outstanding = newest is None or newest.closing_outstanding == 0
    if model != before and not (from_month == first_open and nothing_outstanding):
        raise Conflict(
            f"Points may be outstanding that were issued under {before!r}: the model changes only with the first "
            f"open month, {show_month(first_open)}, and only while no points are outstanding when it begins.",
            code="model_in_use",
            first_open_month=show_month(first_open),
        )


def make_row(tenant_id: UUID, from_month: date, terms: Terms, made_by: str, former: TermsRow | None) -> TermsRow:
    return TermsRow(
        tenant_id=tenant_id,
        from_month=from_month,
        version=1 if former is None else former.version + 1,
        made_by=made_by,
        made_at=clock.now(),
        **vars(terms),
    )


def list_terms(tenant_id: UUID) -> list[TermsRow]:
    """Every version, by month."""
    with unit_of_work(tenant_id) as session:
        return list(session.scalars(select(TermsRow).order_by(TermsRow.from_month, TermsRow.version)))


def postpone(tenant_id: UUID, month: date, days: int, by: str, reason: str = "") -> Window:
    """Move all four days of a closed month's calendar; only later, and only while it is not approved.

    Its history says who did it. Raises `Conflict` for an approved month, `NotFound` for one that is not closed.
    """
    if not 1 <= days <= POSTPONED_DAYS_MAX:
        raise InvalidInput(f"It is postponed by 1 to {POSTPONED_DAYS_MAX} days.", code="invalid_days")
    if reason:
        check_reason(reason)
    with unit_of_work(tenant_id) as session:
        window = lock_window(session, month)
        check_not_approved(live_settlement(session, month))
        for name in CALENDAR:
            setattr(window, name, getattr(window, name) + timedelta(days=days))
        told = f"postponed by {days} days" + (f": {reason}" if reason else "")
        change_state(session, WINDOW, window, CLOSED, by, told)
        session.flush()
    return window


def terms_in_force(tenant_id: UUID) -> tuple[date, Terms]:
    """The first open month, and what it will be settled by: the defaults as long as none are set."""
    with unit_of_work(tenant_id) as session:
        month = first_open_month(session)
        return month, terms_of(session, month)
