from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click
import pytest
from apiflask import APIFlask
from click.testing import CliRunner, Result

from cli import clearinghouse
from tenants.staff.commands import actor_option
from tests.conftest import NetworkForTests


@pytest.fixture
def run(context: APIFlask, network: NetworkForTests) -> Callable[..., Result]:
    return lambda *words: CliRunner().invoke(clearinghouse, [*words, "-n", network.code], obj=lambda: context)


@pytest.fixture
def run_json(run: Callable[..., Result]) -> Callable[..., Any]:
    def run_json(*words: str) -> Any:
        result = run(*words, "--json")
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.stdout)

    return run_json


def test_people_are_added_listed_changed_and_leave(run_json: Callable[..., Any], network: NetworkForTests) -> None:
    ana = run_json("staff", "create", "ana", "--name", "Ana", "--role", "treasurer", "--role", "preparer")
    otto = run_json("staff", "create", "otto", "--name", "Otto", "--role", "owner", "--participant", "A")

    changed = run_json("staff", "roles", "ana", "auditor", "approver")
    left = run_json("staff", "leave", "otto")

    assert (ana["roles"], changed["roles"]) == (["preparer", "treasurer"], ["approver", "auditor"])
    assert (otto["participant"], otto["left_at"]) == ("A", None)
    assert left["left_at"] is not None
    assert run_json("staff", "list") == [changed, left] == network.hq("GET", "/v1/staff").json["staff"]


def test_a_key_of_a_person_is_made_and_works(run_json: Callable[..., Any], network: NetworkForTests) -> None:
    run_json("staff", "create", "ana", "--name", "Ana", "--role", "auditor")

    made = run_json("key", "create", "--label", "laptop", "--staff", "ana")

    assert (made["role"], made["scopes"]) == ("staff", [])
    assert network.call(made["key"], "GET", "/v1/stores").status_code == 200
    assert made["key_id"] in [row["key_id"] for row in run_json("key", "list")]


CREATE = ["staff", "create", "ana", "--name", "Ana"]
REFUSED = [
    (CREATE, "--role"),
    ([*CREATE, "--role", "king"], "'king' is not one of"),
    ([*CREATE, "--role", "owner"], "An owner acts for one participant"),
    ([*CREATE, "--role", "owner", "--role", "auditor", "--participant", "A"], "two codes"),
    ([*CREATE, "--role", "auditor", "--participant", "A"], "Only an owner"),
    ([*CREATE, "--role", "owner", "--participant", "nowhere"], "no participant 'nowhere'"),
    (["staff", "create", "scheduler", "--name", "x", "--role", "auditor"], "means the clearinghouse itself"),
    (["staff", "create", "a b", "--name", "x", "--role", "auditor"], "is not a code"),
    (["staff", "roles", "nobody", "auditor"], "nobody of code 'nobody'"),
    (["staff", "roles", "nobody"], "Missing argument"),
    (["staff", "leave", "nobody"], "nobody of code 'nobody'"),
    (["key", "create", "--label", "x", "--staff", "nobody"], "nobody of code 'nobody'"),
    (["key", "create", "--label", "x", "--staff", "ana", "--terminal", "trm_x"], "either --terminal or --staff"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED)
def test_what_can_not_be_is_said(
    run: Callable[..., Result], network: NetworkForTests, words: list[str], said: str
) -> None:
    result = run(*words)

    assert result.exit_code != 0
    assert said in result.output + str(result.exception)
    assert network.hq("GET", "/v1/staff").json["staff"] == []


def test_a_command_that_a_person_gives_asks_who_it_is() -> None:
    @click.command()
    @actor_option
    def approve(actor_code: str) -> None:
        click.echo(actor_code)

    assert CliRunner().invoke(approve, ["--as", "ana"]).output == "ana\n"
    assert "Missing option '--as'" in CliRunner().invoke(approve).output
