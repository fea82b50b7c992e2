"""The journal over HTTP and on the command line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import clearinghouse
from tenants.foundation.config import Settings
from tenants.foundation.errors import Conflict
from tests.conftest import NetworkForTests

JANUARY = date(2026, 1, 1)
JOURNAL, BOOK = "/v1/settlement/windows/2026-01/journal", "/v1/settlement/journal"


@pytest.fixture
def settled(network: NetworkForTests, card: str) -> NetworkForTests:
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 30, occurred_at="2026-01-11T12:00:00Z")
    network.settle(JANUARY)
    return network


def test_a_journal_answers_with_entries_that_balance(settled: NetworkForTests) -> None:
    answer = settled.hq("GET", JOURNAL).json

    assert (answer["title"], answer["currency"], answer["breakage_to"]) == ("Settlement 2026-01", "USD", "hq")
    assert answer["months"] == [
        {
            "month": "2026-01",
            "opening": 0,
            "closing": 70,
            "breakage": 0,
            "margin": 0,
            "rate_differences": 0,
            "rounding": 0,
        }
    ]
    assert [entry["entry"] for entry in answer["entries"]] == ["2026-01-0001", "2026-01-0002"]
    for entry in answer["entries"]:
        assert sum(p["debit"] - p["credit"] for p in entry["postings"]) == 0


def test_the_book_until_a_day(settled: NetworkForTests) -> None:
    whole, until, before = (
        settled.hq("GET", f"{BOOK}{query}").json for query in ("", "?to=2026-01-31", "?to=2026-01-30")
    )

    assert whole["entries"] == until["entries"] == settled.hq("GET", JOURNAL).json["entries"]
    assert (until["title"], before["entries"], before["months"]) == ("Journal until 2026-01-31", [], [])


@pytest.mark.parametrize(
    ("format", "media_type", "beginning"),
    [("csv", "text/csv", "entry,date,narration"), ("beancount", "text/plain", 'option "title"')],
)
@pytest.mark.parametrize("path", [JOURNAL, BOOK])
def test_a_journal_in_other_formats(
    settled: NetworkForTests, path: str, format: str, media_type: str, beginning: str
) -> None:
    answer = settled.hq("GET", f"{path}?format={format}")

    assert (answer.status_code, answer.mimetype) == (200, media_type)
    assert answer.text.startswith(beginning)


def test_people_who_may_read_see_it_and_tills_do_not(settled: NetworkForTests) -> None:
    auditor, owner = settled.add_staff("aud", "auditor"), settled.add_staff("own", "owner", participant="A")

    assert settled.call(auditor, "GET", JOURNAL).status_code == 200
    assert settled.call(owner, "GET", JOURNAL).json["code"] == "scope_missing"
    refused = settled.tills["A"].call("GET", JOURNAL)
    assert (refused.status_code, refused.json["code"]) == (403, "wrong_kind_of_key")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/settlement/windows/2026-13/journal", 422, "invalid_month"),
        ("/v1/settlement/windows/2026-02/journal", 404, "settlement_unknown"),
        (f"{JOURNAL}?format=xml", 422, "invalid_input"),
        (f"{JOURNAL}?breakage_to=nobody", 422, "invalid_input"),
        (f"{JOURNAL}?to=2026-01-01", 422, "invalid_input"),
        (f"{BOOK}?to=yesterday", 422, "invalid_input"),
        (f"{BOOK}?format=", 422, "invalid_input"),
    ],
)
def test_what_can_not_be_shown_says_why(settled: NetworkForTests, path: str, status: int, code: str) -> None:
    answer = settled.hq("GET", path)

    assert (answer.status_code, answer.json["code"]) == (status, code), answer.json


def test_what_is_only_proposed_is_not_booked(network: NetworkForTests) -> None:
    network.propose(JANUARY)

    answer = network.hq("GET", JOURNAL)

    assert (answer.status_code, answer.json["code"]) == (409, "settlement_not_approved")


@pytest.fixture
def run(settings: Settings, settled: NetworkForTests) -> Callable[..., Result]:
    environment = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CLEARINGHOUSE_VAR": str(settings.var),
    }

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(clearinghouse, ["journal", *arguments, "-n", settled.code], env=environment)

    return run


def test_command_line_and_http_show_the_same(run: Callable[..., Result], settled: NetworkForTests) -> None:
    shown = run("show", "-m", "2026-01", "--json")

    assert json.loads(shown.stdout) == settled.hq("GET", JOURNAL).json


def test_the_console_shows_what_each_entry_does_to_each_account(run: Callable[..., Result]) -> None:
    shown = run("show", "-m", "2026-01")

    assert shown.exit_code == 0, shown.output
    [row] = [row for row in shown.stdout.splitlines() if "Liabilities:Payables:B" in row]
    assert "2026-01-0002" in row and "0.30" in row


@pytest.mark.parametrize("format", ["csv", "beancount"])
def test_exports_are_what_http_sends(
    run: Callable[..., Result], settled: NetworkForTests, tmp_path: Path, format: str
) -> None:
    by_default = run("export", "-m", "2026-01", "--format", format, "--json")
    named = run("export", "-m", "2026-01", "--format", format, "--output", str(tmp_path / "j"), "--json")
    book = run("book", "--to", "2026-01-31", "--format", format, "--json")

    [path] = [Path(row["file"]) for row in json.loads(by_default.stdout)]
    assert path.parts[-3:] == (settled.code, "2026-01", f"journal.{format}")
    assert json.loads(named.stdout) == [{"file": str(tmp_path / "j")}]
    assert path.read_bytes() == (tmp_path / "j").read_bytes() == settled.hq("GET", f"{JOURNAL}?format={format}").data
    [row] = json.loads(book.stdout)
    assert Path(row["file"]).parts[-2:] == (settled.code, f"journal.{format}")
    assert row["entries"] == 2


def test_breakage_of_the_members_is_an_option(run: Callable[..., Result]) -> None:
    shown = run("show", "-m", "2026-01", "--breakage-to", "members", "--json")

    assert json.loads(shown.stdout)["breakage_to"] == "members"


def test_a_month_that_is_not_approved_is_an_error(run: Callable[..., Result], settled: NetworkForTests) -> None:
    settled.propose(date(2026, 2, 1))

    shown = run("show", "-m", "2026-02")

    assert isinstance(shown.exception, Conflict)


def test_the_csv_can_be_read_back(settled: NetworkForTests) -> None:
    text = settled.hq("GET", f"{JOURNAL}?format=csv").text

    assert len(list(csv.DictReader(io.StringIO(text, newline="")))) == 4
