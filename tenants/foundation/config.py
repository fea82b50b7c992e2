"""Settings from the environment, read once at start.

| variable | default | meaning |
| --- | --- | --- |
| `DATABASE_URL` | embedded PostgreSQL under `var/` | PostgreSQL 16 or newer, a login that owns the database |
| `REDIS_URL` | embedded Redis under `var/` | job queue, rate limits; postings do not depend on it |
| `CLEARINGHOUSE_VAR` | `var` | where the embedded servers and all output files are kept |
| `CLEARINGHOUSE_RATE_LIMIT` | `on` | `off`: keys may send as many requests as they like |
| `CLEARINGHOUSE_SECRET_KEY` | `var/secret.key`, made once | payment tokens, phones, codes, PINs, webhook secrets |
| `CLEARINGHOUSE_DATA_KEYS` | `var/data.keys`, made by `init` | keys of the personal data in the database |
| `CLEARINGHOUSE_PUBLIC_URL` | `http://127.0.0.1:8080` | where whoever scans a statement's code reaches `serve` |
| `CLEARINGHOUSE_LOG` | `json`; on a terminal `text` | form of the lines on standard error |
| `CLEARINGHOUSE_LOG_LEVEL` | `info`; of commands `warning` | `debug`, `info`, `warning` or `error` |
| `CLEARINGHOUSE_WEBHOOKS_TO_PRIVATE` | off | `1` lets webhooks call private addresses and plain http: to develop |
"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tenants.foundation import embedded, logs
from tenants.foundation.errors import InvalidInput
from tenants.foundation.lifetimes import undisturbed
from tenants.foundation.secret_key import load_secret_key

log = logging.getLogger(__name__)

PUBLIC_URL = "http://127.0.0.1:8080"


@dataclass(frozen=True)
class Settings:
    database_url: str
    redis_url: str
    var: Path
    secret_key: bytes
    rate_limit: bool = True
    webhooks_to_private: bool = False
    public_url: str = PUBLIC_URL


def say_on_console(sentence: str) -> None:
    if logs.is_read_by_machines():
        log.info(sentence)
    else:
        print(sentence, file=sys.stderr)


def is_on(variable: str) -> bool:
    """On unless the environment says `off`; raises `InvalidInput` for anything else than `on` and `off`."""
    value = os.environ.get(variable) or "on"
    if value not in ("on", "off"):
        raise InvalidInput(f"{variable} must be on or off, not {value!r}.", code="invalid_setting")
    return value == "on"


def public_url() -> str:
    """Without a slash at its end. Raises `InvalidInput` unless it is an http or https URL of a host."""
    named = os.environ.get("CLEARINGHOUSE_PUBLIC_URL") or PUBLIC_URL
    parts = urlsplit(named)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise InvalidInput(
            f"CLEARINGHOUSE_PUBLIC_URL must be like https://points.example.com, not {named!r}.",
            code="invalid_setting",
        )
    return named.rstrip("/")


def load_var() -> Path:
    return Path(os.environ.get("CLEARINGHOUSE_VAR") or "var").resolve()


def postgres_is_embedded() -> bool:
    return embedded_servers()["postgres"]


def embedded_servers() -> dict[str, bool]:
    """Which of the embedded servers are used: those for which the environment names no others."""
    return {"postgres": not os.environ.get("DATABASE_URL"), "redis": not os.environ.get("REDIS_URL")}


def load_settings() -> Settings:
    """Read the environment; start or join the embedded servers for whatever it does not name."""
    var = load_var()
    rate_limit = is_on("CLEARINGHOUSE_RATE_LIMIT")
    database_url, redis_url = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    if not (database_url and redis_url):
        with undisturbed():
            servers = embedded.start(var, **embedded_servers(), say=say_on_console)
        database_url = database_url or servers.database_url
        redis_url = redis_url or servers.redis_url
    assert database_url and redis_url
    to_private = os.environ.get("CLEARINGHOUSE_WEBHOOKS_TO_PRIVATE") == "1"
    return Settings(database_url, redis_url, var, load_secret_key(var), rate_limit, to_private, public_url())
