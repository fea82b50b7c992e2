"""The log as head office, auditors and the command line see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import Result

from tenants.credentials.rules import HQ, KEYS, READ
from tenants.credentials.service import create_credential
from tenants.foundation import clock, ids
from tenants.staff.rules import APPROVER, AUDITOR, OWNER, PREPARER, TREASURER
from tests.audit.entries import entries_of, newest
from tests.conftest import NetworkForTests

JANUARY = date(2026, 1, 1)
A_HEAD = "1:" + "0" * 64


def listed(network: NetworkForTests, query: str = "") -> list[dict[str, Any]]:
    answer = network.hq("GET", f"/v1/audit?limit=500{query}")
    assert answer.status_code == 200, answer.json
    return answer.json["entries"]


def numbers(entries: list[dict[str, Any]]) -> list[int]:
    return [entry["sequence"] for entry in entries]


def test_entries_come_newest_first_and_page_by_page(network: NetworkForTests) -> None:
    everything = numbers(listed(network))

    paged: list[int] = []
    cursor = ""
    while cursor is not None:
        page = network.hq("GET", f"/v1/audit?limit=3{cursor}").json
        paged += numbers(page["entries"])
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"

    assert everything == list(range(len(everything), 0, -1))
    assert paged == everything


def test_a_log_of_nobody_is_an_empty_page(network: NetworkForTests) -> None:
    assert network.hq("GET", "/v1/audit?actor=nobody").json == {"entries": [], "next_cursor": None}


@pytest.fixture
def month_closed_by_ana(network: NetworkForTests) -> NetworkForTests:
    key = network.add_staff("ana", PREPARER)
    network.call(key, "POST", "/v1/settlement/windows/2026-01/close")
    return network


FILTERS = [
    ("actor=ana", lambda entry: entry["actor"] == "ana"),
    ("action=/close", lambda entry: "/close" in entry["action"]),
    ("subject=2026-01", lambda entry: "month 2026-01" in entry["subject"]),
    ("outcome=done", lambda entry: entry["outcome"] == "done"),
    ("outcome=refused", lambda entry: False),
    ("actor=ana&outcome=done&action=close", lambda entry: entry["actor"] == "ana"),
]


@pytest.mark.parametrize(("query", "is_wanted"), FILTERS, ids=[query for query, _ in FILTERS])
def test_entries_are_found_by_who_what_and_to_what(
    month_closed_by_ana: NetworkForTests, query: str, is_wanted: Callable[[dict[str, Any]], bool]
) -> None:
    found = listed(month_closed_by_ana, f"&{query}")

    assert found == [entry for entry in listed(month_closed_by_ana) if is_wanted(entry)]
    assert found or query == "outcome=refused"


def test_entries_are_found_by_time(network: NetworkForTests) -> None:
    entries = entries_of(network.tenant_id)
    middle = quote(entries[5].happened_at.isoformat())

    assert numbers(listed(network, f"&since={middle}")) == list(range(len(entries), 5, -1))
    assert numbers(listed(network, f"&until={middle}")) == [5, 4, 3, 2, 1]
    later = quote((clock.now() + timedelta(days=1)).isoformat())
    assert listed(network, f"&since={later}") == []


def test_entries_are_found_by_the_id_of_what_was_written(network: NetworkForTests) -> None:
    member = network.hq("POST", "/v1/members").json["member_id"]
    network.hq("PATCH", f"/v1/members/{member}", {"reference": "M-1"})

    actions = [entry["action"] for entry in listed(network, f"&subject={member}")]

    assert actions == ["PATCH /v1/members/<member_id>", "POST /v1/members"]


def test_entries_are_found_by_a_card_number_that_they_do_not_show(network: NetworkForTests, card: str) -> None:
    network.hq("POST", f"/v1/cards/{card}/block")

    [entry] = listed(network, f"&subject={card}")

    assert entry["action"] == "POST /v1/cards/<number>/block"
    assert card not in json.dumps(entry)


def test_the_proof_gives_the_head(network: NetworkForTests) -> None:
    proof = network.hq("GET", "/v1/audit/verification").json
    last = listed(network)[0]

    assert proof == {
        "is_whole": True,
        "entries": last["sequence"],
        "head": f"{last['sequence']}:{last['hash']}",
        "differences": [],
    }
    again = network.hq("GET", f"/v1/audit/verification?head={proof['head']}").json
    assert again["is_whole"]


def test_a_head_that_is_not_in_the_log_is_told(network: NetworkForTests) -> None:
    proof = network.hq("GET", f"/v1/audit/verification?head={A_HEAD}").json

    assert not proof["is_whole"]
    assert [difference["sequence"] for difference in proof["differences"]] == [1]


MALFORMED = [
    "limit=0",
    "limit=501",
    "limit=x",
    "cursor=0",
    "cursor=x",
    "cursor=99999999999999999999",
    "since=yesterday",
    "since=2026-01-01T00:00:00",
    "until=9999-12-31T23:59:59Z",
    "actor=",
    "actor=Ada%20Lovelace",
    "actor=%00",
    "action=%25",
    "action=",
    "subject=a%27%20OR%201=1",
    "outcome=undone",
    "unknown=1",
]


@pytest.mark.parametrize("query", MALFORMED)
def test_a_malformed_question_is_refused(network: NetworkForTests, query: str) -> None:
    answer = network.hq("GET", f"/v1/audit?{query}")

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")


@pytest.mark.parametrize("head", ["", "17", "x:y", "1:" + "g" * 64, "-" + A_HEAD, A_HEAD + "%0a"])
def test_a_malformed_head_is_refused(network: NetworkForTests, head: str) -> None:
    answer = network.hq("GET", f"/v1/audit/verification?head={head}")

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")


MAY_READ = [(AUDITOR, 200), (PREPARER, 403), (APPROVER, 403), (TREASURER, 403), (OWNER, 403)]


@pytest.mark.parametrize(("role", "status"), MAY_READ)
@pytest.mark.parametrize("path", ["/v1/audit", "/v1/audit/verification"])
def test_of_people_only_auditors_read_it(network: NetworkForTests, role: str, status: int, path: str) -> None:
    key = network.add_staff("ana", role, participant="A" if role == OWNER else None)

    assert network.call(key, "GET", path).status_code == status


@pytest.mark.parametrize(("scope", "status"), [(KEYS, 200), (READ, 403)])
def test_of_head_offices_keys_those_read_it_that_make_keys(network: NetworkForTests, scope: str, status: int) -> None:
    _, key = create_credential(network.tenant_id, HQ, "test", scopes=[scope])

    assert network.call(key, "GET", "/v1/audit").status_code == status


def test_a_till_does_not_read_it(network: NetworkForTests) -> None:
    assert network.tills["A"].call("GET", "/v1/audit").status_code == 403


def test_a_refusal_for_lack_of_rights_is_recorded_once_a_minute(network: NetworkForTests) -> None:
    key = network.add_staff("ana", PREPARER)
    before = len(entries_of(network.tenant_id))

    for _ in range(5):
        assert network.call(key, "POST", "/v1/settlement/windows/2026-01/settlement/approve").status_code == 403

    assert len(entries_of(network.tenant_id)) == before + 1
    entry = newest(network.tenant_id)
    assert (entry.actor, entry.outcome, entry.error_code) == ("ana", "refused", "scope_missing")
    assert (entry.action, entry.subject) == (
        "POST /v1/settlement/windows/<month>/settlement/approve",
        ["month 2026-01"],
    )


def test_who_approves_what_he_has_proposed_is_recorded(network: NetworkForTests) -> None:
    network.close(JANUARY)
    key = network.add_staff("ana", PREPARER, APPROVER)
    network.call(key, "POST", "/v1/settlement/windows/2026-01/settlement")

    refused = network.call(key, "POST", "/v1/settlement/windows/2026-01/settlement/approve")

    entry = newest(network.tenant_id)
    assert (entry.outcome, entry.error_code) == ("refused", refused.json["code"])


def test_who_approves_so_at_the_command_line_is_recorded(
    network: NetworkForTests, command_line: Callable[..., Result]
) -> None:
    network.close(JANUARY)
    network.add_staff("ana", PREPARER)

    command_line("settlement", "approve", "-m", "2026-01", "-n", network.code, "--as", "ana")

    entry = newest(network.tenant_id)
    assert (entry.actor, entry.action, entry.error_code) == ("ana", "settlement approve", "role_missing")


def test_the_command_line_lists_verifies_and_exports(
    network: NetworkForTests, command_line: Callable[..., Result], tmp_path: Path
) -> None:
    rows = json.loads(command_line("audit", "list", "-n", network.code, "--limit", "3", "--json").stdout)
    assert rows == listed(network)[:3]
    table = command_line("audit", "list", "-n", network.code, "--actor", "unsaid").stdout
    assert "unsaid" in table

    head = command_line("audit", "head", "-n", network.code).stdout.strip()
    verified = command_line("audit", "verify", "-n", network.code, "--head", head, "--json")
    assert (verified.exit_code, json.loads(verified.stdout)["head"]) == (0, head)

    wrong = command_line("audit", "verify", "-n", network.code, "--head", A_HEAD)
    assert wrong.exit_code == 1
    assert "1 differences" in wrong.stdout

    file = tmp_path / "log.jsonl"
    assert command_line("audit", "export", str(file), "-n", network.code).exit_code == 0
    assert [json.loads(line) for line in file.read_text().splitlines()] == listed(network)[::-1]


def test_the_installations_log_has_an_option(network: NetworkForTests, command_line: Callable[..., Result]) -> None:
    rows = json.loads(command_line("audit", "list", "--installation", "--json").stdout)

    assert f"network {ids.show(ids.NETWORK, network.tenant_id)}" in [
        words for row in rows for words in row["subject"]
    ]
    assert command_line("audit", "verify", "--installation").exit_code == 0


def test_a_copy_of_a_request_is_compared(
    network: NetworkForTests, command_line: Callable[..., Result], tmp_path: Path
) -> None:
    network.hq("POST", "/v1/stores", {"code": "D", "name": "Store D"})
    number = str(newest(network.tenant_id).sequence)
    (copy, other) = (tmp_path / "copy.json", tmp_path / "other.json")
    copy.write_bytes(json.dumps({"code": "D", "name": "Store D"}).encode())
    other.write_bytes(json.dumps({"code": "D", "name": "Store E"}).encode())

    assert command_line("audit", "compare", number, str(copy), "-n", network.code).exit_code == 0
    assert command_line("audit", "compare", number, str(other), "-n", network.code).exit_code == 1


WRONG_WORDS = [
    (("audit", "list"), "Give --network or --installation"),
    (("audit", "list", "-n", "nowhere"), "no network"),
    (("audit", "verify", "-n", "{code}", "--head", "x"), "is no head"),
    (("audit", "compare", "99999", "setup.cfg", "-n", "{code}"), "no entry 99999"),
    (("audit", "list", "-n", "{code}", "--since", "yesterday"), "is not a moment"),
    (("audit", "list", "-n", "{code}", "--limit", "0"), "not in the range"),
]


@pytest.mark.parametrize(("words", "message"), WRONG_WORDS)
def test_wrong_words_are_explained(
    network: NetworkForTests, command_line: Callable[..., Result], words: tuple[str, ...], message: str
) -> None:
    result = command_line(*(word.format(code=network.code) for word in words))

    assert result.exit_code != 0
    assert message in f"{result.output} {result.exception}"
