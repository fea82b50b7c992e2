from __future__ import annotations

from datetime import date

import click

from clearinghouse.expiry.service import check_as_of, count_due, expire_points
from tenants.audit.service import record_act
from tenants.foundation.console import DAY, json_option, network_option, print_fields, progress, with_app
from tenants.networks.service import find_network_id


@click.command()
@network_option
@click.option(
    "--as-of",
    type=DAY,
    help="Expire what was usable until the day before this day.  [default: today in the network's time zone]",
)
@json_option
@with_app
def expire(network: str, as_of: date | None, as_json: bool) -> None:
    """Expire points whose last usable day has passed."""
    tenant_id = find_network_id(network)
    day = check_as_of(tenant_id, as_of)
    record_act(tenant_id)
    with progress("expiring", count_due(tenant_id, day)) as advance:
        points = expire_points(tenant_id, day, advance)
    print_fields({"as_of": day, "points_expired": points}, as_json)
