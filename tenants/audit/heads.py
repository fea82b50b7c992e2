"""Ends of chains noted outside the database, in a file: without them nobody could tell that a log was cut short, or
written anew by somebody who has the whole database."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

from flask import current_app

from tenants.audit.rules import HEAD_PATTERN, Head, network_of, parse_head

FILE = "audit-heads.txt"
LINE_PATTERN = rf"\S+ (net_\w{{26}}) ({HEAD_PATTERN})\n"


def heads_file() -> Path:
    path: Path = current_app.config["SETTINGS"].var / FILE
    return path


def note_head(tenant_id: UUID, head: Head, at: datetime) -> None:
    """A line at the end of the file: the moment, the network and the head."""
    path = heads_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="ascii") as file:
        file.write(f"{at.isoformat(timespec='seconds')} {network_of(tenant_id)} {head}\n")
        file.flush()
        os.fsync(file.fileno())


def noted_heads(tenant_id: UUID) -> list[Head]:
    """Oldest first."""
    network = network_of(tenant_id)
    return [head for noted, head in all_noted() if noted == network]


def all_noted() -> Iterator[tuple[str, Head]]:
    """Of each line the network and the head. What a full disk has cut short is passed over."""
    path = heads_file()
    if not path.exists():
        return
    with path.open(encoding="ascii", errors="replace") as file:
        for line in file:
            found = re.fullmatch(LINE_PATTERN, line)
            if found is not None:
                yield found[1], parse_head(found[2])
