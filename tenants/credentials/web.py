"""Who is asking: `@authenticated(role, scope=…)` puts the `Principal` into the view's arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from apiflask.scaffold import _annotate
from flask import Response, after_this_request, current_app, g, request

from tenants.audit.rules import named_in
from tenants.audit.service import record_refusal
from tenants.credentials.rules import HQ, SCOPES, STAFF, TERMINAL, limit_of
from tenants.credentials.service import Principal, authenticate, check_scope
from tenants.foundation import acts, ids
from tenants.foundation.acts import Act, acting
from tenants.foundation.errors import Forbidden, TooManyRequests, Unauthenticated
from tenants.foundation.rate_limits import REFUSED, Limit, RateLimiter

View = TypeVar("View", bound=Callable[..., Any])
Scopes = str | tuple[str, ...]

# How OpenAPI documents the kinds of key; checking them is `authenticated`'s work.
SECURITY_SCHEMES = {
    TERMINAL: {"type": "http", "scheme": "bearer", "description": "A terminal's key: starts with pos_"},
    HQ: {"type": "http", "scheme": "bearer", "description": "A head office key: starts with hq_"},
    STAFF: {"type": "http", "scheme": "bearer", "description": "The key of a person who settles: starts with stf_"},
}


def authenticated(*roles: str, scope: Scopes | Mapping[str, Scopes] = ()) -> Callable[[View], View]:
    """Only keys of these roles with this scope; of several scopes, any one is enough.

    A role is asked for those that it has at all: with (SETTLEMENT, PREPARE) head office for the one, people for the
    other. Where that says too little, `scope` is given by role: {HQ: SETTLEMENT, STAFF: READ}.
    """
    scopes = {role: scopes_asked_of(role, scope) for role in roles}
    assert not scope or all(scopes.values()), scopes

    def decorate(view: View) -> View:
        @wraps(view)
        def with_principal(*args: Any, **kwargs: Any) -> Any:
            g.principal = principal = authenticate(bearer_key())
            count_request(principal)
            with acting(act_of(principal)):
                try:
                    if principal.role not in roles:
                        raise Forbidden(f"This call needs a key of {' or '.join(roles)}.", code="wrong_kind_of_key")
                    check_scope(principal, *scopes[principal.role])
                    return view(*args, principal=principal, **kwargs)
                except Forbidden as error:
                    record_refusal(principal.tenant_id, error.code)
                    raise

        _annotate(with_principal, security=security_of(scopes))
        return with_principal  # type: ignore[return-value]

    return decorate


def act_of(principal: Principal) -> Act | None:
    """What the audit log says of this request; None of a till's, which is in the ledger."""
    if principal.role == TERMINAL:
        return None
    key = ids.show(ids.KEY, principal.credential_id)
    is_person = principal.staff_code is not None
    return Act(
        kind=acts.STAFF if is_person else acts.KEY,
        actor=principal.staff_code or key,
        via=key if is_person else None,
        action=f"{request.method} {request.url_rule}",
        subject=named_in(request.view_args or {}),
        request_id=g.get("request_id"),
        content=b"" if request.method in ("GET", "HEAD") else request.get_data(),
    )


def scopes_asked_of(role: str, scope: Scopes | Mapping[str, Scopes]) -> tuple[str, ...]:
    asked = scope[role] if isinstance(scope, Mapping) else scope
    return tuple(name for name in ((asked,) if isinstance(asked, str) else asked) if name in SCOPES[role])


def security_of(scopes: Mapping[str, tuple[str, ...]]) -> list[dict[str, list[str]]]:
    """As OpenAPI says it: one requirement for each scope that is enough."""
    return [
        requirement
        for role, names in scopes.items()
        for requirement in ([{role: [name]} for name in names] or [{role: []}])
    ]


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
        # The server closes a line on which it has left something unread.
        request.get_data(cache=False)
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
