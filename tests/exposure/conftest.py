"""A network whose stores have caps; a hundred dollars earn a hundred points, which are 100 minor units."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from settlement.exposure.service import get_exposure, set_cap, update_exposures
from settlement.proposals.tables import Leg
from settlement.states.rules import FAILED, LEG
from settlement.states.service import change_state
from settlement.terms.rules import ON_REDEMPTION, Terms
from settlement.terms.tables import TermsRow
from tenants.foundation import clock
from tenants.foundation.database import unit_of_work
from tests.conftest import NetworkForTests, Till

JANUARY = date(2026, 1, 1)
IN_JANUARY = "2026-01-10T12:00:00Z"


def forget_keys(network: NetworkForTests) -> None:
    """As after the seconds for which a worker trusts what it read of a key."""
    network.app.extensions["principals"].clear()


def update(network: NetworkForTests) -> None:
    update_exposures(network.tenant_id)
    forget_keys(network)


def cap(network: NetworkForTests, store: str, amount: int | None) -> None:
    set_cap(network.tenant_id, store, amount, "test")
    forget_keys(network)


def seen(network: NetworkForTests, store: str) -> tuple[int, str, str]:
    """(exposure, level, issuing)."""
    measured = get_exposure(network.tenant_id, store)
    assert measured.exposure is not None
    return measured.exposure.exposure, measured.exposure.level, measured.store.issuing


def parts(network: NetworkForTests, store: str) -> dict[str, int]:
    """Those that are not zero."""
    row = get_exposure(network.tenant_id, store).exposure
    names = ("receivable", "unsettled", "outstanding", "deposit")
    return {name: getattr(row, name) for name in names if getattr(row, name)}


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


def legs_of(network: NetworkForTests) -> dict[UUID, Leg]:
    """By store."""
    with unit_of_work(network.tenant_id) as session:
        return {leg.store_id: leg for leg in session.scalars(select(Leg))}


def fail(network: NetworkForTests, till: Till) -> UUID:
    """The store's leg, which its bank has refused to pay."""
    with unit_of_work(network.tenant_id) as session:
        leg = session.scalars(select(Leg).where(Leg.store_id == till.store_id).with_for_update()).one()
        change_state(session, LEG, leg, FAILED, "bank", "no funds")
        return leg.leg_id


@pytest.fixture
def on_redemption(network: NetworkForTests) -> NetworkForTests:
    """Stores owe nothing until points are used."""
    with unit_of_work(network.tenant_id) as session:
        session.add(
            TermsRow(
                tenant_id=network.tenant_id,
                from_month=JANUARY,
                version=1,
                made_by="test",
                made_at=clock.now(),
                **vars(Terms(model=ON_REDEMPTION)),
            )
        )
    return network
