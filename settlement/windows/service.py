"""Closing a month, and publishing what each store issued and recovered in it.

Closing is a short transaction under the cut-off lock; netting, which may take long, comes after and reads a
month that can't change any more. Both are safe to run again after a crash between or inside them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select, update

from clearinghouse.dayclose.queries import open_differences
from clearinghouse.expiry.service import expire_points
from clearinghouse.ledger.queries import first_open_month
from clearinghouse.ledger.service import ensure_partitions_ahead, stop_postings
from clearinghouse.ledger.tables import Books
from clearinghouse.webhooks.rules import WINDOW_CLOSED
from clearinghouse.webhooks.service import emit
from settlement.netting import queries
from settlement.netting.rules import Identity, StoreDay, StorePoints, Totals, prove_points, sum_stores, total_of
from settlement.netting.tables import PositionRow
from settlement.seals.service import seal_window
from settlement.states.rules import CLOSED, WINDOW
from settlement.states.service import begin
from settlement.terms.queries import terms_of
from settlement.terms.rules import calendar_of
from settlement.windows.tables import Window
from tenants.foundation import clock, ids
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict, IntegrityFailure, NotFound
from tenants.foundation.months import add_months, last_day, show_month
from tenants.networks.service import today_in
from tenants.stores.tables import Store

log = logging.getLogger(__name__)


def close_month(tenant_id: UUID, month: date, closed_by: str) -> Window:
    """Expire what the month's end expires, close it, net it, seal it, publish it; the published window.

    Goes on with a close that was interrupted. Raises `Conflict` for a month that has been published
    already, is not over yet, or is not next in turn, and `IntegrityFailure` when an identity fails: the month is
    closed then, and nothing is published.
    """
    window = find_window(tenant_id, month)
    if window is not None and window.published_at is not None:
        raise Conflict(f"{show_month(month)} has been closed and published already.", code="window_closed")
    if window is None:
        check_turn(tenant_id, month)
        expire_points(tenant_id, as_of=add_months(month, 1))
        cut_off(tenant_id, month, closed_by)
        ensure_partitions_ahead()
    publish(tenant_id, month)
    return get_window(tenant_id, month)


def find_window(tenant_id: UUID, month: date) -> Window | None:
    with unit_of_work(tenant_id) as session:
        return session.get(Window, (tenant_id, month))


def get_window(tenant_id: UUID, month: date) -> Window:
    window = find_window(tenant_id, month)
    if window is None:
        raise NotFound(
            f"{show_month(month)} has not been closed; `clearinghouse window list` shows the months.",
            code="window_unknown",
        )
    return window


def get_published_window(tenant_id: UUID, month: date) -> Window:
    window = get_window(tenant_id, month)
    if window.published_at is None:
        raise Conflict(
            f"{show_month(month)} is closed but not published yet; close it again to go on.",
            code="window_not_published",
        )
    return window


def list_windows(tenant_id: UUID) -> tuple[list[Window], date]:
    """The closed months, oldest first, and the first open one."""
    with unit_of_work(tenant_id) as session:
        return list(session.scalars(select(Window).order_by(Window.month))), first_open_month(session)


def count_day_close_differences(tenant_id: UUID, month: date) -> int:
    """Days of tills that somebody has to look at before the month is approved."""
    with unit_of_work(tenant_id) as session:
        return len(open_differences(session, month))


def day_close_differences_of(tenant_id: UUID, windows: Sequence[Window]) -> dict[date, int]:
    """By month, of the newest only, which is still to be looked at: all of them would read the whole ledger."""
    return {window.month: count_day_close_differences(tenant_id, window.month) for window in windows[-1:]}


def check_turn(tenant_id: UUID, month: date) -> None:
    with unit_of_work(tenant_id) as session:
        next_month = first_open_month(session)
        today = today_in(tenant_id)
    if month != next_month:
        raise Conflict(
            f"Months close in turn: {show_month(next_month)} is next, not {show_month(month)}.",
            code="window_out_of_turn",
        )
    if today <= last_day(month):
        raise Conflict(
            f"{show_month(month)} is not over: it can be closed from {last_day(month) + timedelta(days=1)} on.",
            code="window_not_over",
        )


def cut_off(tenant_id: UUID, month: date, closed_by: str) -> None:
    """From here on every posting joins a later month. Waits for the postings under way, and they for it."""
    with unit_of_work(tenant_id) as session:
        stop_postings(session, tenant_id)
        if first_open_month(session) != month:
            raise Conflict(f"{show_month(month)} is being closed by somebody else.", code="window_closed")
        window_id = ids.new_id()
        begin(session, tenant_id, WINDOW, [window_id], CLOSED, closed_by)
        session.add(
            Window(
                tenant_id=tenant_id,
                month=month,
                window_id=window_id,
                state=CLOSED,
                state_sequence=1,
                closed_at=clock.now(),
                closed_by=closed_by,
                **vars(calendar_of(month, terms_of(session, month))),
            )
        )
        session.execute(update(Books).values(first_open_month=add_months(month, 1)))


def publish(tenant_id: UUID, month: date) -> list[Identity]:
    """Sum a closed month, prove the identities, write the figures, seal the transfers: all or nothing.

    A closed month's postings can't change, and what members hold is read in one statement, so no further
    snapshot is needed.
    """
    with unit_of_work(tenant_id) as session:
        # Two at once: the second waits here, and then finds the window published.
        window = session.scalars(select(Window).where(Window.month == month).with_for_update()).one()
        if window.published_at is not None:
            raise Conflict(f"{show_month(month)} has been published already.", code="window_closed")
        session.execute(queries.IN_PARALLEL)
        store_ids = session.scalars(select(Store.store_id).order_by(Store.code)).all()
        days = queries.points_by_day(session, month)
        recovered_by_flows = queries.write_flows(session, month)
        points = sum_stores(store_ids, days)
        totals = total_of(points, opening_outstanding(session, month))
        identities = prove_points(points, totals, recovered_by_flows, queries.outstanding_by_lots(session, month))
        refuse_unless_all_hold(month, identities)
        write_figures(session, window, points, totals, days)
        window.identities = [keep(identity) for identity in identities]
        session.flush()
        seal_window(session, window)
        emit(session, tenant_id, WINDOW_CLOSED, event_of(window))
    log.info("published %s", show_month(month))
    return identities


def opening_outstanding(session: Unit, month: date) -> int:
    """The closing figure of the month before; 0 for the first month of the books."""
    before = session.scalar(select(Window).where(Window.month < month).order_by(Window.month.desc()).limit(1))
    if before is None:
        return 0
    if before.closing_outstanding is None:
        raise Conflict(
            f"{show_month(before.month)} has not been published; close it again first.",
            code="window_not_published",
        )
    return before.closing_outstanding


def refuse_unless_all_hold(month: date, identities: Sequence[Identity]) -> None:
    failed = [i for i in identities if not i.holds]
    if failed:
        told = "; ".join(f"{i.name}: {i.left} is not {i.right}" for i in failed)
        raise IntegrityFailure(
            f"{show_month(month)} goes no further, because the books disagree ({told}). "
            "Run `clearinghouse ledger check` to see where.",
            code="identity_failed",
        )


def write_figures(
    session: Unit,
    window: Window,
    points: Sequence[StorePoints],
    totals: Totals,
    days: Sequence[StoreDay],
) -> None:
    key = {"tenant_id": window.tenant_id, "month": window.month}
    session.add_all([PositionRow(**key, **vars(p)) for p in points])
    queries.write_days(session, window.month, days)
    for name, value in vars(totals).items():
        setattr(window, name, value)
    window.published_at = clock.now()


def event_of(window: Window) -> dict[str, object]:
    """What listeners are told of a month, in points."""
    figures = ("issued", "borne", "recovered", "expired", "opening_outstanding", "closing_outstanding")
    return {
        "month": show_month(window.month),
        "closed_by": window.closed_by,
        **{name: getattr(window, name) for name in figures},
    }


def totals_of(window: Window) -> Totals:
    """Of a published window."""
    return Totals(**{field.name: getattr(window, field.name) for field in fields(Totals)})


def keep(identity: Identity) -> dict[str, str]:
    return {"name": identity.name, "left": str(identity.left), "right": str(identity.right)}


def identities_of(kept: Iterable[dict[str, str]] | None) -> list[Identity]:
    return [Identity(one["name"], Decimal(one["left"]), Decimal(one["right"])) for one in kept or ()]
