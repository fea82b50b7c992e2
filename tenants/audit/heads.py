"""Ends of chains noted outside the database, in a file: without them nobody could tell that a log was cut short, or
written anew by who has the whole database."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from uuid import UUID

from flask import current_app

from tenants.audit.rules import Head, network_of, parse_head

FILE = "audit-heads.txt"


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
    path = heads_file()
    return heads_in(path.read_text(encoding="ascii").splitlines(), network_of(tenant_id)) if path.exists() else []


def heads_in(lines: Iterable[str], network: str) -> list[Head]:
    """A line that a full disk has cut short is passed over."""
    words = (line.split() for line in lines)
    return [parse_head(parts[2]) for parts in words if len(parts) == 3 and parts[1] == network]
