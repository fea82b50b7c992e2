"""Who is asking: `@authenticated(role)` puts the `Principal` into the view's arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from apiflask.scaffold import _annotate
from flask import request

from tenants.credentials.service import HQ, TERMINAL, Principal, authenticate
from tenants.foundation.errors import Forbidden, Unauthenticated

View = TypeVar("View", bound=Callable[..., Any])

# How OpenAPI documents the two kinds of key; checking them is `authenticated`'s work.
SECURITY_SCHEMES = {
    TERMINAL: {"type": "http", "scheme": "bearer", "description": "A terminal's key: starts with pos_"},
    HQ: {"type": "http", "scheme": "bearer", "description": "A head office key: starts with hq_"},
}


def authenticated(*roles: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def with_principal(*args: Any, **kwargs: Any) -> Any:
            principal: Principal = authenticate(bearer_key())
            if principal.role not in roles:
                raise Forbidden(f"This call needs a key of {' or '.join(roles)}.", code="wrong_kind_of_key")
            return view(*args, principal=principal, **kwargs)

        _annotate(with_principal, security=[{role: []} for role in roles])
        return with_principal  # type: ignore[return-value]

    return decorate


def bearer_key() -> str:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise Unauthenticated("Send the header `Authorization: Bearer <key>`.")
    return key.strip()
