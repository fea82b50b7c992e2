"""The one error hierarchy: what went wrong, a stable code, and what the reader can do about it.

`http_status` is the only thing an error knows of HTTP; turning an error into a response happens in
`tenants/foundation/web.py`, turning it into a line on the console in `cli.py`.
"""

from __future__ import annotations

from typing import Any


class ClearinghouseError(Exception):
    """A refusal with a stable `code`; `message` is written for whoever has to act on it.

    `details` are JSON values that a program can act on (`points_missing`, `transfer_id`, …).
    """

    http_status = 400
    code = "bad_request"

    def __init__(self, message: str, code: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.details = details


class InvalidInput(ClearinghouseError):
    http_status = 422
    code = "invalid_input"


class Unauthenticated(ClearinghouseError):
    http_status = 401
    code = "unauthenticated"


class Forbidden(ClearinghouseError):
    http_status = 403
    code = "forbidden"


class NotFound(ClearinghouseError):
    http_status = 404
    code = "not_found"


class Conflict(ClearinghouseError):
    """The request is well formed but the present state does not allow it."""

    http_status = 409
    code = "conflict"


class TooManyRequests(ClearinghouseError):
    """Nothing was done; the same request may be sent again after a second."""

    http_status = 429
    code = "rate_limited"


class Unavailable(ClearinghouseError):
    """Nothing was written; the same request may be sent again."""

    http_status = 503
    code = "unavailable"


class IntegrityFailure(ClearinghouseError):
    """The books disagree with themselves. Nothing is published until somebody has looked."""

    http_status = 500
    code = "integrity_failure"
