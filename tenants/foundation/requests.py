"""What is kept of every request: its id, one line of the log, and how long it took.

`flask.g.request_id` names it: in the answer's header, in the log, and in every problem document.
"""

from __future__ import annotations

import logging
import os
import re
import time
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from apiflask import APIFlask
from flask import Response, g, request

from tenants.foundation import logs
from tenants.foundation.afterwards import afterwards
from tenants.foundation.metrics import count_request
from tenants.foundation.openapi import path_of
from tenants.foundation.payment_cards import holds_payment_card

log = logging.getLogger(__name__)

HEADER = "X-Request-Id"
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Whoever sends something else is counted and logged under one name, so that nobody can make names up.
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
OTHER_METHOD = "OTHER"
NO_ROUTE = "(none)"


class Answered(NamedTuple):
    """A request that has its answer. `caller`: ids of network, terminal and key; `code`: of the refusal."""

    request_id: str
    caller: tuple[UUID, UUID | None, UUID] | None
    method: str
    route: str
    status: int
    code: str | None
    seconds: float

    def fields(self) -> dict[str, Any]:
        """As a line of the log says them."""
        shown = {name: getattr(self, name) for name in ("request_id", "method", "route", "status", "code")}
        caller = logs.show_caller(*self.caller) if self.caller else {}
        return {**shown, **caller, "duration_ms": round(self.seconds * 1000, 3)}


def register_requests(app: APIFlask) -> None:
    """Before all others: the first to begin with a request is the last to see its answer."""
    app.before_request(begin_request)
    app.after_request(end_request)
    # Flask's own would write the path, which holds numbers of cards.
    app.log_exception = log_late_failure  # type: ignore[method-assign, assignment]


def log_late_failure(info: logs.ErrorInfo) -> None:
    log.error("a request failed beside its view", exc_info=info)  # type: ignore[arg-type]


def begin_request() -> None:
    # The things themselves: each use of Flask's stand-ins takes a microsecond.
    kept = g._get_current_object()
    kept.began = time.perf_counter()
    kept.request_id = request_id_of(request.environ.get("HTTP_X_REQUEST_ID"))
    # Known later, if at all: by `authenticated`, and by `problem`.
    kept.principal = kept.refusal = None


def request_id_of(sent: str | None) -> str:
    """The caller's own, if it is 1 to 64 of letters, digits, dots, dashes and underscores; else one is made.

    What looks like the number of a payment card is not taken either, as it must not be logged.
    """
    if sent and REQUEST_ID.fullmatch(sent) and not holds_payment_card(sent):
        return sent
    return os.urandom(8).hex()


def end_request(response: Response) -> Response:
    kept, asked = g._get_current_object(), request._get_current_object()  # type: ignore[attr-defined]
    seconds = time.perf_counter() - kept.began
    response.headers.add(HEADER, kept.request_id)
    method = asked.method if asked.method in METHODS else OTHER_METHOD
    route = path_of(asked.url_rule) if asked.url_rule else NO_ROUTE
    asking = kept.principal
    caller = (asking.tenant_id, asking.terminal_id, asking.credential_id) if asking else None
    answered = Answered(kept.request_id, caller, method, route, response.status_code, kept.refusal, seconds)
    afterwards(record, time.time(), answered)
    return response


def record(ended: float, answered: Answered) -> None:
    """Count a request and write its line. `ended` is in seconds since 1970."""
    count_request(answered.method, answered.route, answered.status, answered.seconds, answered.code)
    level = logging.ERROR if answered.status >= 500 else logging.INFO
    if not log.isEnabledFor(level):
        return
    if logs.format_in_use() == logs.JSON:
        logs.write(request_line(ended, level, answered))
    else:
        log.log(level, "request", extra=answered.fields())


def request_line(ended: float, level: int, answered: Answered) -> str:
    """As `logs.json_line` would make it, in an eighth of the time: there is one for every request.

    Nothing needs escaping, as ids, templates and codes are ours, and the id of the request has been checked.
    """
    method, route, status = answered.method, answered.route, answered.status
    caller = caller_in_json(*answered.caller) if answered.caller else ""
    refused = f'"code":"{answered.code}",' if answered.code else ""
    return (
        f'{{"time":"{logs.show_moment(ended)}","level":"{logging.getLevelName(level)}","logger":"{__name__}",'
        f'"message":"{method} {route} {status}","command":"{logs.bound["command"]}",'
        f'"request_id":"{answered.request_id}",{caller}"method":"{method}","route":"{route}","status":{status},'
        f'{refused}"duration_ms":{answered.seconds * 1000:.3f}}}'
    )


@lru_cache(4096)
def caller_in_json(tenant_id: UUID, terminal_id: UUID | None, credential_id: UUID) -> str:
    shown = logs.show_caller(tenant_id, terminal_id, credential_id)
    return "".join([f'"{name}":"{value}",' for name, value in shown.items()])
