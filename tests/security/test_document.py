"""The tables of docs/security.md say what the program does."""

from __future__ import annotations

import re

import pytest

from tenants.credentials.rules import HQ, SCOPES, TERMINAL
from tenants.staff.rules import ROLES
from tests.conftest import ROOT
from tests.security.operations import Operation, operations

DOCUMENT = (ROOT / "docs" / "security.md").read_text()
HOLDERS = {"till": SCOPES[TERMINAL], "head office": SCOPES[HQ], **ROLES}


def table_of_scopes() -> str:
    """As it has to stand in the document."""
    scopes = list(dict.fromkeys(scope for holder in HOLDERS.values() for scope in holder))
    head = f"| scope | {' | '.join(HOLDERS)} |\n| --- |{' --- |' * len(HOLDERS)}\n"
    return head + "".join(
        f"| `{scope}` |{''.join(' yes |' if scope in held else ' |' for held in HOLDERS.values())}\n"
        for scope in scopes
    )


def test_the_table_of_scopes_is_that_of_the_program() -> None:
    assert table_of_scopes() in DOCUMENT, f"put this into docs/security.md:\n{table_of_scopes()}"


ACTS = re.findall(r"^\| [^|`]+ \| `([A-Z]+) (/[^`]+)` \| ([^|]+) \|$", DOCUMENT, re.MULTILINE)


@pytest.mark.parametrize(("method", "path", "needed"), ACTS)
def test_an_act_needs_what_the_table_says(method: str, path: str, needed: str) -> None:
    security = Operation(method.lower(), path).raw["security"]

    said = {(kind, scope) for kind, scope in re.findall(r"(\w+) `(\w+)`", needed)}
    assert {(kind, scope) for each in security for kind, scopes in each.items() for scope in scopes} == said


def test_the_acts_that_matter_most_are_there() -> None:
    assert len(ACTS) >= 14


def test_every_call_without_a_key_is_named() -> None:
    [sentence] = re.findall(r"^Without any key: (.+?)\.$", DOCUMENT, re.MULTILINE)

    public = {each.path.partition("{")[0] for each in operations() if each.is_public}
    assert public <= {path.rstrip("…") for path in re.findall(r"`([^`]+)`", sentence)}
