from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from apiflask import APIFlask
from click.testing import CliRunner, Result

from cli import clearinghouse
from tenants.foundation.config import Settings
from tests.conftest import ROOT, NetworkForTests, Till, a_card_number

Run = Callable[..., Result]


@pytest.fixture
def environment(app: APIFlask, settings: Settings) -> dict[str, str]:
    return {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CLEARINGHOUSE_VAR": str(settings.var),
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    def run(*arguments: str, **variables: str) -> Result:
        result = CliRunner().invoke(clearinghouse, arguments, env=environment | variables)
        assert result.exit_code == 0, (result.output, result.exception)
        return result

    return run


@pytest.fixture
def run_json(run: Run, network: NetworkForTests) -> Callable[..., Any]:
    """What a command prints with `--json`, in the network of the test."""
    return lambda *arguments: json.loads(run(*arguments, "-n", network.code, "--json").stdout)


@pytest.fixture
def run_main(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "cli.py", *arguments],
            cwd=ROOT,
            env=os.environ | environment,
            capture_output=True,
            text=True,
        )

    return run


def test_init_may_be_run_again(run: Run) -> None:
    assert "0 monthly partitions were made" in run("init").stdout


def test_a_network_is_made_with_a_key_that_works(run: Run, context: APIFlask) -> None:
    code = f"made-{uuid4().hex[:8]}"
    options = [
        "--name",
        "Made",
        "--time-zone",
        "Asia/Tokyo",
        "--currency",
        "JPY",
        "--opened-on",
        "2026-02-01",
    ]

    result = run("network", "create", code, *options, "--json")

    made = json.loads(result.stdout)
    key = {"Authorization": f"Bearer {made['hq_key']}"}
    shown = context.test_client().get("/v1/network", headers=key).json
    assert "shown only now" in result.stderr
    assert shown["network_id"] == made["network_id"]
    assert (shown["code"], shown["currency"], shown["opened_on"]) == (code, "JPY", "2026-02-01")
    assert code in [row["code"] for row in json.loads(run("network", "list", "--json").stdout)]
    assert json.loads(run("network", "show", code, "--json").stdout) == shown


def test_a_network_may_have_its_own_terms_from_its_first_day(run: Run, context: APIFlask) -> None:
    options = ["--name", "x", "--time-zone", "UTC", "--currency", "USD", "--base-rate", "10"]
    terms = ["--minimum-points", "50", "--maximum-share", "0.5", "--pin-from", "500", "--code-from", "never"]

    made = json.loads(run("network", "create", f"own-{uuid4().hex[:8]}", *options, *terms, "--json").stdout)

    key = {"Authorization": f"Bearer {made['hq_key']}"}
    [version] = context.test_client().get("/v1/programme/versions", headers=key).json["versions"]
    assert (version["base_rate"], version["minimum_points"], version["maximum_share"]) == ("10", 50, "0.5")
    assert (version["pin_from"], version["code_from"], version["step_points"]) == (500, None, 1)


def test_the_network_may_be_named_once_in_the_environment(run: Run, network: NetworkForTests) -> None:
    assert network.code in run("network", "show", CLEARINGHOUSE_NETWORK=network.code).stdout
    assert "Store A" in run("store", "list", CLEARINGHOUSE_NETWORK=network.code).stdout


def test_a_store_is_set_up_from_participant_to_till(
    run_json: Callable[..., Any], network: NetworkForTests, card: str
) -> None:
    run_json("participant", "create", "acme", "--name", "Acme LLC")
    store = run_json("store", "create", "D", "--name", "Dune", "--participant", "acme")
    terminal = run_json("terminal", "create", "D", "1")

    network.tills["A"].key = terminal["key"]
    answer = network.tills["A"].accrue(card, 1000)

    assert answer.json["store"] == "D"
    assert store in run_json("store", "list")
    assert "acme" in [row["code"] for row in run_json("participant", "list")]
    [listed] = run_json("terminal", "list", "--store", "D")
    assert listed["terminal_id"] == terminal["terminal_id"]
    assert run_json("store", "close", "D")["status"] == "closed"


def test_keys_are_made_listed_and_revoked(run_json: Callable[..., Any], network: NetworkForTests) -> None:
    made = run_json("key", "create", "--label", "finance")
    terminal_id = run_json("terminal", "list", "--store", "A")[0]["terminal_id"]
    till_key = run_json("key", "create", "--label", "new till", "--terminal", terminal_id)

    revoked = run_json("key", "revoke", made["key_id"])

    listed = {row["key_id"]: row for row in run_json("key", "list")}
    assert (made["role"], till_key["role"]) == ("hq", "terminal")
    assert listed[made["key_id"]] == revoked
    assert made["key"] not in json.dumps(listed)


def test_a_key_is_made_with_terms_changed_and_rotated(
    run_json: Callable[..., Any], run: Run, network: NetworkForTests
) -> None:
    ends = datetime.now(timezone(timedelta(hours=1))) + timedelta(days=30)
    terms = ["--scope", "read", "--scope", "keys", "--rate-limit", "5", "--expires-at", ends.isoformat()]
    made = run_json("key", "create", "--label", "reports", *terms)

    changed = run_json("key", "set", made["key_id"], "--rate-limit", "7")
    rotated = run_json("key", "rotate", made["key_id"], "--overlap-hours", "1")
    again = run("key", "rotate", rotated["new_key"]["key_id"], "-n", network.code)
    back = run_json("key", "set", made["key_id"], "--default-rate")

    assert (made["scopes"], made["rate_limit"]) == (["read", "keys"], 5)
    assert made["expires_at"] == ends.astimezone(UTC).isoformat(timespec="seconds")
    assert (changed["rate_limit"], back["rate_limit"]) == (7, None)
    assert rotated["new_key"]["replaces"] == rotated["old_key"]["key_id"] == made["key_id"]
    assert rotated["new_key"]["key"].startswith("hq_")
    assert "shown only now" in again.stderr and "stops at" in again.stderr
    listed = {row["key_id"]: row for row in run_json("key", "list")}
    assert listed[made["key_id"]] == back
    assert listed[rotated["new_key"]["key_id"]]["expires_at"] is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "--label", "x", "--scope", "accrue"], "A key of role hq can't have accrue"),
        (["create", "--label", "x", "--scope", "*"], "choose from read, directory"),
        (["create", "--label", "x", "--rate-limit", "0"], "0 is not in the range"),
        (["create", "--label", "x", "--expires-at", "2020-01-01T00:00Z"], "must lie in the future"),
        (["create", "--label", "x", "--expires-at", "2027-01-01"], "is not a moment"),
        (["set", "key_01h455vb4pex5vsknk084sn02q"], "--default-rate"),
        (["set", "key_01h455vb4pex5vsknk084sn02q", "--rate-limit", "5"], "no such key"),
        (["rotate", "key_01h455vb4pex5vsknk084sn02q"], "no such key"),
        (["rotate", "key_01h455vb4pex5vsknk084sn02q", "--overlap-hours", "169"], "169 is not in the range"),
    ],
)
def test_what_a_key_can_not_have_is_said_in_one_line(
    run_main: Callable[..., subprocess.CompletedProcess[str]],
    network: NetworkForTests,
    arguments: list[str],
    said: str,
) -> None:
    result = run_main("key", *arguments, "-n", network.code)

    assert result.returncode != 0
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_members_and_cards_are_managed(run_json: Callable[..., Any], network: NetworkForTests, till: Till) -> None:
    member = run_json("member", "create", "--reference", "M-1", "--name", "Ada")
    number = run_json("card", "issue", member["member_id"], "--number", a_card_number())["card"]
    till.accrue(number, 4200)

    assert run_json("card", "block", number)["status"] == "blocked"
    assert run_json("card", "unblock", number)["status"] == "active"
    new = run_json("card", "replace", number)["card"]

    shown = run_json("card", "show", new)
    assert (shown["status"], shown["available"]) == ("active", 42)
    assert run_json("card", "show", number)["replaced_by"] == new
    assert run_json("member", "list", "--reference", "M-1") == [member]
    assert [card["card"] for card in run_json("member", "show", member["member_id"])["cards"]] == [
        number,
        new,
    ]


def test_a_card_of_a_batch_is_handed_out_registered_bound_and_told_of(
    run_json: Callable[..., Any], run: Run, network: NetworkForTests, tmp_path: Path
) -> None:
    made = run_json("card", "issue", "--count", "3", "--label", "Spring", "--prefix", "770")
    files = [tmp_path / "cards.csv", tmp_path / "cards.pdf"]
    for file in files:
        run("card", "batch", file.suffix[1:], made["batch_id"], "--output", str(file), "-n", network.code)
    number = files[0].read_text().splitlines()[1].partition(",")[0]

    registered = run_json("card", "register", number, "--reference", "M-7", "--name", "Ada")
    updated = run_json("member", "update", registered["member_id"], "--name", "", "--reason", "on request")
    bound = run_json("card", "bind", number, "--token", "tok_12345678")
    unbound = run_json("card", "unbind", number, "--token", "tok_12345678")
    run_json("card", "block", number, "--reason", "stolen")
    shown = run_json("card", "show", number)

    assert number.startswith("770") and files[1].read_bytes().startswith(b"%PDF")
    assert run_json("card", "batch", "list") == [made] == [run_json("card", "batch", "show", made["batch_id"])]
    assert (registered["reference"], updated["reference"], updated["name"]) == ("M-7", "M-7", None)
    assert (bound["payment_tokens"], unbound["payment_tokens"]) == (1, 0)
    told = [(change["action"], change["reason"]) for change in shown["changes"]]
    assert told == [
        ("issued", None),
        ("registered", None),
        ("updated", "on request"),
        ("bound", None),
        ("unbound", None),
        ("blocked", "stolen"),
    ]
    assert {change["changed_by"] for change in shown["changes"]} == {"command line"}
    assert "stolen" in run("card", "show", number, "-n", network.code).stdout


def test_a_token_is_asked_for_and_not_shown(environment: dict[str, str], network: NetworkForTests, card: str) -> None:
    arguments = ["card", "bind", card, "-n", network.code]

    result = CliRunner().invoke(clearinghouse, arguments, input="tok_12345678\n", env=environment)

    assert result.exit_code == 0
    assert "tok_" not in result.output


ISSUES = [[], ["mem_x", "--count", "3"], ["--count", "0"], ["--count", "3"], ["mem_x", "--label", "x"],
          ["--count", "3", "--label", "x", "--number", "79927398713"]]  # fmt: skip


@pytest.mark.parametrize("arguments", ISSUES)
def test_cards_are_issued_to_one_member_or_as_a_batch(environment: dict[str, str], arguments: list[str]) -> None:
    result = CliRunner().invoke(clearinghouse, ["card", "issue", *arguments, "-n", "x"], env=environment)

    assert result.exit_code == 2


def test_members_are_listed_from_where_a_list_ended(run_json: Callable[..., Any]) -> None:
    made = [run_json("member", "create") for _ in range(3)]

    first = run_json("member", "list", "--limit", "2")

    assert first + run_json("member", "list", "--after", first[-1]["member_id"]) == made


def test_a_new_version_keeps_what_is_left_out(run_json: Callable[..., Any]) -> None:
    made = run_json("programme", "add", "--base-rate", "2.5")

    [first, second] = run_json("programme", "list")
    assert second == made
    assert (second["base_rate"], second["redemption_value"], second["expiry_policy"]) == ("2.5", "100", "P6M")
    assert first["base_rate"] == "1"


def test_a_new_version_begins_with_a_day_of_the_network(
    run: Run, make_network: Callable[..., NetworkForTests]
) -> None:
    code = make_network(time_zone="Asia/Tokyo").code
    day = f"{date.today().year + 1}-06-01"

    added = run("programme", "add", "-n", code, "--effective-from", day, "--json")

    assert json.loads(added.stdout)["effective_from"] == f"{date.today().year + 1}-05-31T15:00:00+00:00"


def test_a_piped_table_breaks_no_id(run: Run, network: NetworkForTests) -> None:
    key_ids = [key["key_id"] for key in network.hq("GET", "/v1/keys").json["keys"]]

    table = run("key", "list", "-n", network.code).stdout

    assert all(key_id in table for key_id in key_ids)


CREATE = ["network", "create", "x", "--name", "x", "--time-zone", "UTC", "--currency", "USD"]

# Of an option that is given twice the last counts.
REFUSALS = [
    (["store", "list", "-n", "no-such"], "There is no network 'no-such'."),
    ([*CREATE, "--time-zone", "Mars"], "not a time zone"),
    ([*CREATE, "--currency", "ZZZ"], "not an active ISO 4217"),
    ([*CREATE, "--redemption-value", "0"], "redemption_value must be more than 0"),
    (["card", "show", "4111111111111111"], "Never send card numbers"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSALS)
def test_a_refusal_is_one_line_and_exit_code_1(
    run_main: Callable[..., subprocess.CompletedProcess[str]], arguments: list[str], message: str
) -> None:
    done = run_main(*arguments)

    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and message in done.stderr


MISTYPED = [
    (["--opened-on", "1.2.2026"], "write it like 2026-11-30"),
    (["--base-rate", "abc"], "write it like 0.85"),
    (["--base-rate", "NaN"], "write it like 0.85"),
]


@pytest.mark.parametrize(("options", "message"), MISTYPED)
def test_a_mistyped_option_says_how_to_write_it(
    environment: dict[str, str], options: list[str], message: str
) -> None:
    result = CliRunner().invoke(clearinghouse, [*CREATE, *options], env=environment)

    assert result.exit_code == 2
    assert message in result.stderr
