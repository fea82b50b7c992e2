"""The stranger walks every route: keys of every other kind, with every id of a network that is not theirs.

What a stranger is answered does not depend on whether the id exists, and nothing changes.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from apiflask import APIFlask
from sqlalchemy import Connection, Engine, create_engine, text
from werkzeug.test import TestResponse

from tenants.credentials.rules import HQ
from tenants.credentials.service import PREFIXES, create_credential, revoke_credential
from tenants.foundation import ids
from tenants.foundation.config import Settings
from tenants.foundation.database import normal_url
from tenants.foundation.luhn import check_digit
from tenants.staff.rules import OWNER, ROLES
from tests.conformity.world import make_world
from tests.conftest import NetworkForTests, new_network
from tests.security.operations import Operation, operations

IDS = {
    "rate_id": ids.RATE,
    "fee_id": ids.FEE,
    "hold_id": ids.HOLD,
    "transfer_id": ids.TRANSFER,
    "member_id": ids.MEMBER,
    "into": ids.MEMBER,
    "key_id": ids.KEY,
    "terminal_id": ids.TERMINAL,
    "webhook_id": ids.WEBHOOK,
    "delivery_id": ids.DELIVERY,
    "batch_id": ids.CARD_BATCH,
    "file_id": ids.PAYMENT_FILE,
    "leg_id": ids.LEG,
    "dispute_id": ids.DISPUTE,
}
NOBODYS_CARD = "99000000" + check_digit("99000000")
# For every name that names something of a network: what is nobody's.
NOBODYS: dict[str, Any] = {
    **{name: ids.show(prefix, UUID("0190a5a5-0000-7000-8000-000000000001")) for name, prefix in IDS.items()},
    **dict.fromkeys(("number", "card"), NOBODYS_CARD),
    **dict.fromkeys(("code", "store", "participant", "payer"), "nowhere"),
    **dict.fromkeys(("token", "payment_token"), "tok_of_no_card"),
    "staff": "nobody",
    "line": "nowhere|nowhere",
}
# What says nothing about whom it belongs to.
SAME = {"month": "2026-01", "name": "settlement.xlsx", "business_date": "2026-01-10", "payee": "HQ"}
SAME["url"] = "https://1.1.1.1/"

DIGEST = """
    SELECT '{table}', count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t WHERE tenant_id = :t
"""

WITH_KEY = [operation for operation in operations() if not operation.is_public]


@dataclass
class Attacked:
    """A network with something of everything; `values` has one that exists for each name of NOBODYS."""

    network: NetworkForTests
    staff_keys: tuple[str, str]
    values: Mapping[str, Any]
    engine: Engine
    untouched: dict[str, tuple[int, str]] = field(default_factory=dict)

    def digest(self) -> dict[str, tuple[int, str]]:
        """Of each table: how many rows the network has, and a hash of them."""
        with self.engine.connect() as connection:
            query = " UNION ALL ".join(DIGEST.format(table=table) for table in tables_of_networks(connection))
            rows = connection.execute(text(query), {"t": self.network.tenant_id})
            return {table: (count, digest) for table, count, digest in rows}


def tables_of_networks(connection: Connection) -> list[str]:
    query = """
        SELECT format('%I.%I', table_schema, table_name)
        FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
        WHERE column_name = 'tenant_id' AND table_type = 'BASE TABLE' AND table_name !~ '_[0-9]{4}_[0-9]{2}$'
    """
    found = list(connection.scalars(text(query)))
    assert len(found) > 30
    return found


@pytest.fixture(scope="module")
def attacked(app: APIFlask, settings: Settings) -> Iterator[Attacked]:
    with app.app_context():
        world = make_world(app)
    engine = create_engine(normal_url(settings.database_url))
    values = {name: world.known[name][0] for name in NOBODYS if name in world.known}
    yield Attacked(world.network, world.staff_keys, {**values, **SAME}, engine)
    engine.dispose()


@pytest.fixture(scope="module")
def keys(app: APIFlask, attacked: Attacked) -> dict[str, str | None]:
    """By who has it: nobody, somebody of another network with all that a key can have there, or somebody gone."""
    with app.app_context():
        stranger = new_network(app)
        till = stranger.add_till("S")
        people = {role: stranger.add_staff(f"{role}-s", role) for role in ROLES if role != OWNER}
        people[OWNER] = stranger.add_staff("owner-s", OWNER, participant="S")
        revoked, revoked_key = create_credential(attacked.network.tenant_id, HQ, "gone")
        revoke_credential(attacked.network.tenant_id, revoked.credential_id)
    attacked.untouched = attacked.digest()
    tenant = attacked.network.tenant_id.bytes
    return {
        "no key": None,
        "no key of ours": "sk_live_4711",
        "a made-up key of the network": PREFIXES[HQ] + base64.urlsafe_b64encode(tenant + os.urandom(32)).decode(),
        "a revoked key": revoked_key,
        "another network's till": till.key,
        "another network's head office": stranger.hq_key,
        **{f"another network's {role}": key for role, key in people.items()},
    }


def ask(app: APIFlask, operation: Operation, key: str | None, values: Mapping[str, Any]) -> TestResponse:
    """Under an idempotency key of its own, as what was done before would be answered as before."""
    if operation.path.startswith("/v1/staff/"):
        values = {**values, "code": values["staff"]}
    # One id for all requests, as every answer that refuses repeats it.
    headers = {"Idempotency-Key": os.urandom(8).hex(), "X-Request-Id": "stranger"} | (
        {"Authorization": f"Bearer {key}"} if key else {}
    )
    options: dict[str, Any] = {"json": body_of(operation, values)} if operation.body_schema is not None else {}
    query = {name: values[name] for name in operation.names("query") if name in NOBODYS and name in values}
    return app.test_client().open(
        operation.url(values, query), method=operation.method.upper(), headers=headers, buffered=True, **options
    )


def body_of(operation: Operation, values: Mapping[str, Any]) -> Any:
    """What is made gets a code of its own, and no name of what there is."""
    return operation.body({name: value for name, value in values.items() if name not in ("code", "name")})


def names_something(operation: Operation) -> bool:
    in_body = {*(body_of(operation, {}) or {})} - {"code"}
    return not in_body.union(operation.names("path"), operation.names("query")).isdisjoint(NOBODYS)


def without(values: Mapping[str, Any], answer: TestResponse) -> str:
    """The answer without what was asked for, which it may repeat."""
    said = answer.get_data(as_text=True)
    for value in sorted(map(str, values.values()), key=len, reverse=True):
        said = said.replace(f"'{value}'", "…") if len(value) < 8 else said.replace(value, "…")
    return said


@pytest.mark.parametrize("operation", WITH_KEY, ids=str)
def test_a_stranger_learns_nothing_and_changes_nothing(
    app: APIFlask, attacked: Attacked, keys: dict[str, str | None], operation: Operation
) -> None:
    named = {name: value for name, value in attacked.values.items() if name in NOBODYS}
    answers = {}

    for who, key in keys.items():
        theirs = ask(app, operation, key, attacked.values)
        nobodys = ask(app, operation, key, {**attacked.values, **NOBODYS})
        answers[who] = theirs, nobodys

    for who, (theirs, nobodys) in answers.items():
        assert max(theirs.status_code, nobodys.status_code) < 500, (who, theirs.data, nobodys.data)
        if not who.startswith("another network's"):
            assert theirs.status_code == 401, who
        # What names nothing a stranger may do in the network of his own.
        if names_something(operation):
            said = without(named, theirs), without(NOBODYS, nobodys)
            assert (theirs.status_code, said[0]) == (nobodys.status_code, said[1]), who
        if not NOBODYS.keys().isdisjoint(operation.names("path")):
            assert theirs.status_code in (401, 403, 404, 422), (who, theirs.data)
    assert attacked.digest() == attacked.untouched


@pytest.mark.parametrize("operation", [each for each in WITH_KEY if each.method == "get"], ids=str)
def test_what_strangers_asked_for_is_there(app: APIFlask, attacked: Attacked, operation: Operation) -> None:
    """Otherwise nothing would have been tried."""
    head_office, owner = attacked.staff_keys
    keys = [attacked.network.hq_key, attacked.network.tills["A"].key, head_office, owner]

    statuses = [ask(app, operation, key, attacked.values).status_code for key in keys]

    # A valuation asks for months of history, which this network has not; and nobody has been erased.
    assert 200 in statuses or "/valuations/" in operation.path or operation.path.endswith("/erasure"), statuses
