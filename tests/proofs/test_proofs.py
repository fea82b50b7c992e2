"""An approved settlement is derived from the postings again and comes to the same bytes, or it is said where not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Engine, text

from settlement.proofs.service import prove_all, prove_month
from settlement.proposals.service import get_settlement
from tenants.foundation.errors import Conflict, NotFound
from tests.conftest import NetworkForTests

JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)
OF_MONTH = "WHERE tenant_id = :tenant AND month = :month"
LINES = (
    "WHERE tenant_id = :tenant AND kind = 'funding' AND settlement_id = "
    f"(SELECT settlement_id FROM settlement.settlements {OF_MONTH})"
)

Tamper = Callable[[str], None]


@pytest.fixture
def settled(network: NetworkForTests, card: str) -> NetworkForTests:
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 30, occurred_at="2026-01-11T12:00:00Z")
    network.settle(JANUARY)
    return network


@pytest.fixture
def tamper(owner: Engine, settled: NetworkForTests) -> Tamper:
    def change(statement: str) -> None:
        with owner.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            values: dict[str, Any] = {"tenant": settled.tenant_id, "month": JANUARY}
            assert connection.execute(text(statement), values).rowcount > 0

    return change


def test_an_untouched_month_comes_to_the_same_bytes(settled: NetworkForTests) -> None:
    proof = prove_month(settled.tenant_id, JANUARY)

    assert proof.holds
    assert proof.derived == proof.kept and b"funding/" in proof.kept
    assert proof.content_hash == get_settlement(settled.tenant_id, JANUARY).content_hash
    assert proof.lines == 2


@pytest.mark.parametrize(
    ("statement", "only_derived", "only_kept"),
    [
        (f"UPDATE settlement.lines SET amount = amount + 1, exact = exact + 1 {LINES}", 1, 1),
        (f"DELETE FROM settlement.lines {LINES}", 1, 0),
        ("UPDATE ledger.postings SET points = points + 1 WHERE tenant_id = :tenant AND source = 'issued'", 1, 1),
        (f"UPDATE settlement.settlements SET minimum_payout = 5 {OF_MONTH}", 1, 1),
        (f"UPDATE settlement.settlements SET content_hash = sha256('x') {OF_MONTH}", 0, 0),
    ],
)
def test_what_was_changed_is_told_line_by_line(
    settled: NetworkForTests, tamper: Tamper, statement: str, only_derived: int, only_kept: int
) -> None:
    tamper(statement)

    proof = prove_month(settled.tenant_id, JANUARY)

    assert not proof.holds
    assert (len(proof.only_derived), len(proof.only_kept)) == (only_derived, only_kept)


def test_the_days_that_were_published_are_not_believed(settled: NetworkForTests, tamper: Tamper) -> None:
    tamper(f"UPDATE settlement.days SET issued = issued + 1000 {OF_MONTH} AND issued > 0")

    assert prove_month(settled.tenant_id, JANUARY).holds


def test_only_what_is_approved_is_verified(network: NetworkForTests) -> None:
    with pytest.raises(NotFound) as unknown:
        prove_month(network.tenant_id, JANUARY)
    network.propose(JANUARY)

    with pytest.raises(Conflict) as refused:
        prove_month(network.tenant_id, JANUARY)

    assert (unknown.value.code, refused.value.code) == ("settlement_unknown", "settlement_not_approved")
    assert prove_all(network.tenant_id) == []


def test_a_month_without_activity_is_verified(network: NetworkForTests) -> None:
    network.settle(JANUARY)

    proof = prove_month(network.tenant_id, JANUARY)

    assert (proof.holds, proof.lines, proof.state) == (True, 0, "settled")


def test_verification_is_told_over_http_and_at_the_command_line(
    settled: NetworkForTests, command_line: Callable[..., Result], tamper: Tamper
) -> None:
    asked = ("settlement", "verify", "-n", settled.code)
    path = "/v1/settlement/windows/2026-01/settlement/verification"
    settled.settle(FEBRUARY)
    same = command_line(*asked, "--all")
    tamper(f"UPDATE settlement.lines SET amount = amount + 1, exact = exact + 1 {LINES}")

    told = settled.hq("GET", path).json
    printed = command_line(*asked, "-m", "2026-01", "--json")
    shown = command_line(*asked, "--all")

    assert (same.exit_code, same.stdout.count("same")) == (0, 2)
    assert [told] == json.loads(printed.stdout)
    assert (printed.exit_code, shown.exit_code) == (1, 1)
    assert told["only_derived"][0].startswith("funding/A/HQ/") and told["only_kept"][0].startswith("funding/A/HQ/")
    assert "DIFFERS  2026-01" in shown.stdout and "same  2026-02" in shown.stdout
    assert "+ funding/A/HQ/" in shown.stdout and "- funding/A/HQ/" in shown.stdout


@pytest.mark.parametrize("options", [(), ("-m", "2026-01", "--all")])
def test_a_month_or_all_are_named(
    settled: NetworkForTests, command_line: Callable[..., Result], options: tuple[str, ...]
) -> None:
    result = command_line("settlement", "verify", "-n", settled.code, *options)

    assert (result.exit_code, "--month, or say --all" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("month", "status", "code"), [("2026-02", 404, "settlement_unknown"), ("2026-13", 422, "invalid_month")]
)
def test_what_is_not_there_is_refused_with_a_code(
    settled: NetworkForTests, month: str, status: int, code: str
) -> None:
    answer = settled.hq("GET", f"/v1/settlement/windows/{month}/settlement/verification")

    assert (answer.status_code, answer.json["code"]) == (status, code)
