from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import select, text

from tenants.foundation import clock
from tenants.foundation.database import db, unit_of_work
from tenants.foundation.errors import Conflict, InvalidInput, NotFound
from tenants.foundation.money import minor_digits
from tenants.members.rules import check_country
from tenants.networks.tables import Network

# Codes stand in URLs and in the names of files.
CODE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}"
NETWORK_CODE_PATTERN = r"[a-z0-9][a-z0-9-]{0,39}"
# Without control characters, which break statements, and lone surrogates, which no database takes.
NAME_PATTERN = r"(?=.*\S)[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}"

# The columns hold six decimals; all that is written must be read back the same.
RATE_LIMIT = 10**6
RATE_DECIMALS = 6

DAYS_ACCEPTED_LATE_MAX = 3650
CLOSE_GRACE_DAYS_MAX = 27
RETENTION_MONTHS_MAX = 600
OPENED_ON_MIN = date(1990, 1, 1)
OPENED_AHEAD_MAX = timedelta(days=180)


@dataclass(frozen=True)
class NewNetwork:
    """`funding_rate` and `redemption_rate` are minor units per point: the network's first rate."""

    code: str
    name: str
    time_zone: str
    currency: str
    funding_rate: Decimal
    redemption_rate: Decimal
    opened_on: date
    days_accepted_late: int = 35
    close_grace_days: int = 3


def list_networks() -> list[tuple[UUID, str]]:
    """(id, code) of every network, by code."""
    rows = db.session.execute(text("SELECT tenant_id, code FROM tenants.list_networks()")).all()
    db.session.rollback()
    return [(row.tenant_id, row.code) for row in rows]


def find_network_id(code: str) -> UUID:
    """Raises `NotFound`, naming the networks there are."""
    networks = {network_code: tenant_id for tenant_id, network_code in list_networks()}
    if code not in networks:
        known = ", ".join(networks) or "none yet: make one with `clearinghouse network create`"
        raise NotFound(f"There is no network {code!r}. Networks: {known}.", code="network_unknown")
    return networks[code]


def get_network(tenant_id: UUID) -> Network:
    """To be called inside a unit of work of that network."""
    network = db.session.scalar(select(Network).where(Network.tenant_id == tenant_id))
    if network is None:
        raise NotFound("This network does not exist.", code="network_unknown")
    return network


def change_network(tenant_id: UUID, changes: Mapping[str, str | int | None]) -> Network:
    """`phone_region` and `retention_months`; None empties them, what is not named stays."""
    region, months = changes.get("phone_region"), changes.get("retention_months")
    if region is not None:
        check_country(str(region))
    if months is not None and not 1 <= int(months) <= RETENTION_MONTHS_MAX:
        raise InvalidInput(
            f"retention_months must lie between 1 and {RETENTION_MONTHS_MAX}.", code="invalid_retention"
        )
    with unit_of_work(tenant_id):
        network = get_network(tenant_id)
        for name in ("phone_region", "retention_months"):
            if name in changes:
                setattr(network, name, changes[name])
    return network


def today_in(tenant_id: UUID) -> date:
    """The day it is in the network's time zone. To be called inside a unit of work of that network."""
    return clock.business_date(clock.now(), get_network(tenant_id).time_zone)


def check_code(code: str) -> None:
    if not re.fullmatch(CODE_PATTERN, code):
        raise InvalidInput(
            f"{code!r} is not a code: 1 to 40 letters, digits, dots, dashes and underscores, "
            "beginning with a letter or digit.",
            code="invalid_code",
        )


def check_name(name: str) -> None:
    if not re.fullmatch(NAME_PATTERN, name):
        raise InvalidInput(
            f"{name!r} is not a name: 1 to 200 characters without control characters.", code="invalid_name"
        )


def check_time_zone(name: str) -> None:
    if name not in available_timezones():
        raise InvalidInput(
            f"{name!r} is not a time zone: use a name like America/New_York.", code="invalid_time_zone"
        )


def check_rate(rate: Decimal) -> None:
    if not (rate.is_finite() and 0 <= rate < RATE_LIMIT and rate == round(rate, RATE_DECIMALS)):
        raise InvalidInput(
            f"{rate} is not a rate: from 0 to below {RATE_LIMIT:,}, with at most {RATE_DECIMALS} decimals.",
            code="invalid_rate",
        )


def show_rate(rate: Decimal) -> str:
    """`Decimal("0.850000")` -> `0.85`."""
    return f"{rate.normalize():f}"


def check_network(new: NewNetwork) -> None:
    if not re.fullmatch(NETWORK_CODE_PATTERN, new.code):
        raise InvalidInput(
            f"{new.code!r} is not a code of a network: 1 to 40 lower case letters, digits and dashes, "
            "beginning with a letter or digit.",
            code="invalid_code",
        )
    check_name(new.name)
    check_time_zone(new.time_zone)
    minor_digits(new.currency)
    check_rate(new.funding_rate)
    check_rate(new.redemption_rate)
    check_days(new)
    if new.code in (code for _, code in list_networks()):
        raise Conflict(f"There is a network {new.code!r} already.", code="network_exists")


def check_days(new: NewNetwork) -> None:
    latest = clock.now().date() + OPENED_AHEAD_MAX
    if not OPENED_ON_MIN <= new.opened_on <= latest:
        raise InvalidInput(f"opened_on must lie between {OPENED_ON_MIN} and {latest}.", code="opened_on_out_of_range")
    if not 0 <= new.days_accepted_late <= DAYS_ACCEPTED_LATE_MAX:
        raise InvalidInput(
            f"days_accepted_late must lie between 0 and {DAYS_ACCEPTED_LATE_MAX}.", code="invalid_days"
        )
    if not 0 <= new.close_grace_days <= CLOSE_GRACE_DAYS_MAX:
        raise InvalidInput(f"close_grace_days must lie between 0 and {CLOSE_GRACE_DAYS_MAX}.", code="invalid_days")


def make_network(tenant_id: UUID, new: NewNetwork) -> Network:
    columns = {name: value for name, value in vars(new).items() if name not in ("funding_rate", "redemption_rate")}
    return Network(tenant_id=tenant_id, created_at=clock.now(), **columns)
