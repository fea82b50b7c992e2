"""A check that can't fail is no check: change what is kept, as the database's owner, and see it named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, text

from settlement.checks.service import check_settlement
from settlement.payments.checks import check_payments
from settlement.proposals.service import get_settlement
from settlement.windows.service import get_window
from tenants.foundation.config import Settings
from tenants.foundation.database import normal_url, unit_of_work
from tests.payments.conftest import MONTH, Paying


@pytest.fixture(scope="module")
def owner(settings: Settings) -> Iterator[Engine]:
    engine = create_engine(normal_url(settings.database_url))
    yield engine
    engine.dispose()


@pytest.fixture
def paid(paying: Paying) -> Paying:
    for told in paying.answers(paying.instruct()):
        paying.read(told)
    return paying


def checks_that_fail(paying: Paying) -> set[str]:
    tenant_id = paying.network.tenant_id
    window, settlement = get_window(tenant_id, MONTH), get_settlement(tenant_id, MONTH)
    with unit_of_work(tenant_id) as session:
        return {finding.check for finding in check_payments(session, window, settlement)}


def test_what_was_paid_is_in_order(paid: Paying) -> None:
    assert checks_that_fail(paid) == set()


TAMPERED: list[tuple[str, set[str]]] = [
    ("UPDATE settlement.payment_files SET total = total + 1 WHERE tenant_id = :tenant", {"payment files"}),
    ("UPDATE settlement.payment_files SET payments = payments + 1 WHERE tenant_id = :tenant", {"payment files"}),
    (
        "UPDATE settlement.payment_orders SET amount = amount + 1 WHERE tenant_id = :tenant",
        {"payment files", "payment orders"},
    ),
    ("DELETE FROM settlement.payment_orders WHERE tenant_id = :tenant", {"payment files"}),
    ("UPDATE settlement.legs SET amount = -amount WHERE tenant_id = :tenant", {"payment orders"}),
    ("UPDATE settlement.legs SET amount = amount * 2 WHERE tenant_id = :tenant", {"payment orders", "bank entries"}),
    ("UPDATE settlement.bank_entries SET amount = amount + 1 WHERE tenant_id = :tenant", {"bank entries"}),
]


@pytest.mark.parametrize(("statement", "expected"), TAMPERED)
def test_what_was_changed_is_named(paid: Paying, owner: Engine, statement: str, expected: set[str]) -> None:
    with owner.begin() as connection:
        connection.execute(text(statement), {"tenant": paid.network.tenant_id})

    assert checks_that_fail(paid) == expected


def test_the_check_of_the_ledger_looks_at_payments(paid: Paying, owner: Engine) -> None:
    assert check_settlement(paid.network.tenant_id) == []
    with owner.begin() as connection:
        connection.execute(text(TAMPERED[0][0]), {"tenant": paid.network.tenant_id})

    assert {finding.check for finding in check_settlement(paid.network.tenant_id)} == {"payment files"}
