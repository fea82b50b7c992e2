"""The checks of a month as others see them: in JSON and on the console."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from settlement.checks.rules import GREEN, RED, YELLOW, Result
from settlement.proposals.tables import Settlement
from tenants.foundation.console import out, print_rows
from tenants.foundation.months import show_month

MARKS = {GREEN: "[green]green[/green] ", YELLOW: "[yellow]yellow[/yellow]", RED: "[red]RED[/red]   "}


def show_checks(settlement: Settlement, results: Sequence[Result], limit: int) -> dict[str, Any]:
    """With at most `limit` findings of each."""
    return {
        "month": show_month(settlement.month),
        "version": settlement.version,
        "state": settlement.state,
        "all_green": not any(result.state == RED for result in results),
        "checks": [show_result(result, limit) for result in results],
    }


def show_result(result: Result, limit: int) -> dict[str, Any]:
    return {
        "name": result.name,
        "state": result.state,
        "blocks": result.blocks,
        "findings_count": len(result.findings),
        "findings": [
            {"subject": finding.subject, "expected": finding.expected, "found": finding.found}
            for finding in result.findings[:limit]
        ],
    }


def print_checks(shown: dict[str, Any]) -> None:
    for check in shown["checks"]:
        counted = f": {check['findings_count']:,} findings" if check["findings"] else ""
        out.print(f"{MARKS[check['state']]}  {check['name']}{counted}", soft_wrap=True)
    for check in shown["checks"]:
        if check["findings"]:
            print_rows(check["findings"], False, check["name"])
