"""SQL in every field, part of a path, parameter and header is a text like any other.

Each payload would draw a number from a sequence if it ran, and a number that was drawn stays drawn, whatever becomes
of the transaction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from apiflask import APIFlask
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DataError
from werkzeug.test import TestResponse

from tenants.foundation.config import Settings
from tenants.foundation.database import normal_url
from tests.conformity.world import World, make_world
from tests.conftest import NetworkForTests, Till
from tests.security.operations import Operation, operations, put, strings_in

DRAW = "nextval('public.drawn')"
PAYLOADS = [
    f"' || {DRAW} || '",
    f"'; SELECT {DRAW}; --",
    f"x' OR {DRAW} > 0 --",
    f'x" OR {DRAW} > 0 --',
    f"1 OR {DRAW} > 0",
    f"$$; SELECT {DRAW}; $$",
    f"\\'; SELECT {DRAW}; --",
    f"%(x)s {{x}} :x $1 {DRAW} ${{jndi:ldap://x}}",
]
HEADERS = ("Authorization", "Idempotency-Key", "X-Request-Id", "Accept-Language", "User-Agent", "Content-Type")
TRACES = re.compile(r"Traceback|psycopg2|sqlalchemy|syntax error|\.py\b", re.IGNORECASE)

EVENTS = {
    "accrual": "/v1/accruals",
    "redemption": "/v1/redemptions",
    "reversal": "/v1/reversals",
    "hold": "/v1/holds",
}


@pytest.fixture(scope="module")
def owner(app: APIFlask, settings: Settings) -> Iterator[Engine]:
    engine = create_engine(normal_url(settings.database_url), isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


@pytest.fixture(scope="module", autouse=True)
def sequence(owner: Engine) -> Iterator[None]:
    with owner.connect() as connection:
        connection.execute(text("CREATE SEQUENCE public.drawn"))
        connection.execute(text("GRANT USAGE ON SEQUENCE public.drawn TO PUBLIC"))
    yield
    with owner.connect() as connection:
        connection.execute(text("DROP SEQUENCE public.drawn"))


@pytest.fixture(autouse=True)
def nothing_ran(owner: Engine, sequence: None) -> Iterator[None]:
    yield
    with owner.connect() as connection:
        assert connection.scalar(text("SELECT is_called FROM public.drawn")) is False


@pytest.fixture(scope="module")
def world(app: APIFlask) -> World:
    with app.app_context():
        return make_world(app)


class Asking:
    """Requests to one operation with a key that may do it."""

    def __init__(self, app: APIFlask, world: World, operation: Operation) -> None:
        self.app, self.operation = app, operation
        self.values = {name: known[0] for name, known in world.known.items()}
        self.body = operation.body(self.values)
        head_office, owner = world.staff_keys
        keys = {"hq": world.network.hq_key, "terminal": world.network.tills["A"].key, "staff": head_office}
        is_owners = any(scopes == ["own"] for each in operation.raw.get("security", ()) for scopes in each.values())
        self.key = owner if is_owners else next((keys[role] for role in keys if role in operation.roles), None)
        self.count = 0

    def ask(
        self, path: dict[str, Any] | None = None, query: dict[str, Any] | None = None, body: Any = None, **more: str
    ) -> TestResponse:
        self.count += 1
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": f"{id(self)}-{self.count}", **more}
        body = self.body if body is None else body
        return self.app.test_client().open(
            self.operation.url({**self.values, **(path or {})}, query),
            method=self.operation.method.upper(),
            headers=headers,
            buffered=True,
            **({} if body is None else {"json": body}),
        )


def check(answer: TestResponse, payload: str) -> None:
    assert answer.status_code < 500, (payload, answer.data[:300])
    # What it repeats of the payload is not what is looked for.
    assert not TRACES.search(answer.text.replace(payload, "")), answer.text[:500]
    if answer.status_code >= 400 and "html" not in answer.mimetype:
        assert answer.mimetype == "application/problem+json"


def test_the_payloads_draw_numbers_when_they_are_run(owner: Engine) -> None:
    """In a transaction that fails as well; the sequence is put back."""
    with owner.connect() as connection:
        for payload in PAYLOADS[:2]:
            with pytest.raises(DataError, match="division by zero"):
                connection.exec_driver_sql(f"SELECT '{payload}';\nSELECT 1/0")
        assert connection.scalar(text("SELECT last_value FROM public.drawn")) == 2
        connection.execute(text("ALTER SEQUENCE public.drawn RESTART"))


@pytest.mark.parametrize("operation", [each for each in operations() if each.names("path")], ids=str)
def test_sql_in_a_path_names_nothing(app: APIFlask, world: World, operation: Operation) -> None:
    asking = Asking(app, world, operation)
    for name in operation.names("path"):
        for payload in PAYLOADS:
            answer = asking.ask(path={name: payload})

            check(answer, payload)
            assert answer.status_code in (404, 422), (name, payload, answer.data)


@pytest.mark.parametrize("operation", [each for each in operations() if each.names("query")], ids=str)
def test_sql_in_a_query_finds_nothing(app: APIFlask, world: World, operation: Operation) -> None:
    asking = Asking(app, world, operation)
    for name in operation.names("query"):
        for payload in PAYLOADS:
            check(asking.ask(query={name: payload}), payload)


@pytest.mark.parametrize("operation", [each for each in operations() if each.body_schema is not None], ids=str)
def test_sql_in_a_field_is_kept_as_it_is_or_refused(app: APIFlask, world: World, operation: Operation) -> None:
    assert operation.body_schema is not None
    asking = Asking(app, world, operation)
    for field in strings_in(operation.body_schema):
        for payload in PAYLOADS:
            answer = asking.ask(body=put(asking.body, field, payload))

            check(answer, payload)
            # Of a dispute that is decided, `reason` is why it was opened.
            if answer.status_code < 300 and field[0] in answer.json:
                assert payload in answer.json.values(), field


@pytest.mark.parametrize("kind", EVENTS)
def test_sql_in_an_event_of_a_batch_is_kept_as_it_is_or_refused(app: APIFlask, world: World, kind: str) -> None:
    single = Operation("post", EVENTS[kind])
    asking = Asking(app, world, Operation("post", "/v1/batches"))
    assert single.body_schema is not None
    base = {"kind": kind, "idempotency_key": f"base-{kind}", **(single.body(asking.values) or {})}
    fields = [*strings_in(single.body_schema), ("kind",), ("idempotency_key",)]
    cases = [(field, payload) for field in fields for payload in PAYLOADS]
    events = [
        put({**base, "idempotency_key": f"{kind}-{number}"}, field, payload)
        for number, (field, payload) in enumerate(cases)
    ]

    answer = asking.ask(body={"events": events})

    assert answer.status_code == 200, answer.json
    assert len(answer.json["results"]) == len(cases) >= 30
    assert {result["outcome"] for result in answer.json["results"]} <= {"posted", "refused"}
    assert not TRACES.search(re.sub(r"nextval\('public.drawn'\)", "", answer.text))


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("path", ["/v1/accruals", "/v1/members", "/v1/settlement/windows"])
def test_sql_in_a_header_is_a_text(app: APIFlask, world: World, path: str, name: str) -> None:
    method = "post" if path == "/v1/accruals" else "get"
    asking = Asking(app, world, Operation(method, path))
    for payload in PAYLOADS:
        check(asking.ask(**{name: payload}), payload)
        check(asking.ask(**{name: f"Bearer {payload}"}), payload)


def test_what_is_kept_comes_back_letter_by_letter(network: NetworkForTests, till: Till, card: str) -> None:
    hq = network.hq
    for number, payload in enumerate(PAYLOADS):
        made = hq("POST", "/v1/participants", {"code": f"p{number}", "name": payload})
        member = hq("POST", "/v1/members", {"name": payload, "reference": payload[:64]})
        posted = till.accrue(card, 100, order_ref=payload[:64])

        assert (made.status_code, member.status_code, posted.status_code) == (201, 201, 201)
        listed = {each["code"]: each for each in hq("GET", "/v1/participants").json["participants"]}
        assert listed[f"p{number}"]["name"] == payload
        assert hq("GET", f"/v1/members/{member.json['member_id']}").json["name"] == payload
        transfers = till.call("GET", f"/v1/transfers?order_ref={quote(payload[:64])}")
        assert [each["order_ref"] for each in transfers.json["transfers"]] == [payload[:64]]


def test_there_are_fields_to_try() -> None:
    fields = [field for each in operations() if each.body_schema for field in strings_in(each.body_schema)]

    assert len(fields) > 100
    assert any("[]" in field for field in fields)
