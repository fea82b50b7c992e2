"""Rates, fees, terms and the calendar over HTTP and at the command line: who may, what is answered, bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from apiflask import APIFlask
from click.testing import CliRunner, Result

from cli import clearinghouse
from tests.conftest import NetworkForTests

RATE = {"funding_rate": "0.9", "redemption_rate": "0.8", "valid_from": "2026-03-01"}
FEE = {"code": "service", "basis": "transfer", "rate": "2.5", "tax_rate": "0.21", "valid_from": "2026-03-01"}
NEW = [
    ("/v1/settlement/rates", RATE),
    ("/v1/settlement/fees", FEE),
    ("/v1/settlement/terms", {"from_month": "2026-03"}),
]


def test_a_rate_is_set_listed_ended_and_withdrawn(network: NetworkForTests) -> None:
    made = network.hq("POST", "/v1/settlement/rates", {**RATE, "participant": "A"})
    path = f"/v1/settlement/rates/{made.json['rate_id']}"
    ended = network.hq("POST", f"{path}/end", {"valid_until": "2026-03-31"})
    listed = network.hq("GET", "/v1/settlement/rates?participant=A").json
    withdrawn = network.hq("POST", f"{path}/withdraw").json

    assert (made.status_code, ended.status_code) == (201, 200)
    assert made.json["made_by"].startswith("key key_")
    shown = {name: made.json[name] for name in ("funding_rate", "redemption_rate", "participant", "valid_until")}
    assert shown == {"funding_rate": "0.9", "redemption_rate": "0.8", "participant": "A", "valid_until": None}
    assert listed == {"rates": [ended.json], "gaps": []}
    assert withdrawn["withdrawn_at"] is not None
    assert network.hq("GET", "/v1/settlement/rates?participant=A").json["rates"] == []
    assert network.hq("GET", "/v1/settlement/rates?withdrawn=true").json["rates"][1:] == [withdrawn]


def test_days_without_a_rate_are_listed(network: NetworkForTests) -> None:
    network.hq("POST", "/v1/settlement/rates", {**RATE, "valid_until": "2026-03-31"})

    gaps = network.hq("GET", "/v1/settlement/rates").json["gaps"]

    assert gaps == [{"valid_from": "2026-04-01", "valid_until": None}]


def test_a_fee_is_set_listed_ended_and_withdrawn(network: NetworkForTests) -> None:
    made = network.hq("POST", "/v1/settlement/fees", FEE)
    path = f"/v1/settlement/fees/{made.json['fee_id']}"
    ended = network.hq("POST", f"{path}/end", {"valid_until": "2026-03-31"}).json

    assert made.status_code == 201
    assert (made.json["rate"], made.json["tax_rate"], made.json["participant"]) == ("2.5", "0.21", None)
    assert network.hq("GET", "/v1/settlement/fees").json == {"fees": [ended]}
    network.hq("POST", f"{path}/withdraw")
    assert network.hq("GET", "/v1/settlement/fees").json == {"fees": []}


def test_terms_are_set_and_listed_with_those_in_force(network: NetworkForTests) -> None:
    made = network.hq("POST", "/v1/settlement/terms", {"from_month": "2026-01", "minimum_payout": 500})

    listed = network.hq("GET", "/v1/settlement/terms").json

    assert made.status_code == 201
    assert listed["terms"] == [made.json]
    assert listed["in_force"] == {
        "month": "2026-01", "model": "pooled", "minimum_payout": 500, "dispute_days": 10, "approval_days": 12,
        "collection_days": 15, "payout_days": 18,
    }  # fmt: skip


def test_a_month_is_postponed(network: NetworkForTests) -> None:
    key = network.add_staff("ana", "preparer")
    network.hq("POST", "/v1/settlement/windows/2026-01/close")

    moved = network.call(key, "POST", "/v1/settlement/windows/2026-01/postpone", {"days": 5, "reason": "late"})

    assert moved.status_code == 200
    days = [moved.json[name] for name in ("dispute_until", "approve_by", "collect_on", "pay_on")]
    assert days == ["2026-02-15", "2026-02-17", "2026-02-20", "2026-02-23"]
    assert moved.json["changes"][-1]["reason"] == "postponed by 5 days: late"
    assert moved.json["changes"][-1]["changed_by"] == "ana"


@pytest.mark.parametrize(("path", "body"), NEW)
def test_preparers_may_change_them_and_others_only_read(
    network: NetworkForTests, path: str, body: dict[str, Any]
) -> None:
    keys = {role: network.add_staff(role, role) for role in ("preparer", "approver", "treasurer", "auditor")}
    keys["owner"] = network.add_staff("owner", "owner", participant="A")

    read = {role: network.call(key, "GET", path).status_code for role, key in keys.items()}
    changed = {role: network.call(key, "POST", path, body) for role, key in keys.items()}

    assert read == {"preparer": 200, "approver": 200, "treasurer": 200, "auditor": 200, "owner": 403}
    assert {role: answer.status_code for role, answer in changed.items()} == dict.fromkeys(keys, 403) | {
        "preparer": 201
    }
    assert changed["preparer"].json["made_by"] == "preparer"


BAD_BODIES = [
    ("/rates", {**RATE, "funding_rate": "-1"}, "funding_rate"),
    ("/rates", {**RATE, "redemption_rate": "a lot"}, "redemption_rate"),
    ("/rates", {**RATE, "redemption_rate": "NaN"}, "redemption_rate"),
    ("/rates", {**RATE, "valid_from": "soon"}, "valid_from"),
    ("/rates", {**RATE, "valid_until": 5}, "valid_until"),
    ("/rates", {**RATE, "participant": "a b"}, "participant"),
    ("/rates", {**RATE, "confirm": "perhaps"}, "confirm"),
    ("/rates", {**RATE, "colour": "red"}, "colour"),
    ("/rates", {}, "funding_rate"),
    ("/fees", {**FEE, "basis": "weather"}, "basis"),
    ("/fees", {**FEE, "rate": "-1"}, "rate"),
    ("/fees", {**FEE, "tax_rate": "x"}, "tax_rate"),
    ("/fees", {**FEE, "code": ""}, "code"),
    ("/terms", {"from_month": "2026-03", "model": "barter"}, "model"),
    ("/terms", {"from_month": "2026-03", "minimum_payout": -1}, "minimum_payout"),
    ("/terms", {"from_month": "2026-03", "minimum_payout": 1.5}, "minimum_payout"),
    ("/terms", {"from_month": "2026-03", "payout_days": 99}, "payout_days"),
    ("/terms", {}, "from_month"),
]


@pytest.mark.parametrize(("path", "body", "field"), BAD_BODIES)
def test_what_is_wrong_with_a_field_is_told_with_its_name(
    network: NetworkForTests, path: str, body: dict[str, Any], field: str
) -> None:
    answer = network.hq("POST", f"/v1/settlement{path}", body)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")
    assert field in answer.json["errors"]


REFUSED = [
    ("/rates", {**RATE, "valid_from": "0001-01-01"}, 422, "day_out_of_range"),
    ("/rates", {**RATE, "valid_until": "9999-12-31"}, 422, "day_out_of_range"),
    ("/rates", {**RATE, "valid_until": "2026-02-28"}, 422, "invalid_days"),
    ("/rates", {**RATE, "valid_from": "2020-07-11"}, 409, "rate_overlap"),
    ("/rates", {**RATE, "funding_rate": "90"}, 409, "confirmation_needed"),
    ("/rates", {**RATE, "participant": "nobody"}, 404, "participant_unknown"),
    ("/rates/rat_01h455vb4pex5vsknk084sn02q/withdraw", None, 404, "rate_unknown"),
    ("/rates/rat_01h455vb4pex5vsknk084sn02q/end", {"valid_until": "2026-03-01"}, 404, "rate_unknown"),
    ("/rates/fee_01h455vb4pex5vsknk084sn02q/withdraw", None, 422, "invalid_id"),
    ("/fees", {**FEE, "tax_rate": "21"}, 422, "invalid_tax_rate"),
    ("/fees", {**FEE, "basis": "volume"}, 422, "invalid_rate"),
    ("/fees", {**FEE, "tax_rate": "0.9"}, 409, "confirmation_needed"),
    ("/fees/fee_01h455vb4pex5vsknk084sn02q/withdraw", None, 404, "fee_unknown"),
    ("/fees/fee_01h455vb4pex5vsknk084sn02q/end", {"valid_until": "2026-03-01"}, 404, "fee_unknown"),
    ("/terms", {"from_month": "2026-13"}, 422, "invalid_month"),
    ("/terms", {"from_month": "2025-12"}, 409, "window_closed"),
    ("/terms", {"from_month": "2026-03", "dispute_days": 20}, 422, "invalid_terms"),
    ("/terms", {"from_month": "2026-03", "model": "on_redemption"}, 409, "model_in_use"),
]


@pytest.mark.parametrize(("path", "body", "status", "code"), REFUSED)
def test_each_refusal_has_its_code_and_changes_nothing(
    network: NetworkForTests, path: str, body: Any, status: int, code: str
) -> None:
    pages = ("/v1/settlement/rates?withdrawn=true", "/v1/settlement/fees?withdrawn=true", "/v1/settlement/terms")
    before = [network.hq("GET", page).json for page in pages]

    answer = network.hq("POST", f"/v1/settlement{path}", body)

    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert [network.hq("GET", page).json for page in pages] == before


def test_a_large_change_is_made_when_it_is_confirmed(network: NetworkForTests) -> None:
    assert (
        network.hq("POST", "/v1/settlement/rates", {**RATE, "funding_rate": "90", "confirm": True}).status_code == 201
    )


def test_of_an_approved_month_the_first_day_that_can_change_is_told(network: NetworkForTests) -> None:
    network.settle(date(2026, 1, 1))

    answer = network.hq("POST", "/v1/settlement/rates", {**RATE, "valid_from": "2026-01-15"})

    assert (answer.status_code, answer.json["code"], answer.json["changes_from"]) == (
        409, "settlement_approved", "2026-02-01",
    )  # fmt: skip


@pytest.fixture
def run(context: APIFlask, network: NetworkForTests) -> Callable[..., Result]:
    network.add_staff("ana", "preparer")
    network.add_staff("tom", "treasurer")
    return lambda *words: CliRunner().invoke(clearinghouse, [*words, "-n", network.code], obj=lambda: context)


@pytest.fixture
def run_json(run: Callable[..., Result]) -> Callable[..., Any]:
    def run_json(*words: str) -> Any:
        result = run(*words, "--json")
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.stdout)

    return run_json


SET_RATE = ["rate", "set", "--funding", "0.9", "--redemption", "0.8", "--from", "2026-03-01", "--as", "ana"]
SET_FEE = ["fee", "set", "service", "--basis", "transfer", "--rate", "2.5", "--from", "2026-03-01", "--as", "ana"]


def test_the_command_line_does_what_http_does(run_json: Callable[..., Any], network: NetworkForTests) -> None:
    made = run_json(*SET_RATE, "--participant", "A")
    run_json("rate", "end", made["rate_id"], "2026-03-31", "--as", "ana")
    run_json("rate", "withdraw", made["rate_id"], "--as", "ana")
    fee = run_json(*SET_FEE, "--tax-rate", "0.21", "--until", "2026-12-31")
    run_json("terms", "set", "2026-02", "--minimum-payout", "500", "--payout-days", "20", "--as", "ana")

    assert made["made_by"].startswith("ana (command line: ")
    rates = network.hq("GET", "/v1/settlement/rates?withdrawn=true").json["rates"]
    assert run_json("rate", "list", "--withdrawn") == rates
    assert rates[1]["withdrawn_by"] == made["made_by"]
    assert run_json("fee", "list") == network.hq("GET", "/v1/settlement/fees").json["fees"] == [fee]
    assert run_json("terms", "list") == network.hq("GET", "/v1/settlement/terms").json["terms"]
    run_json("fee", "end", run_json(*SET_FEE, "--participant", "A")["fee_id"], "2026-03-02", "--as", "ana")
    run_json("fee", "withdraw", fee["fee_id"], "--as", "ana")


def test_a_month_is_postponed_at_the_command_line(run_json: Callable[..., Any]) -> None:
    run_json("window", "close", "2026-01")

    moved = run_json("window", "postpone", "2026-01", "--days", "3", "--as", "ana")

    assert moved["pay_on"] == "2026-02-21"


def test_tables_for_people_name_what_is_missing_and_in_force(run: Callable[..., Result]) -> None:
    ended = run(*SET_RATE, "--until", "2026-03-31")

    assert "The network has no rate from 2026-04-01 on." in ended.stderr
    assert "0.9" in run("rate", "list").stdout
    assert "In force in the first open month" in run("terms", "list").stderr


COMMANDS_REFUSED = [
    ([*SET_RATE[:-1], "tom"], "'tom' is treasurer; this is for preparer."),
    ([*SET_RATE[:-1], "nobody"], "There is nobody of code 'nobody'"),
    (SET_RATE[:-2], "--as"),
    (["rate", "set", "--funding", "x", "--redemption", "1", "--from", "2026-03-01", "--as", "ana"], "not a number"),
    (["rate", "set", "--funding", "90", "--redemption", "1", "--from", "2026-03-01", "--as", "ana"], "confirm it"),
    ([*SET_FEE[:4], "weather", *SET_FEE[5:]], "'weather' is not one of"),
    (["rate", "withdraw", "rat_1", "--as", "ana"], "is not an id that starts with rat_"),
    (["terms", "set", "2026-3", "--as", "ana"], "write it like 2026-11"),
    (["window", "postpone", "2026-01", "--days", "3", "--as", "ana"], "has not been closed"),
]


@pytest.mark.parametrize(("words", "told"), COMMANDS_REFUSED)
def test_a_command_that_is_wrong_is_told_why(run: Callable[..., Result], words: list[str], told: str) -> None:
    result = run(*words)

    assert result.exit_code != 0
    assert told in f"{result.output} {result.exception}"


def test_a_large_change_is_made_with_yes(run: Callable[..., Result]) -> None:
    words = ["rate", "set", "--funding", "90", "--redemption", "1", "--from", "2026-03-01", "--as", "ana"]

    assert run(*words, "--yes").exit_code == 0
