from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import select, text

from tenants.foundation import clock, ids
from tenants.foundation.database import db, unit_of_work
from tenants.foundation.errors import Conflict, InvalidInput, NotFound
from tenants.foundation.money import minor_digits
from tenants.networks.tables import Network


@dataclass(frozen=True)
class NewNetwork:
    """`funding_rate` and `redemption_rate` are minor units per point."""

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


def check_network(new: NewNetwork) -> None:
    minor_digits(new.currency)
    if new.time_zone not in available_timezones():
        raise InvalidInput(
            f"{new.time_zone!r} is not a time zone: use a name like America/New_York", code="invalid_time_zone"
        )
    if new.funding_rate < 0 or new.redemption_rate < 0:
        raise InvalidInput("Rates are money per point and can't be negative.", code="invalid_rate")
    if new.code in (code for _, code in list_networks()):
        raise Conflict(f"There is a network {new.code!r} already.", code="network_exists")


def create_network(new: NewNetwork) -> UUID:
    check_network(new)
    tenant_id = ids.new_id()
    with unit_of_work(tenant_id) as session:
        session.add(Network(tenant_id=tenant_id, created_at=clock.now(), **vars(new)))
    return tenant_id
