"""What Schemathesis makes up from /openapi.json, right and wrong, is answered as the document says.

`CONFORMITY_EXAMPLES=1000` looks longer, and elsewhere each time.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from apiflask import APIFlask
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from werkzeug.test import Client, TestResponse

from clearinghouse.app import create_app
from settlement.blueprints import BLUEPRINTS
from tenants.foundation.config import Settings
from tests.conformity.world import World, make_world

EXAMPLES = os.environ.get("CONFORMITY_EXAMPLES")
# An operation's; Schemathesis adds each field's limits, and what lies beyond them.
EXAMPLES_MAX = int(EXAMPLES or 10)

# Not `positive_data_acceptance`: a schema can't say that a day lies in the past, or lines add up.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    missing_required_header,
    unsupported_method,
    allow_header_conformance,
]

# Nothing is asked of a database for the document, so that it can be read before there is one.
nowhere = Settings("postgresql://nowhere/", "redis://nowhere/", Path("nowhere"), bytes(32), rate_limit=False)
generation = {"max-examples": EXAMPLES_MAX, "with-security-parameters": False}
# A body that is wrong may be so large that nobody reads it.
rejected = {"expected-statuses": ["400", "401", "403", "404", "405", "409", "413", "422"]}
config = schemathesis.Config.from_dict({"generation": generation, "checks": {"negative_data_rejection": rejected}})
schema = schemathesis.openapi.from_wsgi("/openapi.json", create_app(nowhere, BLUEPRINTS), config=config)


class ReadingClient(Client):
    """Reads answers at once, so that files which are sent are closed."""

    def open(self, *args: Any, **options: Any) -> TestResponse:
        return super().open(*args, **{**options, "buffered": True})


@pytest.fixture
def world(app: APIFlask) -> World:
    with app.app_context():
        return make_world(app)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES_MAX,
    deadline=None,
    database=None,
    derandomize=EXAMPLES is None,
    # The requests of one operation share a world, and how long they take says nothing of the examples.
    suppress_health_check=list(HealthCheck),
)
def test_every_operation_answers_as_it_is_documented(case: Case, app: APIFlask, world: World) -> None:
    world.fill_in(case)

    case.call_and_validate(session=ReadingClient(app), headers=world.headers(case), checks=CHECKS)
