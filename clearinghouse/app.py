"""The application factory. `cli.py` calls it with settlement's blueprints, which this package may not import."""

from __future__ import annotations

from collections.abc import Sequence

from apiflask import APIBlueprint, APIFlask
from flask_migrate import Migrate
from flask_swagger_ui import get_swaggerui_blueprint

from clearinghouse.directory.web import directory
from clearinghouse.health.web import health
from clearinghouse.ledger.service import Ledger
from clearinghouse.pos.web import pos
from clearinghouse.webhooks.web import webhooks
from tenants.credentials.web import SECURITY_SCHEMES
from tenants.foundation.calls import Calls
from tenants.foundation.config import Settings
from tenants.foundation.database import autocommit_engine, connect_arguments, db, normal_url
from tenants.foundation.web import BODY_BYTES_MAX, register_error_handlers

# Connections of a worker for everything but postings.
POOL_SIZE = 4

DESCRIPTION = """Loyalty points for franchise networks: issued and redeemed in every store, settled every month.

Send `Authorization: Bearer <key>`. Points and money are integers, money in minor units. Errors are RFC 9457
problem documents: act on `code`."""


def create_app(settings: Settings, blueprints: Sequence[APIBlueprint] = ()) -> APIFlask:
    app = APIFlask("clearinghouse", title="Points clearinghouse", version="1", docs_path=None)
    app.config.update(
        SETTINGS=settings,
        OWNER_DATABASE_URL=settings.database_url,
        SQLALCHEMY_DATABASE_URI=normal_url(settings.database_url),
        SQLALCHEMY_ENGINE_OPTIONS={
            "connect_args": connect_arguments(),
            "pool_size": POOL_SIZE,
            "max_overflow": POOL_SIZE,
            "pool_pre_ping": True,
        },
        MAX_CONTENT_LENGTH=BODY_BYTES_MAX,
        OPENAPI_VERSION="3.1.0",
        DESCRIPTION=DESCRIPTION,
        SECURITY_SCHEMES=SECURITY_SCHEMES,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
    )
    db.init_app(app)
    Migrate(app, db)
    calls = Calls(autocommit_engine(settings.database_url))
    app.extensions.update(calls=calls, ledger=Ledger(calls), principals={}, programmes={})
    register_error_handlers(app)
    for blueprint in (pos, directory, webhooks, health, *blueprints):
        app.register_blueprint(blueprint)
    app.register_blueprint(get_swaggerui_blueprint("/docs", "/openapi.json", {"validatorUrl": "none"}))
    return app
