"""Every test runs on a real PostgreSQL and Redis, set up by the real migrations.

`TEST_DATABASE_URL` and `TEST_REDIS_URL` name servers to use; without them the embedded ones run under
`var/test`. Each process of a run makes a PostgreSQL database of its own there, drops it at the end, and takes the
Redis database of its number. Tests keep apart by each using a network of its own.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID, uuid4

import pytest
from apiflask import APIFlask
from click.testing import CliRunner, Result
from flask.testing import FlaskClient
from sqlalchemy import Engine, create_engine, text
from werkzeug.test import TestResponse

from clearinghouse.app import create_app
from clearinghouse.networks.service import open_network
from clearinghouse.networks.setup import set_up_database
from clearinghouse.programme.rules import Terms
from cli import clearinghouse
from settlement.approvals.service import approve
from settlement.blueprints import BLUEPRINTS
from settlement.proposals.service import propose
from settlement.statements.documents import SettlementDocument
from settlement.statements.service import load_settlement
from settlement.windows.service import close_month, find_window
from tenants.credentials.rules import STAFF
from tenants.credentials.service import TERMINAL, create_credential
from tenants.foundation import embedded
from tenants.foundation.config import Settings
from tenants.foundation.database import connect_arguments, normal_url
from tenants.foundation.luhn import check_digit
from tenants.members.service import create_member, issue_card
from tenants.networks.service import NewNetwork
from tenants.staff.rules import APPROVER, PREPARER, Actor
from tenants.staff.service import act_as, create_staff
from tenants.stores.service import create_store
from tenants.terminals.service import create_terminal
from tests.conformity.answers import AnswerChecks

Run = Callable[..., Result]

ROOT = Path(__file__).parent.parent
# Which of the processes that share the run this is: "gw0", "gw1"; empty when there is one only.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
numbers = itertools.count(1)


@pytest.fixture(scope="session")
def settings() -> Iterator[Settings]:
    database_url, redis_url = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_REDIS_URL")
    var = ROOT / "var" / "test"
    if not (database_url and redis_url):
        servers = embedded.start(var, postgres=not database_url, redis=not redis_url)
        database_url, redis_url = database_url or servers.database_url, redis_url or servers.redis_url
    assert database_url and redis_url
    with a_database(database_url) as own_url:
        own = (own_url, own_redis(redis_url, int(WORKER.removeprefix("gw") or 0)), var / WORKER)
        yield Settings(*own, b"only for tests, thirty-two bytes", rate_limit=False)


def own_redis(url: str, number: int) -> str:
    server, _, query = url.partition("?")
    return f"{server}?{urlencode({**dict(parse_qsl(query)), 'db': number})}"


@contextmanager
def a_database(server_url: str) -> Iterator[str]:
    """The URL of a database that is dropped at the end, on the server of `server_url`."""
    name = f"clearinghouse_test_{uuid4().hex[:12]}"
    server = create_engine(normal_url(server_url), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield normal_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        server.dispose()


@pytest.fixture(scope="session")
def app(settings: Settings) -> APIFlask:
    return set_up_app(settings)


def set_up_app(settings: Settings) -> APIFlask:
    """On an empty database; each of its answers is compared with the document."""
    app = create_app(settings, BLUEPRINTS)
    with app.app_context():
        set_up_database()
    app.extensions["answer_checks"] = checks = AnswerChecks(app)
    app.after_request(checks.look_at)
    return app


@pytest.fixture(autouse=True)
def every_answer_conforms(request: pytest.FixtureRequest) -> Iterator[None]:
    """To /openapi.json, whatever a test was asking for."""
    yield
    if "app" in request.fixturenames:
        findings: list[str] = request.getfixturevalue("app").extensions["answer_checks"].findings
        found = list(dict.fromkeys(findings))
        findings.clear()
        if request.node.get_closest_marker("fails_on_purpose"):
            found = [finding for finding in found if " answered 500: " not in finding]
        assert not found, "\n".join(found)


@pytest.fixture
def context(app: APIFlask) -> Iterator[APIFlask]:
    with app.app_context():
        yield app


@dataclass
class Till:
    """A terminal that talks HTTP. Amounts are minor units."""

    client: FlaskClient
    key: str
    store_code: str
    store_id: UUID
    terminal_id: UUID

    def call(self, method: str, path: str, json: Any = None, **headers: str) -> TestResponse:
        sent = {"Authorization": f"Bearer {self.key}", **headers}
        return self.client.open(path, method=method, json=json, headers=sent)

    def post(self, path: str, json: Any, key: str | None = None) -> TestResponse:
        return self.call("POST", path, json, **{"Idempotency-Key": key or str(uuid4())})

    def accrue(self, card: str, amount: int, **fields: Any) -> TestResponse:
        key = fields.pop("key", None)
        body = {"card": card, "order_ref": f"o{next(numbers)}", "amount": amount, **fields}
        return self.post("/v1/accruals", body, key)

    def redeem(self, card: str, points: int, **fields: Any) -> TestResponse:
        key = fields.pop("key", None)
        body = {"card": card, "order_ref": f"o{next(numbers)}", "points": points, **fields}
        return self.post("/v1/redemptions", body, key)

    def reverse(self, transfer_id: str, **fields: Any) -> TestResponse:
        key = fields.pop("key", None)
        return self.post("/v1/reversals", {"transfer_id": transfer_id, **fields}, key)

    def balance(self, card: str) -> dict[str, Any]:
        answer = self.call("GET", f"/v1/cards/{card}")
        assert answer.status_code == 200, answer.json
        return answer.json


@dataclass
class NetworkForTests:
    """A network with stores A, B, C (one till each): 1 point a dollar, 1 point = 1 cent, expiry P6M."""

    app: APIFlask
    tenant_id: UUID
    code: str
    hq_key: str
    tills: dict[str, Till] = field(default_factory=dict)

    def add_till(self, store_code: str) -> Till:
        store = create_store(self.tenant_id, store_code, f"Store {store_code}")
        terminal = create_terminal(self.tenant_id, store_code, "1")
        _, key = create_credential(self.tenant_id, TERMINAL, "till", terminal.terminal_id)
        till = Till(self.app.test_client(), key, store_code, store.store_id, terminal.terminal_id)
        self.tills[store_code] = till
        return till

    def add_card(self) -> str:
        member = create_member(self.tenant_id)
        return issue_card(self.tenant_id, member.member_id, a_card_number()).number

    def person(self, *roles: str) -> Actor:
        """Somebody new with these roles."""
        code = f"{roles[0]}-{next(numbers)}"
        create_staff(self.tenant_id, code, code, roles)
        return act_as(self.tenant_id, code)

    def close(self, month: date) -> None:
        close_month(self.tenant_id, month, "test")

    def propose(self, month: date) -> SettlementDocument:
        """Closed, if it is open, and proposed by somebody new."""
        if find_window(self.tenant_id, month) is None:
            self.close(month)
        propose(self.tenant_id, month, self.person(PREPARER))
        return load_settlement(self.tenant_id, month)

    def settle(self, month: date) -> SettlementDocument:
        """Closed, proposed, and approved by another person."""
        self.propose(month)
        approve(self.tenant_id, month, self.person(APPROVER))
        return load_settlement(self.tenant_id, month)

    def add_staff(self, code: str, *roles: str, participant: str | None = None) -> str:
        """The key of a person who is new."""
        person = create_staff(self.tenant_id, code, f"Person {code}", roles, participant)
        return create_credential(self.tenant_id, STAFF, "test", staff_id=person.staff_id)[1]

    def hq(self, method: str, path: str, json: Any = None) -> TestResponse:
        return self.call(self.hq_key, method, path, json)

    def call(self, key: str, method: str, path: str, json: Any = None) -> TestResponse:
        headers = {"Authorization": f"Bearer {key}"}
        return self.app.test_client().open(path, method=method, json=json, headers=headers)


def a_card_number() -> str:
    digits = f"6290{next(numbers):011d}"
    return digits + check_digit(digits)


@pytest.fixture
def owner(app: APIFlask, settings: Settings) -> Iterator[Engine]:
    """As the database's owner connects, who may change everything."""
    engine = create_engine(normal_url(settings.database_url))
    yield engine
    engine.dispose()


@pytest.fixture
def application(app: APIFlask, settings: Settings) -> Iterator[Engine]:
    """As the application connects."""
    engine = create_engine(normal_url(settings.database_url), connect_args=connect_arguments())
    yield engine
    engine.dispose()


@pytest.fixture
def command_line(context: APIFlask) -> Callable[..., Result]:
    """Runs `clearinghouse` with these words."""
    return lambda *words: CliRunner().invoke(clearinghouse, words, obj=lambda: context)


@pytest.fixture
def run(settings: Settings, network: NetworkForTests) -> Run:
    """Runs `clearinghouse` as a process of its own would, for this network."""
    environment = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CLEARINGHOUSE_VAR": str(settings.var),
        "CLEARINGHOUSE_NETWORK": network.code,
    }
    return lambda *arguments: CliRunner().invoke(clearinghouse, arguments, env=environment)


@pytest.fixture
def run_json(run: Run) -> Callable[..., Any]:
    def run_json(*arguments: str) -> Any:
        result = run(*arguments, "--json")
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.stdout)

    return run_json


@pytest.fixture
def make_network(context: APIFlask) -> Callable[..., NetworkForTests]:
    return partial(new_network, context)


def new_network(app: APIFlask, **overrides: Any) -> NetworkForTests:
    code = f"net-{next(numbers)}-{uuid4().hex[:6]}"
    terms = {"base_rate": Decimal(1), "redemption_value": Decimal(100), "expiry_policy": "P6M"}
    terms |= {term.name: overrides.pop(term.name) for term in fields(Terms) if term.name in overrides}
    directory = {
        "code": code,
        "name": f"Network {code}",
        "time_zone": "UTC",
        "currency": "USD",
        "funding_rate": Decimal(1),
        "redemption_rate": Decimal(1),
        "opened_on": date(2026, 1, 1),
        "days_accepted_late": 2000,
        **overrides,
    }
    tenant_id, hq_key = open_network(NewNetwork(**directory), Terms(**terms))
    return NetworkForTests(app, tenant_id, code, hq_key)


@pytest.fixture
def network(make_network: Callable[..., NetworkForTests]) -> NetworkForTests:
    network = make_network()
    for store_code in "ABC":
        network.add_till(store_code)
    return network


@pytest.fixture
def till(network: NetworkForTests) -> Till:
    return network.tills["A"]


@pytest.fixture
def card(network: NetworkForTests) -> str:
    return network.add_card()
