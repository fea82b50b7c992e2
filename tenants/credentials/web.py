"""Who is asking: `@authenticated(role, scope=…)` puts the `Principal` into the view's arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from apiflask.scaffold import _annotate
from flask import Response, after_this_request, current_app, request

from tenants.credentials.rules import HQ, SCOPES, TERMINAL, limit_of
from tenants.credentials.service import Principal, authenticate, check_scope
from tenants.foundation.errors import Forbidden, TooManyRequests, Unauthenticated
from tenants.foundation.rate_limits import REFUSED, Limit, RateLimiter

View = TypeVar("View", bound=Callable[..., Any])

# How OpenAPI documents the two kinds of key; checking them is `authenticated`'s work.
SECURITY_SCHEMES = {
    TERMINAL: {"type": "http", "scheme": "bearer", "description": "A terminal's key: starts with pos_"},
    HQ: {"type": "http", "scheme": "bearer", "description": "A head office key: starts with hq_"},
}


def authenticated(*roles: str, scope: str | tuple[str, ...] = ()) -> Callable[[View], View]:
    """Only keys of these roles with this scope; of several scopes, any one is enough."""
    scopes = (scope,) if isinstance(scope, str) else scope
    requirements = [{role: [name]} for role in roles for name in scopes if name in SCOPES[role]]
    assert not scopes or {role for requirement in requirements for role in requirement} == set(roles)

    def decorate(view: View) -> View:
        @wraps(view)
        def with_principal(*args: Any, **kwargs: Any) -> Any:
            principal = authenticate(bearer_key())
            count_request(principal)
            if principal.role not in roles:
                raise Forbidden(f"This call needs a key of {' or '.join(roles)}.", code="wrong_kind_of_key")
            check_scope(principal, *scopes)
            return view(*args, principal=principal, **kwargs)

        _annotate(with_principal, security=requirements or [{role: []} for role in roles])
        return with_principal  # type: ignore[return-value]

    return decorate


def bearer_key() -> str:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise Unauthenticated("Send the header `Authorization: Bearer <key>`.")
    return key.strip()


def count_request(principal: Principal) -> None:
    """Raises `TooManyRequests`; has the answer, whatever it will be, tell how many more requests may follow."""
    limiter: RateLimiter | None = current_app.extensions["rate_limiter"]
    if limiter is None:
        return
    limit = limit_of(principal.role, principal.rate_limit)
    left = limiter.take(principal.credential_id.hex, limit)

    @after_this_request
    def add_headers(response: Response) -> Response:
        response.headers.extend(rate_limit_headers(limit, left))
        return response

    if left == REFUSED:
        raise TooManyRequests(
            f"Too many requests: this key may send {limit.quota // limit.window_seconds} a second; nothing was done. "
            "Send the same request again after the seconds in Retry-After."
        )


def rate_limit_headers(limit: Limit, left: int | None) -> dict[str, str]:
    """As draft-ietf-httpapi-ratelimit-headers-10 has them; without `RateLimit` when nobody has counted.

    `t` is when there is more: a bucket gains a request in a second or less, whatever its rate.
    """
    headers = {"RateLimit-Policy": f'"default";q={limit.quota};w={limit.window_seconds}'}
    if left is not None:
        headers["RateLimit"] = f'"default";r={max(left, 0)};t=1'
    return headers
