"""The application factory. `cli.py` calls it with settlement's blueprints, which this package may not import."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from apiflask import APIBlueprint, APIFlask

from clearinghouse.audit.web import audit
from clearinghouse.bank_accounts.web import bank_accounts
from clearinghouse.cards.web import cards
from clearinghouse.dayclose.web import day_closes
from clearinghouse.directory.web import directory
from clearinghouse.documentation.web import documentation
from clearinghouse.erasure.web import erasure
from clearinghouse.health.web import health
from clearinghouse.holds.web import holds
from clearinghouse.ledger.service import Ledger
from clearinghouse.members.web import members
from clearinghouse.merges.web import merges
from clearinghouse.pos.web import pos
from clearinghouse.programme.service import trusted_versions
from clearinghouse.quotes.web import quotes
from clearinghouse.sequences.web import sequences
from clearinghouse.staff.web import staff
from clearinghouse.verification.web import verification
from clearinghouse.webhooks.web import webhooks
from tenants.credentials.service import trusted_principals
from tenants.credentials.web import SECURITY_SCHEMES
from tenants.foundation.calls import Calls
from tenants.foundation.config import Settings
from tenants.foundation.database import autocommit_engine, connect_arguments, db, normal_url
from tenants.foundation.openapi import OptionalFields, complete_document
from tenants.foundation.rate_limits import RateLimiter
from tenants.foundation.requests import register_requests
from tenants.foundation.security_headers import SecurityHeaders
from tenants.foundation.web import (
    BODY_BYTES_MAX,
    WholeResponse,
    refuse_payment_cards_outside_the_body,
    register_error_handlers,
)

TILL_FACE = (pos, quotes, holds, sequences, day_closes)
HEAD_OFFICE_FACE = (
    *(directory, members, erasure, staff, bank_accounts, cards, merges),
    *(verification, webhooks, audit),
)

# Connections of a worker for everything but postings.
POOL_SIZE = 4

DESCRIPTION = """Loyalty points for franchise networks: issued and redeemed in every store, settled every month.

Send `Authorization: Bearer <key>`. A key has scopes; the security of each call names those that allow it, of which
one is enough. `RateLimit` tells how many requests the key may send now; one too many is answered 429 and does
nothing: send it again after `Retry-After` seconds. Points and money are integers, money in minor units. Errors are
RFC 9457 problem documents: act on `code`. Every answer has an `X-Request-Id`: yours, if you send one of 1 to 64
letters, digits, dots, dashes and underscores."""


class Application(APIFlask):
    response_class = WholeResponse

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """As it is: Flask would look seven times a request whether something is asynchronous, which nothing is."""
        return func


def create_app(settings: Settings, blueprints: Sequence[APIBlueprint] = ()) -> APIFlask:
    app = Application(
        "clearinghouse", title="Points clearinghouse", version="1", docs_path=None, spec_plugins=[OptionalFields()]
    )
    app.config.update(
        SETTINGS=settings,
        OWNER_DATABASE_URL=settings.database_url,
        SQLALCHEMY_DATABASE_URI=normal_url(settings.database_url),
        SQLALCHEMY_ENGINE_OPTIONS={
            "connect_args": connect_arguments(),
            "pool_size": POOL_SIZE,
            "max_overflow": POOL_SIZE,
            "pool_pre_ping": True,
            # Errors repeat them otherwise, names of members among them, wherever they are printed.
            "hide_parameters": True,
        },
        MAX_CONTENT_LENGTH=BODY_BYTES_MAX,
        OPENAPI_VERSION="3.1.0",
        DESCRIPTION=DESCRIPTION,
        SECURITY_SCHEMES=SECURITY_SCHEMES,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_404_RESPONSE=False,
        AUTO_SERVERS=False,
    )
    app.spec_processor(partial(complete_document, app))
    db.init_app(app)
    calls = Calls(autocommit_engine(settings.database_url))
    app.extensions.update(
        calls=calls,
        ledger=Ledger(calls),
        principals=trusted_principals(),
        programmes=trusted_versions(),
        refusals_entered={},
    )
    app.extensions["rate_limiter"] = RateLimiter(settings.redis_url) if settings.rate_limit else None
    # A path is right or it is unknown; a redirection would name whatever host the request has named.
    app.url_map.merge_slashes = False
    register_error_handlers(app)
    register_requests(app)
    app.before_request(refuse_payment_cards_outside_the_body)
    for blueprint in (*TILL_FACE, *HEAD_OFFICE_FACE, health, documentation, *blueprints):
        app.register_blueprint(blueprint)
    app.wsgi_app = SecurityHeaders(app.wsgi_app, settings.public_url)  # type: ignore[method-assign]
    return app
