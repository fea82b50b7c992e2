"""Reports of a network, computed when they are asked for: efficiency of netting, ageing, months side by side."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from settlement.proposals.queries import nets_by_party
from settlement.proposals.tables import Settlement
from settlement.reports import queries
from settlement.reports.documents import Ageing, NetworkReport, largest_flows
from settlement.reports.rules import (
    ComparedMonth,
    Efficiency,
    MonthFigures,
    Obligations,
    compare,
    efficiency_of,
    mean_rates,
    pooled_obligations,
)
from settlement.statements.documents import SettlementDocument
from settlement.terms.rules import ON_REDEMPTION
from settlement.windows.service import get_published_window, totals_of
from settlement.windows.tables import Window
from tenants.foundation import clock
from tenants.foundation.database import Unit, unit_of_work
from tenants.networks.service import get_network, today_in

MONTHS_COMPARED = 12
MONTHS_COMPARED_MAX = 60


def load_report(document: SettlementDocument) -> NetworkReport:
    """Of the version that the document is, with the ageing of today."""
    loaded_at = clock.now()
    with unit_of_work(document.tenant_id) as session:
        settlement = session.get_one(Settlement, (document.tenant_id, document.settlement_id))
        obligations = obligations_in(session, settlement)
        months = compared_months(session, document.month, MONTHS_COMPARED, settlement)
        ageing = ageing_at(session, document.tenant_id, today_in(document.tenant_id))
    return NetworkReport(
        document,
        efficiency_of(obligations, str(document.tenant_id)),
        tuple(largest_flows(document, obligations)),
        ageing,
        tuple(months),
        loaded_at,
    )


def load_ageing(tenant_id: UUID, as_of: date | None = None) -> Ageing:
    """At the end of a day in the network's time zone; by default today."""
    with unit_of_work(tenant_id) as session:
        return ageing_at(session, tenant_id, as_of or today_in(tenant_id))


def ageing_at(session: Unit, tenant_id: UUID, as_of: date) -> Ageing:
    network = get_network(tenant_id)
    end_of_day = datetime.combine(as_of, time.max, ZoneInfo(network.time_zone))
    return Ageing(as_of, network.currency, tuple(queries.unpaid_legs(session, end_of_day)))


def compare_months(tenant_id: UUID, through: date | None, count: int) -> list[ComparedMonth]:
    """The newest `count` published months up to `through`, oldest first. Raises `NotFound` or `Conflict` for a month
    that is not published."""
    if through is not None:
        get_published_window(tenant_id, through)
    with unit_of_work(tenant_id) as session:
        return compared_months(session, through or date.max, count)


def compared_months(
    session: Unit, through: date, count: int, settlement: Settlement | None = None
) -> list[ComparedMonth]:
    """`settlement` is the version that counts for its month, whatever its state."""
    windows = queries.published_windows(session, through, count + 1)
    if not windows:
        return []
    settlements = queries.live_settlements(session, windows[0].month, windows[-1].month)
    if settlement is not None:
        settlements[settlement.month] = settlement
    compared = compare([figures_of(session, window, settlements.get(window.month)) for window in windows])
    return compared[-count:]


def figures_of(session: Unit, window: Window, settlement: Settlement | None) -> MonthFigures:
    """Of a published window."""
    totals = totals_of(window)
    in_points = MonthFigures(
        window.month,
        state=None,
        version=None,
        issued=totals.issued,
        recovered=totals.recovered,
        expired=totals.expired,
        outstanding=totals.closing_outstanding,
    )
    if settlement is None:
        return in_points
    nets = nets_by_party(session, settlement.settlement_id)
    of_stores = [net for party, net in nets.items() if party != settlement.tenant_id]
    return replace(
        in_points,
        state=settlement.state,
        version=settlement.version,
        collections=sum(net for net in of_stores if net > 0),
        payouts=-sum(net for net in of_stores if net < 0),
        fees=queries.fees_of(session, settlement.settlement_id),
        hq_net=settlement.hq_net,
        efficiency=efficiency_in(session, settlement),
    )


def efficiency_in(session: Unit, settlement: Settlement) -> Efficiency:
    return efficiency_of(obligations_in(session, settlement), str(settlement.tenant_id))


def obligations_in(session: Unit, settlement: Settlement) -> Obligations:
    """What the issuer of points owes the store that recovered them, or would owe it without the pool.

    Fees, taxes, margins, adjustments and disputes are head office's with one store: netting against others does not
    touch them.
    """
    if settlement.model == ON_REDEMPTION:
        return queries.bilateral_obligations(session, settlement.settlement_id)
    rates = mean_rates(queries.redemptions_paid(session, settlement.settlement_id))
    return pooled_obligations(queries.flows_of(session, settlement.month), rates)


def current_since(tenant_id: UUID) -> datetime:
    """What reports say of payments changes with these, and with every day: one made since this moment is right."""
    with unit_of_work(tenant_id) as session:
        midnight = datetime.combine(today_in(tenant_id), time.min, ZoneInfo(get_network(tenant_id).time_zone))
        changed = queries.last_change(session)
    return max(midnight, changed) if changed else midnight
