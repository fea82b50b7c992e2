"""What HTTP does, the command line does; and the job of every day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from settlement.disputes.jobs import expire_disputes_of
from settlement.disputes.rules import DECIDED_WITHIN
from settlement.proposals.rules import FUNDING
from settlement.serving.jobs import expire_all_disputes
from tenants.foundation.queue import job_queue
from tests.conftest import Run
from tests.disputes.month import HQ, Month, shown


def open_with(month: Month, *more: str) -> list[str]:
    as_owner = ["--as", month.owner("A").code]
    return ["dispute", "open", "A", "-m", "2026-01", *as_owner, "--reason", "Closed that day", *more]


def test_an_owner_finds_a_line_and_disputes_it(month: Month, run: Run, run_json: Callable[..., Any]) -> None:
    owner = month.owner("A").code
    own = run_json("dispute", "lines", "A", "-m", "2026-01", "--as", owner)
    table = run("dispute", "lines", "A", "-m", "2026-01", "--as", owner).stdout
    [line] = own["lines"]
    assert (line["kind"], line["disputable"], own["net"]) == ("funding", 100, 100)
    assert line["key"] in table

    opened = run_json(*open_with(month, "--line", line["key"], "--amount", "30"))

    assert (opened["state"], opened["amount"], opened["opened_by"]) == ("opened", 30, owner)
    assert opened["changes"][0]["changed_by"] == month.owner("A").shown
    assert [each["dispute_id"] for each in run_json("dispute", "list", "-m", "2026-01")] == [opened["dispute_id"]]
    assert run_json("dispute", "show", opened["dispute_id"]) == opened


@pytest.mark.parametrize(("command", "state"), [("accept", "accepted"), ("reject", "rejected")])
def test_a_preparer_decides(month: Month, run: Run, run_json: Callable[..., Any], command: str, state: str) -> None:
    dispute_id = shown(month.dispute(month.line(FUNDING, "A", HQ)))
    decide = ["dispute", command, dispute_id, "--reason", "Looked at", "--as", month.preparer.code]

    decided = run_json(*decide)
    again = run(*decide)

    assert (decided["state"], decided["decision"]) == (state, "Looked at")
    assert decided["decided_by"] == month.preparer.shown
    assert getattr(again.exception, "code", None) == "illegal_state"
    assert run_json("dispute", "list", "--state", "opened") == []
    assert state in run("dispute", "list").stdout


def test_others_are_refused(month: Month, run: Run) -> None:
    dispute_id = shown(month.dispute(month.line(FUNDING, "A", HQ)))

    for command in (
        ["dispute", "accept", dispute_id, "--reason", "x", "--as", month.approver.code],
        ["dispute", "accept", dispute_id, "--reason", "x", "--as", month.owner("A").code],
        ["dispute", "lines", "A", "-m", "2026-01", "--as", month.preparer.code],
        ["dispute", "expire", "--as", month.owner("A").code],
    ):
        assert getattr(run(*command).exception, "code", None) == "role_missing", command
    strange = run("dispute", "lines", "A", "-m", "2026-01", "--as", month.owner("B").code)
    assert getattr(strange.exception, "code", None) == "store_unknown"


def test_what_nobody_decides_is_expired_by_command_or_by_the_job(month: Month, run_json: Callable[..., Any]) -> None:
    line = month.line(FUNDING, "A", HQ)
    first, second = month.dispute(line, amount=1), month.dispute(line, amount=2)
    expire = ["dispute", "expire", "--as", month.preparer.code]
    month.let_dispute_until(-DECIDED_WITHIN // timedelta(days=1))
    assert run_json(*expire) == []

    month.let_dispute_until(-DECIDED_WITHIN // timedelta(days=1) - 1)

    assert run_json(*expire) == [{"dispute_id": shown(first)}, {"dispute_id": shown(second)}]
    month.let_dispute_until(3)
    third = month.dispute(line, amount=3)
    assert expire_disputes_of(str(month.tenant_id)) == 0
    month.let_dispute_until(-DECIDED_WITHIN // timedelta(days=1) - 1)
    assert expire_disputes_of(str(month.tenant_id)) == 1
    listed = {each["dispute_id"]: each["decided_by"] for each in run_json("dispute", "list", "--state", "expired")}
    by = month.preparer.shown
    assert listed == {shown(first): by, shown(second): by, shown(third): "scheduler"}


def test_the_job_fans_out_to_every_network(month: Month) -> None:
    job_queue().empty()
    expire_all_disputes()

    queued = {(job.func_name, job.args[0]) for job in job_queue().get_jobs()}
    assert ("settlement.disputes.jobs.expire_disputes_of", str(month.tenant_id)) in queued
    job_queue().empty()
