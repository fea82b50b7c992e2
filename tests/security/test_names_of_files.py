"""Codes become names of files and folders: none leads out of the folder it belongs in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from settlement.languages.rules import LANGUAGES
from settlement.statements.service import file_name, folder_of
from tenants.foundation.errors import InvalidInput
from tenants.networks.service import check_code
from tests.conftest import NetworkForTests

CODES = [
    "..",
    ".",
    "../x",
    "a/b",
    "a\\b",
    "/etc/passwd",
    "a\x00b",
    "~",
    "-rf",
    "a\nb",
    "",
    "é",
    "a" * 41,
    "C:",
    "a b",
]


@pytest.mark.parametrize("code", CODES, ids=ascii)
def test_no_code_leads_elsewhere(network: NetworkForTests, code: str) -> None:
    with pytest.raises(InvalidInput):
        check_code(code)
    for path in ("/v1/stores", "/v1/participants"):
        answer = network.hq("POST", path, {"code": code, "name": "x"})
        assert (answer.status_code, "code" in answer.json["errors"]) == (422, True)


@pytest.mark.parametrize("code", [code for code in CODES if "\x00" not in code], ids=ascii)
def test_no_network_can_be_named_so(command_line: Callable[..., Result], code: str) -> None:
    words = ("--name", "x", "--time-zone", "UTC", "--currency", "EUR")

    result = command_line("network", "create", *words, "--", code)

    assert result.exit_code != 0
    assert not isinstance(result.exception, OSError)


@pytest.mark.parametrize("name", ["..", "..%2fsecret.key", "%2e%2e%2f%2e%2e%2fsecret.key", "settlement.xlsx%00", "."])
def test_no_document_is_asked_for_that_is_none(network: NetworkForTests, name: str) -> None:
    answer = network.hq("GET", f"/v1/settlement/windows/2026-01/exports/{name}")

    assert answer.status_code in (404, 422)


def test_names_of_statements_stay_in_their_folder(tmp_path: Path) -> None:
    for code in ("A", "a.b-c_d", "A..", "0" * 40):
        assert (tmp_path / file_name(code)).resolve().parent == tmp_path.resolve()
    for language in LANGUAGES:
        assert (tmp_path / folder_of(language)).resolve().is_relative_to(tmp_path.resolve())
