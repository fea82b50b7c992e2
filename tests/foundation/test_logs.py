"""What log lines hold, and what they never hold."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from apiflask import APIFlask
from redis import ConnectionError as RedisDown
from redis import ResponseError
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from clearinghouse.pos import web as pos_web
from tenants.foundation import ids, logs
from tenants.foundation.errors import InvalidInput
from tenants.foundation.requests import request_id_of
from tests.conftest import ROOT, NetworkForTests, Till

Lines = Callable[[], list[dict[str, Any]]]

NAME, PHONE, EMAIL, PIN = "Ottoline Quarrington", "+4915755512345", "ottoline@quarrington.example", "8351"
TOKEN, PAYMENT_CARD, ORDER = "tok_9f8e7d6c5b4a", "4111111111111111", "order-of-ottoline"
PERSONAL = (NAME, "Quarrington", PHONE, EMAIL, TOKEN, PAYMENT_CARD, ORDER)
ACCESS = {"time", "level", "logger", "message", "command", "request_id", "method", "route", "status", "duration_ms"}


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """What a service would write, however little it matters."""
    file = tmp_path / "log"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    monkeypatch.setattr(logs, "STANDARD_ERROR", descriptor)
    monkeypatch.setattr(logs, "bound", {})
    monkeypatch.setattr(logging.root, "handlers", list(logging.root.handlers))
    for hooked in (sys, threading):
        monkeypatch.setattr(hooked, "excepthook", hooked.excepthook)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    monkeypatch.setenv("CLEARINGHOUSE_LOG", "json")
    monkeypatch.setenv("CLEARINGHOUSE_LOG_LEVEL", "debug")
    levels = {name: logging.getLogger(name).level for name in ("root", *logs.OWN_PACKAGES)}
    logs.configure("http")
    yield lambda: [json.loads(line) for line in file.read_text().splitlines()]
    logging.captureWarnings(False)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    os.close(descriptor)


def text_of(lines: Lines) -> str:
    return json.dumps(lines(), ensure_ascii=False)


def test_one_line_a_request_says_who_asked_for_what(lines: Lines, till: Till, network: NetworkForTests) -> None:
    till.call("GET", "/v1/cards/6290000000000014?name=Ada", **{"X-Request-Id": "till1-000017"})

    [line] = lines()
    assert line.keys() == ACCESS | {"tenant", "terminal", "credential", "code"}
    assert datetime.fromisoformat(line["time"]).utcoffset().total_seconds() == 0  # type: ignore[union-attr]
    assert (line["level"], line["message"]) == ("INFO", "GET /v1/cards/{number} 404")
    assert (line["method"], line["route"], line["status"]) == ("GET", "/v1/cards/{number}", 404)
    assert (line["request_id"], line["code"]) == ("till1-000017", "card_unknown")
    assert line["tenant"] == ids.show(ids.NETWORK, network.tenant_id)
    assert line["terminal"] == ids.show(ids.TERMINAL, till.terminal_id)
    assert line["credential"].startswith("key_")
    assert line["duration_ms"] > 0


def test_a_request_of_nobody_has_a_line_as_well(lines: Lines, app: APIFlask) -> None:
    app.test_client().get("/v1/cards/1")
    app.test_client().open("/nothing/here", method="BREW")

    assert [line.keys() - ACCESS for line in lines()] == [{"code"}, {"code"}]
    assert [(line["method"], line["route"]) for line in lines()] == [
        ("GET", "/v1/cards/{number}"),
        ("OTHER", "(none)"),
    ]


def test_lines_of_one_request_have_its_id(lines: Lines, till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(*_: Any) -> None:
        logging.getLogger("clearinghouse.pos").warning("look at this")
        raise InvalidInput("no")

    monkeypatch.setattr(pos_web, "card_balance", warn)

    till.call("GET", "/v1/cards/1", **{"X-Request-Id": "r-1"})

    assert [(line["logger"], line["request_id"]) for line in lines()] == [
        ("clearinghouse.pos", "r-1"),
        ("tenants.foundation.requests", "r-1"),
    ]
    assert len({line["terminal"] for line in lines()}) == 1


@pytest.mark.parametrize(
    "sent", ["till1-000017", "a", "A.b_c-9", "x" * 64, "01a2023ad0c474ef9e8223e6114522b9", "20261122070301123"]
)
def test_the_callers_id_is_taken(sent: str) -> None:
    assert request_id_of(sent) == sent


@pytest.mark.parametrize(
    "sent", [None, "", "x" * 65, "a b", 'a"b', "a\nb", "ä", "{}", PAYMENT_CARD, f"card-{PAYMENT_CARD}"]
)
def test_what_is_no_id_is_replaced(sent: str | None) -> None:
    made = request_id_of(sent)

    assert made != sent
    assert len(made) == 16 and made.isalnum()


def test_the_id_is_in_the_header_of_every_answer_and_in_every_problem(app: APIFlask, till: Till, card: str) -> None:
    done = till.call("GET", f"/v1/cards/{card}", **{"X-Request-Id": "r-1"})
    refused = till.call("GET", "/v1/cards/1", **{"X-Request-Id": "r-2"})
    unknown = app.test_client().get("/nothing")

    assert (done.status_code, done.headers["X-Request-Id"]) == (200, "r-1")
    assert (refused.headers["X-Request-Id"], refused.json["request_id"]) == ("r-2", "r-2")
    assert unknown.headers["X-Request-Id"] == unknown.json["request_id"]


def body_for(card: str) -> dict[str, Any]:
    """Some of it fits every call, and none of it belongs into a log."""
    return {
        "card": card,
        "number": card,
        "name": NAME,
        "phone": PHONE,
        "email": EMAIL,
        "pin": PIN,
        "payment_token": TOKEN,
        "token": TOKEN,
        "order_ref": ORDER,
        "amount": 2599,
        "points": 1,
        "holder": NAME,
        "label": NAME,
        "description": NAME,
        "reason": NAME,
        "iban": "DE89370400440532013000",
        "comment": PAYMENT_CARD,
    }


def test_no_call_whatever_brings_personal_data_into_the_log(
    lines: Lines, app: APIFlask, network: NetworkForTests, card: str
) -> None:
    keys = [network.tills["A"].key, network.hq_key, network.add_staff("ana", "preparer"), "pos_" + "A" * 64]
    calls = 0
    for rule in app.url_map.iter_rules():
        path = rule.rule.replace("<path:filename>", "x").replace("<filename>", "x")
        for value in (card, NAME.replace(" ", "%20"), PHONE):
            filled = "/".join(value if part.startswith("<") else part for part in path.split("/"))
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                headers = {
                    "Authorization": f"Bearer {keys[calls % len(keys)]}",
                    "Idempotency-Key": f"{ORDER}-{calls}",
                }
                query = {"name": NAME, "phone": PHONE, "card": card} if calls % 2 else {}
                sent = {} if method == "GET" else {"json": body_for(card)}
                app.test_client().open(filled, method=method, headers=headers, query_string=query, **sent)
                calls += 1

    assert calls > 300
    assert len(lines()) >= calls
    assert_nothing_personal(lines, card, *keys, "DE89370400440532013000")


def test_a_day_at_the_till_leaves_nothing_personal_in_the_log(
    lines: Lines, network: NetworkForTests, till: Till
) -> None:
    member = network.hq("POST", "/v1/members", {"name": NAME}).json["member_id"]
    card = network.hq("POST", f"/v1/members/{member}/cards", {}).json["card"]
    till.accrue(card, 2599, order_ref=ORDER)
    till.post("/v1/redemptions", {"card": card, "order_ref": ORDER, "points": 5, "pin": PIN})
    till.redeem(card, 10**9)
    till.call("POST", "/v1/batches", {"events": [{"kind": "accrual", "card": card, "order_ref": ORDER}]})
    till.balance(card)
    till.client.post(
        "/v1/accruals", data=b'{"card": "' + card.encode(), headers={"Authorization": f"Bearer {till.key}"}
    )

    assert len(lines()) >= 8
    assert_nothing_personal(lines, card, till.key, network.hq_key)


@pytest.mark.fails_on_purpose
@pytest.mark.parametrize("failing", ["value", "key", "data", "check", "statement"])
def test_a_stack_trace_tells_places_and_no_values(
    lines: Lines, till: Till, card: str, monkeypatch: pytest.MonkeyPatch, owner: Engine, failing: str
) -> None:
    def fail(tenant_id: UUID, number: str, on_date: date) -> None:
        if failing == "value":
            raise ValueError(f"{NAME} has {number}")
        if failing == "key":
            raise LookupError({number: NAME})
        with owner.begin() as connection:
            connection.execute(text("CREATE TEMPORARY TABLE people (name text CHECK (name = ''))"))
            if failing == "data":
                connection.execute(text("SELECT CAST(:name AS integer)"), {"name": f"{NAME} {number}"})
            if failing == "statement":
                connection.execute(text("SELECT :name FROM nowhere_at_all"), {"name": f"{NAME} {number}"})
            connection.execute(text("INSERT INTO people VALUES (:name)"), {"name": f"{NAME} {number}"})

    monkeypatch.setattr(pos_web, "card_balance", fail)

    answer = till.call("GET", f"/v1/cards/{card}")

    assert answer.status_code in (500, 503)
    assert NAME not in answer.get_data(as_text=True)
    told = lines()
    assert len(told) == 2
    if answer.status_code == 500:
        assert f'{Path(__file__).name}", line' in told[0]["stack"]
    assert_nothing_personal(lines, card)


def assert_nothing_personal(lines: Lines, *more: str) -> None:
    written = text_of(lines)
    assert [value for value in (*PERSONAL, *more) if value in written] == []


def database_error(owner: Engine, sql: str, **values: Any) -> DBAPIError:
    with owner.connect() as connection, pytest.raises(DBAPIError) as raised:
        connection.execute(text("CREATE TEMPORARY TABLE people (name text PRIMARY KEY CHECK (name <> 'Ada'))"))
        connection.execute(text(sql), values)
        connection.execute(text(sql), values)
    return raised.value


def test_errors_of_the_database_are_told_without_values(owner: Engine) -> None:
    insert = "INSERT INTO people VALUES (:name)"
    twice = database_error(owner, insert, name=NAME)
    checked = database_error(owner, insert, name="Ada")
    cast = database_error(owner, "SELECT CAST(:name AS integer)", name=NAME)

    assert logs.describe(twice) == (
        'IntegrityError: 23505 duplicate key value violates unique constraint "people_pkey" people people_pkey'
    )
    assert "people_name_check" in logs.describe(checked) and "Ada" not in logs.describe(checked)
    assert logs.describe(cast) == "DataError: 22P02"


CASES = [
    (ValueError(NAME), "ValueError"),
    (InvalidInput(f"{NAME} is not a name.", code="invalid_name"), "InvalidInput: invalid_name"),
    (OSError(28, "No space left on device", f"/home/{NAME}"), "OSError: No space left on device"),
    (RedisDown("Error 111 connecting to 127.0.0.1:1"), "ConnectionError: Error 111 connecting to 127.0.0.1:1"),
    (ResponseError(f"Command # 1 (HSET {NAME})"), "ResponseError"),
    (psycopg2.OperationalError("connection refused\nby the server"), "OperationalError: connection refused"),
]


@pytest.mark.parametrize(("error", "told"), CASES, ids=range(len(CASES)))
def test_of_an_error_only_what_is_nobodys_is_told(error: Exception, told: str) -> None:
    assert logs.describe(error) == told


HIDING = [
    (f"card {'6290000000000014'} is late", "card [hidden] is late"),
    (f"call {PHONE} now", "call [hidden] now"),
    (f"mail <{EMAIL}>", "mail <[hidden]>"),
    ("key pos_" + "A" * 64, "key [hidden]"),
    ("redis://user:secret@cache:6379/0", "redis://[hidden]@cache:6379/0"),
    (
        "job 01a2023a-d0c4-74ef-9e82-123456789012 at 2026-11-22",
        "job 01a2023a-d0c4-74ef-9e82-123456789012 at 2026-11-22",
    ),
]


@pytest.mark.parametrize(("written", "told"), HIDING)
def test_what_looks_personal_is_hidden_whoever_wrote_it(lines: Lines, written: str, told: str) -> None:
    logging.getLogger("somebody.else").error("%s", written)

    assert [line["message"] for line in lines()] == [told]


def test_a_line_that_cannot_be_made_tells_no_values_either(lines: Lines) -> None:
    record = logging.LogRecord("careless", logging.ERROR, "", 0, "%d cards", (NAME,), None)

    logs.Lines(logs.JSON).emit(record)

    [line] = lines()
    assert (line["logger"], line["message"]) == ("careless", "a line could not be made: TypeError")


def test_nobody_fails_because_the_log_cannot_be_written(lines: Lines, till: Till, monkeypatch: Any) -> None:
    monkeypatch.setattr(logs, "STANDARD_ERROR", 10**6)

    assert till.call("GET", "/v1/transfers").status_code == 200


def test_a_line_cannot_be_forged(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "one\n2026-11-22 ERROR two\u2028three", (), None)

    assert "\n" not in logs.text_line(record)
    assert len(logs.json_line(record).splitlines()) == 1


def cli(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-m", "cli", *words], cwd=ROOT, env=variables, capture_output=True, text=True
    )


@pytest.mark.parametrize(("variable", "value"), [("CLEARINGHOUSE_LOG", "xml"), ("CLEARINGHOUSE_LOG_LEVEL", "loud")])
def test_a_setting_that_is_none_is_told_in_one_line(variable: str, value: str) -> None:
    done = cli("worker", **{variable: value})

    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {variable} must be one of ")
    assert len(done.stderr.splitlines()) == 1


def test_a_service_that_cannot_start_says_so_in_a_line_of_its_log() -> None:
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "REDIS_URL": "redis://127.0.0.1:1/0"}

    done = cli("serve", "--metrics", "off", **nowhere)

    assert done.returncode == 1
    [line] = [json.loads(line) for line in done.stderr.splitlines()]
    assert (line["level"], line["command"], line["code"]) == ("CRITICAL", "serve", "database_unavailable")


def test_what_was_noted_is_done_before_the_process_ends() -> None:
    program = "from tenants.foundation import afterwards as a; a.start(); a.afterwards(print, 'done')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "done\n"
