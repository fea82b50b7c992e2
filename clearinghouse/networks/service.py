from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from clearinghouse.ledger.service import ensure_partitions, open_books
from clearinghouse.programme.rules import parse_policy
from clearinghouse.programme.service import add_version
from tenants.credentials.service import HQ, create_credential
from tenants.foundation import clock
from tenants.foundation.database import unit_of_work
from tenants.foundation.months import add_months, month_of
from tenants.networks.service import NewNetwork, create_network

# Partitions are made this far ahead, so that a missed run of the job that makes them costs nothing.
MONTHS_AHEAD = 12


@dataclass(frozen=True)
class NewProgramme:
    """`base_rate` points per currency unit spent, `redemption_value` points per currency unit given."""

    base_rate: Decimal
    redemption_value: Decimal
    expiry_policy: str


def open_network(network: NewNetwork, programme: NewProgramme) -> tuple[UUID, str]:
    """The network's id and its first head office key, which is shown here and never again."""
    parse_policy(programme.expiry_policy)
    tenant_id = create_network(network)
    first_month = month_of(network.opened_on)
    ensure_partitions(first_month, add_months(month_of(clock.now().date()), MONTHS_AHEAD))
    with unit_of_work(tenant_id):
        open_books(tenant_id, first_month)
    opening = datetime.combine(network.opened_on, datetime.min.time(), ZoneInfo(network.time_zone))
    add_version(
        tenant_id,
        programme.base_rate,
        programme.redemption_value,
        programme.expiry_policy,
        opening.astimezone(UTC),
    )
    _, key = create_credential(tenant_id, HQ, "first key")
    return tenant_id, key
