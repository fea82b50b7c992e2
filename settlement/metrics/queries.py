"""What is asked of the database when metrics are asked for: plain SQL, as a probe's connection has no session."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple
from uuid import UUID

from settlement.exposure.rules import REACHED, WARNING
from settlement.states.rules import APPROVED, PROPOSED, REJECTED, SETTLED, SETTLING
from tenants.foundation.probes import DatabaseProbe

# Beyond this nobody counts on: it is too many.
COUNTED_MAX = 100_000

NETWORKS = "SELECT tenant_id, code FROM tenants.list_networks()"
CLOCK = "SELECT extract(epoch FROM clock_timestamp())::float8"
# The newest month for whose postings there is room.
LAST_PARTITION = """
    SELECT max(to_date(right(relname, 7), 'YYYY_MM')) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'ledger.postings'::regclass
"""
NETWORK = """
    SELECT set_config('app.tenant_id', %(tenant)s, true);
    WITH network AS (
        SELECT (now() AT TIME ZONE time_zone)::date AS today, time_zone, close_grace_days FROM tenants.networks
        WHERE tenant_id = tenants.current_tenant()
    ), closed AS (
        SELECT windows.approve_by, windows.pay_on, settlements.state
        FROM settlement.windows LEFT JOIN settlement.settlements
          ON settlements.tenant_id = windows.tenant_id AND settlements.month = windows.month
         AND settlements.state <> %(rejected)s
    )
    SELECT network.today, network.close_grace_days, books.first_open_month,
           extract(epoch FROM now() - books.first_open_month::timestamp AT TIME ZONE network.time_zone)::float8,
           (SELECT count(*) FROM closed WHERE state IS DISTINCT FROM %(settled)s),
           (SELECT count(*) FROM closed
            WHERE approve_by < network.today AND coalesce(state, %(proposed)s) = %(proposed)s),
           (SELECT count(*) FROM closed
            WHERE pay_on < network.today AND state IN (%(approved)s, %(settling)s)),
           (SELECT count(*) FROM settlement.exposures WHERE level = %(warning)s),
           (SELECT count(*) FROM settlement.exposures WHERE level = %(reached)s),
           (SELECT count(*) FROM (SELECT FROM ledger.outbox LIMIT %(most)s) AS counted),
           (SELECT extract(epoch FROM now() - min(created_at))::float8 FROM ledger.outbox),
           (SELECT count(*) FROM (SELECT FROM webhooks.deliveries WHERE state = 'pending' LIMIT %(most)s) AS counted),
           (SELECT extract(epoch FROM now() - min(due_at))::float8 FROM webhooks.deliveries WHERE due_at <= now())
    FROM network CROSS JOIN ledger.books WHERE books.tenant_id = tenants.current_tenant()
"""
STATES = {
    "rejected": REJECTED,
    "settled": SETTLED,
    "proposed": PROPOSED,
    "approved": APPROVED,
    "settling": SETTLING,
    "warning": WARNING,
    "reached": REACHED,
    "most": COUNTED_MAX,
}


class NetworkNow(NamedTuple):
    """Ages are in seconds, None when there is nothing to be old. `approvals_overdue` and `payments_overdue` count
    months after that day of their calendar."""

    today: date
    close_grace_days: int
    first_open_month: date
    open_month_age: float
    unsettled: int
    approvals_overdue: int
    payments_overdue: int
    stores_warned: int
    stores_at_cap: int
    outbox: int
    outbox_age: float | None
    deliveries: int
    deliveries_age: float | None


def clock_of(probe: DatabaseProbe) -> float:
    """Seconds since 1970."""
    [(seconds,)] = probe.ask(CLOCK)
    return float(seconds)


def last_partition(probe: DatabaseProbe) -> date | None:
    [(month,)] = probe.ask(LAST_PARTITION)
    found: date | None = month
    return found


def networks_now(probe: DatabaseProbe) -> Iterator[tuple[str, NetworkNow]]:
    for tenant_id, code in probe.ask(NETWORKS):
        now = network_now(probe, tenant_id)
        if now is not None:
            yield code, now


def network_now(probe: DatabaseProbe, tenant_id: UUID) -> NetworkNow | None:
    """None for one that is being made."""
    rows = probe.ask(NETWORK, {"tenant": str(tenant_id), **STATES})
    return NetworkNow(*rows[0]) if rows else None
