from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from clearinghouse.ledger.queries import month_detached, months_not_attached
from clearinghouse.ledger.service import ensure_partitions_ahead, keep_partitions, open_books
from clearinghouse.programme.rules import Terms
from clearinghouse.programme.service import check_programme, make_version
from tenants.audit.service import record_act
from tenants.credentials.service import HQ, make_credential
from tenants.foundation import ids
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.months import month_of
from tenants.networks.service import NewNetwork, check_network, make_network
from tenants.rates.service import make_rate
from tenants.rates.tables import RateRow


def open_network(network: NewNetwork, terms: Terms) -> tuple[UUID, str]:
    """A network with books, its first programme and a head office key; its id and the key, shown only here."""
    check_network(network)
    check_programme(terms)
    first_month = month_of(network.opened_on)
    ensure_partitions_ahead(first_month)
    opening = datetime.combine(network.opened_on, datetime.min.time(), ZoneInfo(network.time_zone))
    tenant_id = ids.new_id()
    credential, key = make_credential(tenant_id, HQ, "first key")
    with unit_of_work(tenant_id) as session:
        check_room(session, first_month)
        session.add(make_network(tenant_id, network))
        session.flush()
        open_books(tenant_id, first_month)
        session.add_all([make_version(tenant_id, 1, terms, opening), credential, first_rate(tenant_id, network)])
    record_act(ids.INSTALLATION, ("network", ids.show(ids.NETWORK, tenant_id)))
    return tenant_id, key


def check_room(session: Unit, first_month: date) -> None:
    """No month is detached until the network is there. Raises `Conflict` when one that it would post into is."""
    keep_partitions(session)
    away = months_not_attached(session, first_month)
    if away:
        raise month_detached(away)


def first_rate(tenant_id: UUID, network: NewNetwork) -> RateRow:
    """From the oldest day on that a till may send something of."""
    begins = month_of(network.opened_on) - timedelta(days=network.days_accepted_late)
    return make_rate(tenant_id, network.funding_rate, network.redemption_rate, begins, made_by="opening")
