"""What every benchmark stands on: servers of its own under var/bench, and networks in them.

The ids of a network's stores, members and cards follow from their numbers, so that pgbench, which knows only
random numbers, can name them.
"""

from __future__ import annotations

import base64
import os
import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from apiflask import APIFlask
from sqlalchemy import Engine, create_engine, text

from clearinghouse.app import create_app
from clearinghouse.networks.service import open_network
from clearinghouse.networks.setup import set_up_database
from clearinghouse.programme.rules import Terms
from tenants.credentials import rules
from tenants.credentials.service import hash_key
from tenants.foundation import embedded
from tenants.foundation.config import Settings
from tenants.foundation.database import normal_url
from tenants.foundation.luhn import check_digit
from tenants.networks.service import NewNetwork

VAR = Path("var", "bench").resolve()
# Scripts and purchases that the benchmarks write.
FILES = VAR / "files"

# Three digits each, so that a random number needs no padding.
STORE_NUMBERS = range(100, 300)
MEMBERS = 100_000
# Before a member's five digits; the check digit comes after them.
CARD_PREFIX = "62900000"

PARTICIPANT, STORE, TERMINAL, MEMBER, CARD, KEY = range(8000, 8006)


@dataclass(frozen=True)
class World:
    app: APIFlask
    owner: Engine
    database_url: str
    redis_url: str
    binaries: Path


@dataclass(frozen=True)
class Network:
    """`keys` has one terminal's key for each store, `cards` one card for each member."""

    tenant_id: UUID
    keys: list[str]
    cards: list[str]


@contextmanager
def fresh_world() -> Iterator[World]:
    """An application on an empty database that is destroyed in the end. DATABASE_URL is not looked at."""
    destroy()
    try:
        servers = embedded.start(VAR)
        assert servers.database_url and servers.redis_url
        app = bench_app(servers.database_url, servers.redis_url)
        owner = create_engine(normal_url(servers.database_url), isolation_level="AUTOCOMMIT")
        with app.app_context():
            set_up_database()
            yield World(app, owner, servers.database_url, servers.redis_url, servers.binaries)
    finally:
        destroy()


def bench_app(database_url: str, redis_url: str) -> APIFlask:
    """As `serve` makes it, but webhooks may call this machine."""
    secret = b"only for benchmarks, of 32 bytes."
    return create_app(Settings(database_url, redis_url, VAR, secret, webhooks_to_private=True))


def destroy() -> None:
    embedded.destroy(VAR)
    shutil.rmtree(FILES, ignore_errors=True)


def make_network(world: World, code: str, opened_on: date, **overrides: Any) -> UUID:
    fields = {
        "name": code,
        "time_zone": "UTC",
        "currency": "USD",
        "funding_rate": Decimal(1),
        "redemption_rate": Decimal(1),
        **overrides,
    }
    programme = Terms(Decimal(1), Decimal(100), "P12M")
    tenant_id, _ = open_network(NewNetwork(code=code, opened_on=opened_on, **fields), programme)
    return tenant_id


def populate(world: World, tenant_id: UUID) -> Network:
    """Stores with a terminal each, and members with a card each."""
    bodies = [f"{CARD_PREFIX}{number:05d}" for number in range(MEMBERS)]
    cards = [body + check_digit(body) for body in bodies]
    add_stores(world, tenant_id)
    keys = add_terminals(world, tenant_id, STORE_NUMBERS, "number")
    run(world, ADD_MEMBERS, tenant=tenant_id, members=MEMBERS)
    run(world, ADD_CARDS, tenant=tenant_id, numbers=cards)
    run(world, "ANALYZE tenants.stores, tenants.terminals, tenants.credentials, tenants.members, tenants.cards")
    return Network(tenant_id, keys, cards)


def add_stores(world: World, tenant_id: UUID, numbers: range = STORE_NUMBERS) -> None:
    run(world, ADD_PARTICIPANT, tenant=tenant_id)
    run(world, ADD_STORES, tenant=tenant_id, first=numbers.start, last=numbers.stop - 1)


def add_terminals(world: World, tenant_id: UUID, numbers: range, store: str) -> list[str]:
    """A key for each. `store`: SQL that gives the number of the store from the terminal's `number`."""
    keys = [make_key(tenant_id) for _ in numbers]
    first, last = numbers.start, numbers.stop - 1
    run(world, ADD_TERMINALS.format(store=id_sql(STORE, store)), tenant=tenant_id, first=first, last=last)
    till_keys = {"hashes": [hash_key(key) for key in keys], "scopes": rules.scopes_of(rules.TERMINAL)}
    run(world, ADD_KEYS, tenant=tenant_id, first=first, **till_keys)
    return keys


def make_key(tenant_id: UUID) -> str:
    return "pos_" + base64.urlsafe_b64encode(tenant_id.bytes + os.urandom(32)).decode()


def id_prefix(noun: int) -> str:
    """The first 24 characters of the ids of stores, members and so on; their numbers are the last 12."""
    return f"00000000-0000-7000-{noun}-"


def id_sql(noun: int, number: str) -> str:
    return f"('{id_prefix(noun)}' || lpad(({number})::text, 12, '0'))::uuid"


def run(world: World, statement: str, **parameters: Any) -> None:
    with world.owner.connect() as connection:
        connection.execute(text(statement), parameters)


def ask(world: World, statement: str, **parameters: Any) -> Any:
    with world.owner.connect() as connection:
        return connection.execute(text(statement), parameters).scalar_one()


def pick(choices: Sequence[str]) -> str:
    return choices[int(random.random() * len(choices))]


ADD_PARTICIPANT = f"""
    INSERT INTO tenants.participants (tenant_id, participant_id, code, name, created_at)
    VALUES (:tenant, {id_sql(PARTICIPANT, "1")}, 'owner', 'Owner of all stores', now())
"""
ADD_STORES = f"""
    INSERT INTO tenants.stores (tenant_id, store_id, participant_id, code, name, created_at)
    SELECT :tenant, {id_sql(STORE, "number")}, {id_sql(PARTICIPANT, "1")}, number, 'Store ' || number, now()
    FROM generate_series(:first, :last) AS number
"""
ADD_TERMINALS = f"""
    INSERT INTO tenants.terminals (tenant_id, terminal_id, store_id, code, created_at)
    SELECT :tenant, {id_sql(TERMINAL, "number")}, {{store}}, number, now()
    FROM generate_series(:first, :last) AS number
"""
ADD_KEYS = f"""
    INSERT INTO tenants.credentials
        (tenant_id, credential_id, role, terminal_id, label, key_hash, key_hint, created_at, scopes)
    SELECT :tenant, {id_sql(KEY, ":first + index - 1")}, 'terminal', {id_sql(TERMINAL, ":first + index - 1")},
           'till', hash, '', now(), CAST(:scopes AS text[])
    FROM unnest(CAST(:hashes AS bytea[])) WITH ORDINALITY AS keys (hash, index)
"""
ADD_MEMBERS = f"""
    INSERT INTO tenants.members (tenant_id, member_id, created_at)
    SELECT :tenant, {id_sql(MEMBER, "number")}, now() FROM generate_series(1, :members) AS number
"""
ADD_CARDS = f"""
    INSERT INTO tenants.cards (tenant_id, card_id, member_id, number, created_at)
    SELECT :tenant, {id_sql(CARD, "index")}, {id_sql(MEMBER, "index")}, number, now()
    FROM unnest(CAST(:numbers AS text[])) WITH ORDINALITY AS cards (number, index)
"""
