"""Approved, a month comes to the same bytes for ever, whatever happens after; and what is done past the program to
change it is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select, text

from settlement.fees.tables import FeeRow
from settlement.proofs.service import prove_all, prove_month
from settlement.proposals.service import get_settlement
from settlement.terms.rules import ON_REDEMPTION, POOLED
from settlement.terms.service import set_terms
from tenants.foundation import clock, ids
from tenants.foundation.database import unit_of_work
from tenants.rates.service import make_rate
from tenants.rates.tables import RateRow
from tenants.stores.service import close_store
from tests.conftest import NetworkForTests

JANUARY, FEBRUARY, MARCH = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)


def add_fee(network: NetworkForTests, basis: str, rate: str, valid_from: date = JANUARY) -> UUID:
    fee = FeeRow(
        tenant_id=network.tenant_id,
        fee_id=ids.new_id(),
        code=basis,
        basis=basis,
        rate=Decimal(rate),
        tax_rate=Decimal("0.19"),
        valid_from=valid_from,
        made_by="test",
        made_at=clock.now(),
    )
    with unit_of_work(network.tenant_id) as session:
        session.add(fee)
    return fee.fee_id


@pytest.fixture(params=[POOLED, ON_REDEMPTION])
def settled(request: pytest.FixtureRequest, network: NetworkForTests, card: str) -> NetworkForTests:
    """January, with fees of every kind, is approved."""
    set_terms(network.tenant_id, JANUARY, "test", model=request.param, minimum_payout=20)
    bases = {"transfer": "2", "point_issued": "0.1", "point_recovered": "0.1", "volume": "0.01", "month": "500"}
    for basis, rate in bases.items():
        add_fee(network, basis, rate)
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 30, occurred_at="2026-01-11T12:00:00Z")
    network.settle(JANUARY)
    return network


def content_of(network: NetworkForTests) -> tuple[bytes, bytes]:
    proof = prove_month(network.tenant_id, JANUARY)
    assert proof.holds
    return proof.derived, get_settlement(network.tenant_id, JANUARY).content_hash


def later_months(network: NetworkForTests, card: str) -> None:
    """Late events of January, returns of what it sold, points of it redeemed; two months closed and approved."""
    a, b = network.tills["A"], network.tills["B"]
    a.accrue(card, 5000, occurred_at="2026-01-31T12:00:00Z")
    b.redeem(card, 10, occurred_at="2026-01-31T13:00:00Z")
    sale = a.accrue(card, 7000, occurred_at="2026-02-10T12:00:00Z").json["transfer_id"]
    network.settle(FEBRUARY)
    a.reverse(sale, occurred_at="2026-03-10T12:00:00Z")
    network.settle(MARCH)


def another_rate(network: NetworkForTests, card: str) -> None:
    with unit_of_work(network.tenant_id) as session:
        session.scalars(select(RateRow)).one().valid_until = date(2026, 1, 31)
        session.flush()
        session.add(make_rate(network.tenant_id, Decimal("0.7"), Decimal("0.6"), FEBRUARY, "test"))
    later_months(network, card)


def another_store(network: NetworkForTests, card: str) -> None:
    till = network.add_till("D")
    till.accrue(card, 9000, occurred_at="2026-02-10T12:00:00Z")
    network.settle(FEBRUARY)


def another_name(network: NetworkForTests, card: str) -> None:
    with unit_of_work(network.tenant_id) as session:
        session.execute(text("UPDATE tenants.stores SET name = 'Renamed ' || name"))
        session.execute(text("UPDATE tenants.participants SET name = 'Renamed ' || name"))


def closed_store(network: NetworkForTests, card: str) -> None:
    close_store(network.tenant_id, "A")
    network.settle(FEBRUARY)


def another_fee(network: NetworkForTests, card: str) -> None:
    with unit_of_work(network.tenant_id) as session:
        session.execute(text("UPDATE settlement.fees SET valid_until = DATE '2026-01-31'"))
    add_fee(network, "month", "700", FEBRUARY)
    later_months(network, card)


def expired_points(network: NetworkForTests, card: str) -> None:
    for number in range(2, 9):
        network.settle(date(2026, number, 1))


@pytest.mark.parametrize(
    "happen", [later_months, another_rate, another_store, another_name, closed_store, another_fee, expired_points]
)
def test_an_approved_month_comes_to_the_same_bytes_whatever_happens_after(
    settled: NetworkForTests, card: str, happen: Callable[[NetworkForTests, str], None]
) -> None:
    before = content_of(settled)

    happen(settled, card)

    assert content_of(settled) == before
    assert all(proof.holds for proof in prove_all(settled.tenant_id))


# As the application's role may write it, though nothing in the program does.
PAST_THE_PROGRAM = [
    (
        "a fee is withdrawn",
        "UPDATE settlement.fees SET withdrawn_at = now(), withdrawn_by = 'x' WHERE code = 'month'",
    ),
    ("the end of a fee", "UPDATE settlement.fees SET valid_until = DATE '2026-01-05' WHERE code = 'point_issued'"),
    ("the end of a rate", "UPDATE tenants.rates SET valid_until = DATE '2026-01-05'"),
    (
        "an adjustment",
        "INSERT INTO settlement.adjustments (tenant_id, adjustment_id, settlement_month, origin_month, payer_id,"
        " payee_id, amount, reason, note, made_by, made_at) SELECT tenants.current_tenant(), :id, DATE '2026-01-01',"
        " DATE '2026-01-01', store_id, tenants.current_tenant(), 5, 'correction', '', 'x', now()"
        " FROM tenants.stores WHERE code = 'A'",
    ),
    (
        "a line",
        "INSERT INTO settlement.lines (tenant_id, settlement_id, line, kind, payer_id, payee_id, exact, amount,"
        " origin_month, note) SELECT tenant_id, settlement_id, 999, 'fee', payer_id, payee_id, 5, 5, origin_month, ''"
        " FROM settlement.lines WHERE line = 1",
    ),
]


@pytest.mark.parametrize("statement", [case[1] for case in PAST_THE_PROGRAM], ids=[c[0] for c in PAST_THE_PROGRAM])
def test_what_is_changed_past_the_program_is_told(
    settled: NetworkForTests, application: Engine, statement: str
) -> None:
    values: dict[str, Any] = {"id": uuid4()} if ":id" in statement else {}
    with application.begin() as connection:
        connection.execute(
            text("SELECT set_config('app.tenant_id', :tenant, true)"), {"tenant": str(settled.tenant_id)}
        )
        assert connection.execute(text(statement), values).rowcount > 0

    proof = prove_month(settled.tenant_id, JANUARY)

    assert not proof.holds
    assert proof.only_derived or proof.only_kept
