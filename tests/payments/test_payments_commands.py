"""What the treasurer can do at the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import clearinghouse
from settlement.demo.bank import answer_of_bank
from tenants.foundation.errors import ClearinghouseError
from tenants.staff.rules import AUDITOR
from tests.payments.conftest import BOOKED_ON, IBANS, Paying


def run(paying: Paying, *arguments: str) -> Any:
    return json.loads(outcome(paying, *arguments, "--json").stdout)


def outcome(paying: Paying, *arguments: str) -> Result:
    command = [*arguments, "-n", paying.network.code]
    result = CliRunner().invoke(clearinghouse, command, obj=lambda: paying.network.app, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def acting(paying: Paying) -> tuple[str, str]:
    return "--as", paying.treasurer.code


def test_from_an_approved_month_to_a_settled_one(paying: Paying, acting: tuple[str, str], tmp_path: Path) -> None:
    made = run(paying, "payments", "instruct", "-m", "2026-01", *acting)
    files = [Path(row["file"]) for row in run(paying, "payments", "export", "-m", "2026-01", *acting)]
    assert [path.name for path in files] == [file["name"] for file in made["payment_files"]]

    for number, path in enumerate(files):
        told = tmp_path / f"bank-{number}.xml"
        told.write_bytes(answer_of_bank(path.read_bytes(), f"M-{number}", BOOKED_ON))
        read = run(paying, "payments", "read", str(told), "-m", "2026-01", *acting)
        assert read["name"] == told.name

    assert {leg["state"] for leg in run(paying, "payments", "legs", "-m", "2026-01")} == {"confirmed"}
    assert run(paying, "payments", "legs") == []
    assert len(run(paying, "payments", "list", "-m", "2026-01")) == 2


def test_legs_are_decided_on_by_hand(paying: Paying, acting: tuple[str, str]) -> None:
    leg = {row["store"]: row["leg_id"] for row in run(paying, "payments", "legs", "-m", "2026-01")}

    run(paying, "payments", "fail", leg["A"], "--reason", "no funds", *acting)
    [owed] = run(paying, "payments", "legs")
    states = [
        run(paying, "payments", "retry", leg["A"], *acting)["state"],
        run(paying, "payments", "confirm", leg["B"], "--reference", "seen", *acting)["state"],
        run(paying, "payments", "fail", leg["C"], "--reason", "returned", *acting)["state"],
        run(paying, "payments", "carry", leg["C"], *acting)["state"],
    ]

    assert (owed["store"], owed["reason"]) == ("A", "no funds")
    assert states == ["pending", "confirmed", "failed", "carried"]


def test_people_are_told_in_tables(paying: Paying, acting: tuple[str, str]) -> None:
    shown = outcome(paying, "payments", "instruct", "-m", "2026-01", *acting).stdout

    assert "collection" in shown and "pain.008.001.08" in shown
    assert "instructed" in outcome(paying, "payments", "legs", "-m", "2026-01").stdout


def test_who_is_no_treasurer_is_refused(paying: Paying) -> None:
    auditor = paying.network.person(AUDITOR)

    with pytest.raises(ClearinghouseError) as refused:
        outcome(paying, "payments", "instruct", "-m", "2026-01", "--as", auditor.code)

    assert refused.value.code == "role_missing"
    assert set(paying.states().values()) == {"pending"}


def test_bank_accounts_are_named_and_listed(paying: Paying) -> None:
    mandate = ("--mandate-id", "M-A9", "--mandate-signed-on", "2026-01-05", "--mandate-scheme", "CORE")
    set_up = run(paying, "bank-account", "set", "A", "--holder", "Acme", "--iban", IBANS["A"], *mandate)
    own = run(paying, "bank-account", "set", "hq", "--holder", "Corner", "--account-number", "12345678")

    listed = run(paying, "bank-account", "list")

    assert (set_up["iban"], set_up["mandate_id"]) == (IBANS["A"], "M-A9")
    assert (own["participant"], own["account_number"]) == (None, "12345678")
    assert run(paying, "bank-account", "show", "HQ") == own
    assert [row["participant"] for row in listed] == ["A", "B", "C"]
    assert listed[0]["iban"] == "FR…2606"
    assert IBANS["A"] not in outcome(paying, "bank-account", "list").stdout
