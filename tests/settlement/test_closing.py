from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from clearinghouse.ledger.checks import check_ledger
from clearinghouse.ledger.service import Grant, accrual, common_fields, ledger
from settlement.checks.service import check_settlement
from settlement.statements.service import load_statements
from settlement.windows.service import close_month
from tenants.foundation.errors import Conflict
from tests.conftest import NetworkForTests

JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)


def test_a_store_remits_for_what_it_issued_and_receives_for_what_it_recovered(
    network: NetworkForTests, card: str
) -> None:
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 30, occurred_at="2026-01-11T12:00:00Z")

    document = network.propose(JANUARY)

    nets = {line.store_code: (line.position.net, line.position.direction) for line in document.stores}
    assert nets == {"A": (100, "remit"), "B": (-30, "receive"), "C": (0, "none")}
    assert document.hq_net == -70
    assert document.totals.closing_outstanding == 70
    assert [(f.issuing_code, f.redeeming_code, f.points) for f in document.flows] == [("A", "B", 30)]
    assert all(identity.holds for identity in document.identities)
    assert check_ledger(network.tenant_id) == []


def test_an_empty_month_closes(network: NetworkForTests) -> None:
    document = network.propose(JANUARY)

    assert document.hq_net == 0
    assert len(document.stores) == 3


def test_a_month_is_closed_once(network: NetworkForTests) -> None:
    close_month(network.tenant_id, JANUARY, "test")

    with pytest.raises(Conflict, match="closed and published already"):
        close_month(network.tenant_id, JANUARY, "test")


def test_months_close_in_turn(network: NetworkForTests) -> None:
    with pytest.raises(Conflict, match="2026-01 is next, not 2026-02"):
        close_month(network.tenant_id, FEBRUARY, "test")


def test_an_event_of_a_closed_month_joins_the_open_one_and_says_so(network: NetworkForTests, card: str) -> None:
    network.settle(JANUARY)

    late = network.tills["A"].accrue(card, 1000, occurred_at="2026-01-10T12:00:00Z").json
    document = network.propose(FEBRUARY)

    assert (late["business_date"], late["settlement_month"]) == ("2026-01-10", "2026-02")
    assert document.totals.issued == 10
    [statement] = load_statements(document, ["A"])
    assert statement.days[0].day == date(2026, 1, 10)


def test_rates_apply_per_leg_and_head_office_closes_the_sum(make_network) -> None:
    network = make_network(funding_rate=Decimal("0.55"), redemption_rate=Decimal("0.45"))
    card = network.add_card()
    network.add_till("A").accrue(card, 10100, occurred_at="2026-01-10T12:00:00Z")
    network.add_till("B").redeem(card, 33, occurred_at="2026-01-11T12:00:00Z")

    document = network.propose(JANUARY)

    legs = {line.store_code: (line.position.to_pay, line.position.to_receive) for line in document.stores}
    assert legs == {"A": (56, 0), "B": (0, 15)}  # 55.55 and 14.85, each rounded half to even
    assert document.hq_net == -41
    assert document.rounding == Decimal("0.30")
    assert all(identity.holds for identity in document.identities)


def test_points_funded_by_head_office_are_charged_to_head_office(network: NetworkForTests, card: str) -> None:
    moment = datetime(2026, 1, 10, 12, tzinfo=UTC)
    till = network.tills["A"]
    grants = [Grant(till.store_id, 100, date(2026, 7, 31)), Grant(network.tenant_id, 40, date(2026, 7, 31))]
    common = common_fields(moment, moment.date(), till.terminal_id, till.store_id, "bonus", "bonus", b"1")
    ledger().post(network.tenant_id, [accrual(grants, 10000, 1, card, **common)])
    network.tills["B"].redeem(card, 120, occurred_at="2026-01-11T12:00:00Z")

    document = network.propose(JANUARY)

    assert [(line.store_code, line.position.net) for line in document.stores] == [
        ("A", 100),
        ("B", -120),
        ("C", 0),
    ]
    assert document.hq_funded is not None and document.hq_funded.issued == 40
    assert [line.amount for line in document.lines if line.payer_id == line.payee_id] == [40]
    assert document.hq_net == 20
    assert all(identity.holds for identity in document.identities)
    assert check_ledger(network.tenant_id) == check_settlement(network.tenant_id) == []
