"""What the program says of itself: one JSON object a line on standard error, or text for people.

Code logs with `logging.getLogger(__name__)`; `extra={"code": …}` adds the fields named in `FIELDS`. Whose request or
job a line belongs to is added here. No line holds personal data: of an error only its type and what can't be a value
is told (`describe`), and what looks like a key, a card number or an address is hidden, whoever wrote it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any
from uuid import UUID

import psycopg2
import redis
from flask import g, has_request_context
from sqlalchemy.exc import DBAPIError

from tenants.foundation import ids
from tenants.foundation.errors import ClearinghouseError, InvalidInput

Fields = dict[str, Any]
ErrorInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

JSON, TEXT = "json", "text"
FORMATS = (JSON, TEXT)
LEVELS = ("debug", "info", "warning", "error")

# What a line may say beside its message, in this order.
FIELDS = (
    "command",
    "request_id",
    "tenant",
    "terminal",
    "credential",
    "method",
    "route",
    "status",
    "code",
    "duration_ms",
    "job_id",
    "function",
    "queue",
    "outcome",
    "address",
)

# Commands that go on until they are told to stop: what they say is read by machines and by nobody at once.
SERVICES = ("serve", "http", "worker", "scheduler")

# Those whose lines a level is chosen for; of all others warnings are told, and errors.
OWN_PACKAGES = ("cli", "clearinghouse", "settlement", "tenants")

STANDARD_ERROR = 2

HIDDEN = "[hidden]"
# Keys of callers; passwords in URLs; e-mail addresses; numbers of cards and telephones.
PERSONAL = re.compile(
    r"(?:pos|hq|stf)_[A-Za-z0-9_-]{20,}={0,2}"
    r"|(?<=://)[^\s/@]*:[^\s/@]*(?=@)"
    r"|[^\s@<>\"'(]+@[^\s@<>\"')]+\.[A-Za-z]{2,}"
    r"|(?<![0-9A-Za-z-])\+?[0-9]{12,}(?![0-9A-Za-z])"
    r"|(?<![0-9A-Za-z])\+[0-9]{7,}"
)
# SQLSTATE classes whose messages quote values: data exceptions, and what functions raise in words of their own.
QUOTING_CLASSES = ("22", "P0")

to_json = json.JSONEncoder(separators=(",", ":"), default=str).encode
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\u2028\u2029]")

# Of this process: the command that it runs, and in a job's own process the job.
bound: Fields = {}


# ----------------------------------------------------------------- what an error may tell


def describe(error: BaseException) -> str:
    """The type of an error, and of what it says only what can't be anybody's data."""
    name = type(error).__qualname__
    told = words_of(error.orig if isinstance(error, DBAPIError) and error.orig else error)
    return f"{name}: {told}" if told else name


def words_of(error: BaseException) -> str:
    if isinstance(error, psycopg2.Error):
        return words_of_database(error)
    if isinstance(error, ClearinghouseError):
        return error.code
    if isinstance(error, redis.ConnectionError | redis.TimeoutError):
        return str(error)
    if isinstance(error, OSError):
        return error.strerror or ""
    return ""


def words_of_database(error: psycopg2.Error) -> str:
    """The message unless it may quote a value, never DETAIL or CONTEXT; always the code and what it is about."""
    code = error.pgcode
    if code is None:
        # The driver's own, of connecting or of misuse; a server that refuses a connection sends no code on.
        return (str(error).strip().splitlines() or [""])[0]
    about = [error.diag.table_name, error.diag.column_name, error.diag.constraint_name]
    message = "" if code.startswith(QUOTING_CLASSES) else error.diag.message_primary
    return " ".join(filter(None, [code, message, *about]))


def stack_of(error: BaseException | None) -> str:
    """The error, what it came from, and where: places in the source, described errors, no values."""
    parts: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        parts.append("".join(traceback.format_tb(error.__traceback__)) + describe(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\n".join(reversed(parts))


def hide(text: str) -> str:
    return PERSONAL.sub(HIDDEN, text)


# ----------------------------------------------------------------- lines


def message_of(record: logging.LogRecord) -> str:
    """With errors among its arguments described instead of quoted."""
    message = describe(record.msg) if isinstance(record.msg, BaseException) else str(record.msg)
    arguments = record.args
    if isinstance(arguments, tuple):
        arguments = tuple(describe(one) if isinstance(one, BaseException) else one for one in arguments)
    return hide(message % arguments if arguments else message)


def fields_of(record: logging.LogRecord) -> Fields:
    known = {**bound, **request_fields(), **record.__dict__}
    return {name: known[name] for name in FIELDS if known.get(name) is not None}


def request_fields() -> Fields:
    if not has_request_context() or "request_id" not in g:
        return {}
    return {"request_id": g.request_id, **caller_fields()}


def caller_fields() -> Fields:
    """Whose key this request came with, once that is known."""
    principal = g.get("principal")
    if principal is None:
        return {}
    return show_caller(principal.tenant_id, principal.terminal_id, principal.credential_id)


def show_caller(tenant_id: UUID, terminal_id: UUID | None, credential_id: UUID) -> dict[str, str]:
    shown = {"tenant": ids.show(ids.NETWORK, tenant_id)}
    if terminal_id is not None:
        shown["terminal"] = ids.show(ids.TERMINAL, terminal_id)
    return {**shown, "credential": ids.show(ids.KEY, credential_id)}


def show_moment(seconds: float) -> str:
    """Seconds since 1970 as `2026-11-30T12:00:00.123+00:00`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def json_line(record: logging.LogRecord) -> str:
    line = {
        "time": show_moment(record.created),
        "level": record.levelname,
        "logger": record.name,
        "message": message_of(record),
        **fields_of(record),
    }
    if record.exc_info and record.exc_info[1]:
        line["stack"] = hide(stack_of(record.exc_info[1]))
    return to_json(line)


def text_line(record: logging.LogRecord) -> str:
    # A line that somebody else could begin would be one that somebody else can forge.
    message = CONTROL.sub(" ", message_of(record))
    fields = "".join(f" {name}={value}" for name, value in fields_of(record).items())
    line = f"{show_moment(record.created)} {record.levelname} {record.name}: {message}{fields}"
    if record.exc_info and record.exc_info[1]:
        line += "\n" + hide(stack_of(record.exc_info[1]))
    return line


LINES: dict[str, Callable[[logging.LogRecord], str]] = {JSON: json_line, TEXT: text_line}


class Lines(logging.Handler):
    """Writes each line with one call of the kernel: lines of several processes don't mix."""

    def __init__(self, log_format: str) -> None:
        super().__init__()
        self.log_format = log_format

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = LINES[self.log_format](record)
        except Exception as error:
            # `logging` would print the arguments that did not fit.
            line = to_json(
                {
                    "time": show_moment(record.created),
                    "level": "ERROR",
                    "logger": record.name,
                    "message": f"a line could not be made: {describe(error)}",
                }
            )
        write(line)


def write(line: str) -> None:
    # Nobody can be told when this fails, and no request should fail because of it.
    with suppress(OSError):
        os.write(STANDARD_ERROR, f"{line}\n".encode(errors="backslashreplace"))


# ----------------------------------------------------------------- setting up


def configure(command: str) -> None:
    """Have everything that this process logs come out as lines. Raises `InvalidInput` for a setting that is none."""
    bound["command"] = command
    lines, level = Lines(chosen_format()), chosen_level(command).upper()
    # Kept from a second time, as in a fork: every line once.
    logging.root.handlers[:] = [lines]
    logging.root.setLevel(logging.WARNING)
    for package in OWN_PACKAGES:
        logging.getLogger(package).setLevel(level)
    logging.captureWarnings(True)
    if command in SERVICES:
        sys.excepthook = log_uncaught
        threading.excepthook = lambda found: log_uncaught(found.exc_type, found.exc_value, found.exc_traceback)
        sys.unraisablehook = lambda found: log_uncaught(found.exc_type, found.exc_value, found.exc_traceback)


def chosen_format() -> str:
    """JSON, unless somebody is looking: standard error is a terminal."""
    return choose("CLEARINGHOUSE_LOG", FORMATS, TEXT if os.isatty(STANDARD_ERROR) else JSON)


def chosen_level(command: str) -> str:
    """Commands that people start say what they have to say by themselves."""
    return choose("CLEARINGHOUSE_LOG_LEVEL", LEVELS, "info" if command in SERVICES else "warning")


def choose(variable: str, values: tuple[str, ...], default: str) -> str:
    value = os.environ.get(variable) or default
    if value not in values:
        raise InvalidInput(f"{variable} must be one of {', '.join(values)}, not {value!r}.", code="invalid_setting")
    return value


def format_in_use() -> str | None:
    """None when nobody has called `configure`: nothing but Python's own last resort is set up then."""
    return next((handler.log_format for handler in logging.root.handlers if isinstance(handler, Lines)), None)


def is_read_by_machines() -> bool:
    """Whether what concerns this process as a whole is said in lines, too, instead of to whoever started it."""
    return bound.get("command") in SERVICES and format_in_use() == JSON


def log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return
    logging.getLogger(__name__).critical("an error that nobody expected", exc_info=(kind, error, trace))  # type: ignore[arg-type]
