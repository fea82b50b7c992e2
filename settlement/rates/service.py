"""The network's funding and redemption rates, and those of single participants, from one day until another."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

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
from tenants.foundation.database import unit_of_work
from tenants.networks.service import check_rate
from tenants.rates.queries import rate_book
from tenants.rates.service import make_rate
from tenants.rates.tables import RateRow
from tenants.validity.rules import check_days

OVERLAP = "rate_overlap"


def set_rate(
    tenant_id: UUID,
    funding: Decimal,
    redemption: Decimal,
    valid_from: date,
    made_by: str,
    valid_until: date | None = None,
    participant_code: str | None = None,
    confirmed: bool = False,
) -> tuple[RateRow, str | None]:
    """The new rate and its participant's code. Without a participant it is the network's.

    What has no end and began earlier ends the day before. Raises `Conflict` for days that another rate has or that
    are settled, and, unless it is `confirmed`, for a rate unlike the one before it.
    """
    check_rate(funding)
    check_rate(redemption)
    check_days(valid_from, valid_until)
    with unit_of_work(tenant_id) as session:
        participant_id = participant_of(session, participant_code)
        refuse_settled_days(session, valid_from)
        present = rate_book(session).latest(participant_id, valid_from)
        if present is not None and not confirmed:
            check_change(present.funding, funding)
            check_change(present.redemption, redemption)
        new = make_rate(tenant_id, funding, redemption, valid_from, made_by, valid_until, participant_id)
        make_room(session, new, lock_those_of(session, RateRow, participant_id), OVERLAP)
        add(session, new, OVERLAP)
    return new, participant_code


def withdraw_rate(tenant_id: UUID, rate_id: UUID, by: str) -> tuple[RateRow, str | None]:
    """It has never counted then. What it had ended stays ended: its days have no rate until one is set."""
    return withdraw_one(tenant_id, RateRow, rate_id, "rate", by)


def end_rate(tenant_id: UUID, rate_id: UUID, valid_until: date, by: str) -> tuple[RateRow, str | None]:
    return end_one(tenant_id, RateRow, rate_id, "rate", valid_until, by)


def list_rates(
    tenant_id: UUID, participant_code: str | None = None, withdrawn: bool = False
) -> list[tuple[RateRow, str | None]]:
    """With the code of each one's participant: the network's first, by first day; of one participant, if named."""
    with unit_of_work(tenant_id) as session:
        return find_all(session, RateRow, participant_code, withdrawn)


def list_gaps(tenant_id: UUID) -> list[tuple[date, date | None]]:
    """Days for which the network has no rate, after its first: a month with one is not proposed."""
    with unit_of_work(tenant_id) as session:
        return rate_book(session).gaps()
