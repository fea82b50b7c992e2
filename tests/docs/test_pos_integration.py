"""What docs/pos-integration.md tells an integrator is what the till face does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from apiflask import APIFlask
from click.testing import CliRunner

from clearinghouse.pos.refusals import REFUSALS
from cli import clearinghouse
from tenants.credentials.rules import TERMINAL
from tenants.foundation import clock, rate_limits
from tenants.foundation.config import Settings
from tests.conftest import ROOT
from tests.docs.error_codes import codes_in_sql, codes_in_table, find_codes
from tests.docs.examples import Call, Run, parse_curl, read_document
from tests.test_faults import running

DOCUMENT = (ROOT / "docs" / "pos-integration.md").read_text()
# When its examples happen.
WRITTEN_AT = datetime.fromisoformat("2026-11-21T18:30:00+01:00")
WRITTEN_TIME_ZONE = "Europe/Berlin"

# What no terminal's key leads to: head office, the operator, the command line.
MODULES_ELSEWHERE = (
    *(
        "clearinghouse/audit",
        "clearinghouse/backups",
        "tenants/audit",
        "clearinghouse/expiry",
        "clearinghouse/health",
        "clearinghouse/imports",
        "clearinghouse/partitions",
        "clearinghouse/programme",
    ),
    *(
        "clearinghouse/webhooks",
        "clearinghouse/erasure",
        "settlement/",
        "tenants/bank_accounts",
        "tenants/card_batches",
        "tenants/credentials/rules.py",
        "tenants/data_keys",
        "tenants/rates",
        "tenants/staff",
        "tenants/validity",
        "tenants/foundation/config.py",
        "tenants/foundation/logs.py",
    ),
    *("tenants/foundation/files.py", "tenants/foundation/money.py", "tenants/foundation/months.py"),
    *("tenants/foundation/secret_key.py", "tenants/networks", "tenants/stores"),
)
CODES_ELSEWHERE = {
    *("card_exists", "day_already_accepted", "day_matches", "invalid_reason", "key_expired", "key_replaced"),
    *(
        "key_revoked",
        "key_unknown",
        "member_erased",
        "member_has_holds",
        "member_merged",
        "member_unknown",
        "no_active_card",
    ),
    *("nothing_to_expire", "nothing_to_redeem", "queue_unavailable", "same_member", "store_closed"),
    *("terminal_exists", "terminal_unknown"),
    # Fields are checked by the schema first: invalid_input.
    *("invalid_country", "invalid_email", "invalid_payment_token", "invalid_reference", "pin_invalid"),
}


@pytest.fixture
def limited(app: APIFlask, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[APIFlask]:
    """With request rates; a busy machine is no outage of Redis."""
    monkeypatch.setattr(rate_limits, "ANSWER_SECONDS_MAX", 10.0)
    with running(replace(settings, rate_limit=True)) as limited:
        yield limited


@pytest.fixture
def run(limited: APIFlask) -> Run:
    now = clock.now()
    # So that no midnight falls into the run; signs are the other way round in these names.
    time_zone = f"Etc/GMT{now.hour - 12:+d}"

    def command(words: list[str]) -> dict[str, Any]:
        words = [time_zone if word == WRITTEN_TIME_ZONE else word for word in words]
        words += [] if "--json" in words else ["--json"]
        result = CliRunner().invoke(clearinghouse, words, obj=lambda: limited)
        assert result.exit_code == 0, (words, result.output, result.exception)
        return json.loads(result.stdout)

    return Run(limited.test_client(), command, WRITTEN_AT, now, time_zone, {"URL": ""})


def test_the_examples_are_answered_as_the_document_says(run: Run) -> None:
    steps = list(read_document(DOCUMENT))

    assert len(steps) > 50
    for step in steps:
        run.step(step)


def test_every_call_that_a_terminal_may_make_has_an_example(app: APIFlask) -> None:
    calls = [step for step in read_document(DOCUMENT) if isinstance(step, Call)]
    requests = [parse_curl(call.text.replace("$URL", "")) for call in calls]
    routes = app.url_map.bind("localhost")
    shown = {routes.match(request.path.partition("?")[0], request.method)[0] for request in requests}
    of_terminals = {
        name
        for name, view in app.view_functions.items()
        if any(TERMINAL in requirement for requirement in getattr(view, "_spec", {}).get("security") or ())
    }

    assert len(of_terminals) >= 20
    assert of_terminals - shown == set()


def test_every_code_that_a_terminal_may_get_is_in_the_table_with_its_status() -> None:
    found = list(find_codes())
    expected = {
        (code, status)
        for module, code, status in found
        if not module.startswith(MODULES_ELSEWHERE) and code not in CODES_ELSEWHERE
    }

    assert len(expected) >= 70
    assert set(codes_in_table(DOCUMENT).items()) == expected
    assert {code for _, code, _ in found} >= CODES_ELSEWHERE


def test_what_the_ledger_refuses_has_a_status_and_a_sentence() -> None:
    assert len(codes_in_sql()) > 10
    assert codes_in_sql() - REFUSALS.keys() == set()
