"""What a check has come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clearinghouse.ledger.checks import Finding

GREEN, YELLOW, RED = "green", "yellow", "red"


@dataclass(frozen=True)
class Result:
    """A check that does not `block` tells people something, and refuses nothing."""

    name: str
    blocks: bool
    findings: Sequence[Finding]

    @property
    def state(self) -> str:
        if not self.findings:
            return GREEN
        return RED if self.blocks else YELLOW
