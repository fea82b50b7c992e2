"""Secrets are told once, to whoever asked for them, and are nowhere else: not in lists, errors, logs, the database,
Redis, or the list of processes."""

from __future__ import annotations

import ast
import base64
import json
import logging
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import pytest
import redis
from apiflask import APIFlask
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tenants.foundation.config import Settings
from tenants.foundation.database import unit_of_work
from tenants.foundation.secret_key import kept_key
from tests.conftest import ROOT, NetworkForTests, Till
from tests.security.conftest import Server
from tests.security.operations import operations

PIN = "80174263"
TOKEN = "tok_4b1d_not_to_be_seen"
NAME = "Ada Unmistakable"


@pytest.fixture
def secrets(network: NetworkForTests, card: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Everything secret that a network can have, made over HTTP."""
    monkeypatch.setattr("clearinghouse.webhooks.service.check_url", lambda url: None)
    hq = network.hq
    member = hq("GET", "/v1/members").json["members"][0]["member_id"]
    terminal = hq("GET", "/v1/stores/A/terminals").json["terminals"][0]["terminal_id"]
    network.add_staff("ana", "preparer")
    assert hq("PUT", f"/v1/members/{member}/pin", {"pin": PIN}).status_code == 200
    assert hq("POST", f"/v1/cards/{card}/payment-tokens", {"token": TOKEN}).status_code == 201
    wallet = hq("GET", f"/v1/members/{member}/wallet").json
    webhook = hq("POST", "/v1/webhooks", {"url": "https://1.1.1.1/"}).json
    rotated = hq("POST", f"/v1/webhooks/{webhook['webhook_id']}/rotate-secret").json
    return {
        "head office's key": network.hq_key,
        "a till's key": network.tills["A"].key,
        "a new till's key": hq("POST", f"/v1/terminals/{terminal}/keys").json["key"],
        "a person's key": hq("POST", "/v1/keys", {"label": "x", "staff": "ana"}).json["key"],
        "the PIN": PIN,
        "the payment token": TOKEN,
        "the wallet": wallet["secret"],
        "the webhook": webhook["secret"],
        "the webhook after a rotation": rotated["secret"],
    }


def found_in(said: str, secrets: dict[str, str]) -> list[str]:
    return [what for what, secret in secrets.items() if any(each in said for each in spellings(secret))]


def spellings(secret: str) -> set[str]:
    """As it is, without what says what it is, and as bytes are written."""
    bare = secret.removeprefix("whsec_").partition("_")[2] if secret[3:4] == "_" else secret.removeprefix("whsec_")
    return {secret, bare, bare.encode().hex(), base64.b64encode(bare.encode()).decode()}


def test_every_answer_but_the_first_keeps_them(network: NetworkForTests, card: str, secrets: dict[str, str]) -> None:
    hq = network.hq
    member = hq("GET", "/v1/members").json["members"][0]["member_id"]
    webhook = hq("GET", "/v1/webhooks").json["webhooks"][0]["webhook_id"]
    known = {"member_id": member, "number": card, "webhook_id": webhook, "code": "A"}
    answers = {
        str(each): hq("GET", each.url(known)).text
        for each in operations()
        if each.method == "get" and set(each.names("path")) <= known.keys() and "/wallet" not in each.path
    }

    assert len(answers) > 40
    assert {call: found_in(said, secrets) for call, said in answers.items() if found_in(said, secrets)} == {}


def test_the_database_holds_none(network: NetworkForTests, secrets: dict[str, str], owner: Engine) -> None:
    """Wherever a thief of it may look; bytes are looked for as they are written in hexadecimal."""
    query = """
        SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
        WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
    """
    with owner.connect() as connection:
        tables = list(connection.scalars(text(query)))
        dump = [str(row) for table in tables for row in connection.scalars(text(f"SELECT t::text FROM {table} t"))]

    assert len(tables) > 40 and len(dump) > 10
    assert found_in("\n".join(dump), secrets) == []


def test_redis_holds_none(
    app: APIFlask, settings: Settings, network: NetworkForTests, secrets: dict[str, str]
) -> None:
    connection = redis.Redis.from_url(settings.redis_url)

    everything = [key + connection.dump(key) for key in connection.scan_iter()]

    assert found_in(b"\n".join(everything).decode("latin-1"), secrets) == []


def test_no_log_line_holds_one(
    network: NetworkForTests, card: str, secrets: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    till = network.tills["A"]
    caplog.set_level(logging.DEBUG)
    wrong = network.tills["A"].key[:-3] + "xyz"
    for key in [*secrets.values(), wrong]:
        network.call(key, "GET", "/v1/stores")
        network.call(key, "POST", "/v1/accruals", {"card": card, "pin": key, "code": key, "order_ref": key})
    till.redeem(card, 1, pin=PIN)
    till.call("POST", f"/v1/cards/{card}/pin", {"pin": PIN, "current_pin": PIN}, **{"Idempotency-Key": "k"})
    till.call("GET", f"/v1/transfers?order_ref={TOKEN}")

    assert found_in(caplog.text, secrets) == []


def test_an_error_of_the_database_repeats_no_values(
    context: APIFlask, network: NetworkForTests, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever logs it, and however: the error itself has no parameters, and no values of the statement."""
    with pytest.raises(DBAPIError) as failure, unit_of_work(network.tenant_id) as session:
        session.execute(text("SELECT 1 / (CAST(:zero AS integer)), CAST(:name AS text)"), {"zero": 0, "name": NAME})

    assert NAME not in str(failure.value)


def test_the_servers_log_of_the_database_repeats_no_values(settings: Settings, owner: Engine) -> None:
    log = ROOT / "var" / "test" / "log" / "postgres.log"
    if not log.exists() or str(log.parent.parent) not in unquote(settings.database_url):
        pytest.skip("the database's log is wherever TEST_DATABASE_URL's server keeps it")
    marker = uuid4().hex
    with owner.connect() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE once (name text PRIMARY KEY)"))
        for name in (marker, marker):
            with suppress(DBAPIError):
                connection.execute(text("INSERT INTO once VALUES (:name)"), {"name": name})
        with suppress(DBAPIError):
            connection.execute(text("SELECT :name, 1 / 0"), {"name": marker})

    assert marker not in log.read_text()


def test_the_server_logs_none_and_shows_none_in_the_list_of_processes(
    server: Server, settings: Settings, network: NetworkForTests, card: str, secrets: dict[str, str]
) -> None:
    own = {"the secret key": settings.secret_key.decode(), "where the database is": settings.database_url}
    body = json.dumps({"card": card, "order_ref": "o", "points": 1, "pin": PIN})
    for key in secrets.values():
        head = f"POST /v1/redemptions?x={key} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nIdempotency-Key: k\r\n"
        server.send(f"{head}Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        server.send(f"GET /v1/{key} HTTP/1.1 {key}\r\n\r\n".encode())

    processes = [Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in family_of(server.process.pid)]
    assert len(processes) >= 2
    assert found_in("\n".join(processes) + server.log.read_text(), secrets | own) == []


def family_of(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from family_of(int(child))


def test_the_secret_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    kept_key(tmp_path / "secret.key")

    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600


def test_a_till_can_not_ask_what_a_pin_or_wallet_is(till: Till, card: str, secrets: dict[str, str]) -> None:
    for each in operations():
        if each.method == "get" and ("/wallet" in each.path or each.path.endswith("/pin")):
            answer = till.call("GET", each.url({"member_id": "mem_01h455vb4pex5vsknk084sn02q"}))
            assert answer.status_code == 403


# Names of what is secret, and why it may be compared with == after all.
SECRET = re.compile(r"(secret|pin|token|signature|mac|(pin|key|token)_hash|attempt|change)$")
KNOWN = {
    ("tenants/verification/service.py", "before.last_change == change"): "both are HMACs of what was sent",
    ("tenants/verification/service.py", "wallet.last_attempt != attempt"): "both are HMACs of what was sent",
    ("tenants/verification/service.py", "row.last_attempt != attempt"): "both are HMACs of what was sent",
    ("tenants/verification/service.py", "row.pin_hash != before.pin_hash"): "both were read from the database",
    ("tenants/verification/service.py", "row.pin_hash == pin_hash"): "both were read from the database",
    ("tenants/payment_tokens/service.py", "PaymentToken.token_hash == token_hash"): "a look-up by an HMAC",
}


def test_secrets_are_compared_in_constant_time_or_looked_up_by_their_hash() -> None:
    """A key is looked up by its SHA-256, so how long that takes tells of the hash and not of the key; PINs are
    compared by argon2, codes of wallets and of statements by `hmac.compare_digest`."""
    found = {
        (path.relative_to(ROOT).as_posix(), ast.unparse(node))
        for package in ("tenants", "clearinghouse", "settlement")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if compares_secrets(node)
    }

    assert found - KNOWN.keys() == set()


def compares_secrets(node: ast.AST) -> bool:
    if not isinstance(node, ast.Compare) or not any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops):
        return False
    sides = [node.left, *node.comparators]
    return any(SECRET.search(name_of(side)) for side in sides) and not any(is_constant(side) for side in sides)


def name_of(side: ast.expr) -> str:
    inner: Any = side.func if isinstance(side, ast.Call) else side
    return getattr(inner, "attr", None) or getattr(inner, "id", "")


def is_constant(side: ast.expr) -> bool:
    return isinstance(side, ast.Constant) or name_of(side).isupper()
