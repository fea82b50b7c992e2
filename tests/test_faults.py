"""What a till sees when a part of the installation is missing, down, or goes away under it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from uuid import uuid4

import psycopg2
import pytest
from apiflask import APIFlask
from sqlalchemy import Connection, Engine, create_engine, text
from werkzeug.test import TestResponse

from clearinghouse.app import create_app
from clearinghouse.ledger.checks import check_ledger
from clearinghouse.networks.setup import set_up_database
from tenants.foundation.calls import connection_lost
from tenants.foundation.config import Settings
from tenants.foundation.database import db, normal_url
from tests.conftest import NetworkForTests, Till

# Well formed, so that it is looked up.
SOME_KEY = "pos_" + "A" * 64
NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture(scope="module")
def owner(app: APIFlask, settings: Settings) -> Iterator[Engine]:
    """Depends on `app` because the migrations make the role that every connection takes on."""
    engine = create_engine(normal_url(settings.database_url), isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


@contextmanager
def running(settings: Settings) -> Iterator[APIFlask]:
    """Another process, in effect: an application with connections and caches of its own."""
    app = create_app(settings)
    yield app
    app.extensions["calls"].engine.dispose()
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def empty_database(owner: Engine, settings: Settings) -> Iterator[Settings]:
    name = f"faults_{uuid4().hex[:12]}"
    with owner.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield replace(settings, database_url=normal_url(settings.database_url).set(database=name).render_as_string(False))
    with owner.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def accrue(app: APIFlask, key: str, card: str = "6290000000000017") -> TestResponse:
    return Till(app.test_client(), key, "", uuid4(), uuid4()).accrue(card, 1000)


def missing(answer: TestResponse) -> list[str]:
    assert (answer.status_code, answer.json["code"]) == (503, "not_ready")
    return [problem["code"] for problem in answer.json["missing"]]


def assert_unavailable(answer: TestResponse, code: str) -> None:
    assert (answer.status_code, answer.json["code"]) == (503, code), answer.json
    assert answer.content_type == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0


def test_a_database_that_was_not_set_up_is_named_as_the_reason(empty_database: Settings) -> None:
    with running(empty_database) as app:
        assert app.test_client().get("/healthz").status_code == 200
        assert missing(app.test_client().get("/readyz")) == ["database_not_migrated"]
        assert_unavailable(accrue(app, SOME_KEY), "database_not_migrated")


def test_a_database_of_an_older_release_is_named_as_the_reason(empty_database: Settings) -> None:
    with running(empty_database) as app:
        with app.app_context():
            set_up_database()
        engine = create_engine(normal_url(empty_database.database_url))
        with engine.begin() as connection:
            connection.execute(text("UPDATE public.alembic_version SET version_num = 'older'"))
        engine.dispose()

        answer = app.test_client().get("/readyz")

        assert missing(answer) == ["database_not_migrated"]
        assert "older" in answer.json["missing"][0]["detail"]


def test_a_missing_partition_of_the_next_month_is_named(empty_database: Settings) -> None:
    with running(empty_database) as app:
        with app.app_context():
            set_up_database()
        assert app.test_client().get("/readyz").status_code == 200
        engine = create_engine(normal_url(empty_database.database_url))
        with engine.begin() as connection:
            partitions = connection.scalars(text("SELECT inhrelid::regclass::text FROM pg_inherits "
                                                 "WHERE inhparent = 'ledger.postings'::regclass")).all()  # fmt: skip
            for partition in partitions:
                connection.execute(text(f"DROP TABLE {partition}"))
        engine.dispose()

        assert missing(app.test_client().get("/readyz")) == ["partition_missing"]


def test_setting_up_twice_changes_nothing(empty_database: Settings) -> None:
    with running(empty_database) as app, app.app_context():
        first = set_up_database()
        second = set_up_database()

    assert (first > 0, second) == (True, 0)


def test_without_a_database_a_till_is_told_to_try_again(settings: Settings) -> None:
    nowhere = replace(settings, database_url="postgresql+psycopg2://postgres@/clearinghouse?host=/tmp/no-such-folder")

    with running(nowhere) as app:
        assert app.test_client().get("/healthz").status_code == 200
        assert missing(app.test_client().get("/readyz")) == ["database_unavailable"]
        assert_unavailable(accrue(app, SOME_KEY), "database_unavailable")


class Dropping:
    """Stands in for the posting calls, with what psycopg2 says now and then when a server dies under a statement."""

    def call(self, *arguments: object) -> None:
        raise psycopg2.DatabaseError("server closed the connection unexpectedly")


def test_a_connection_that_dies_under_a_statement_is_told_as_unavailable_whatever_kind_of_error_it_is(
    settings: Settings, network: NetworkForTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(settings) as app:
        monkeypatch.setattr(app.extensions["ledger"], "calls", Dropping())

        answer = accrue(app, network.tills["A"].key, network.add_card())

    assert_unavailable(answer, "database_unavailable")
    assert connection_lost(psycopg2.DatabaseError("server closed the connection unexpectedly"))


@contextmanager
def shut(owner: Engine, settings: Settings) -> Iterator[None]:
    """The database takes no connections and has ended those it had."""
    name = normal_url(settings.database_url).database
    with owner.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false"))
        end_connections(connection, name)
        yield
        connection.execute(text(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true"))


def end_connections(connection: Connection, database: str | None) -> int:
    """The number ended."""
    ended = connection.scalars(
        text("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
             "WHERE datname = :database AND application_name = 'clearinghouse'"),
        {"database": database},
    ).all()  # fmt: skip
    return len(ended)


def test_a_till_that_kept_trying_posts_once_when_the_database_is_back(
    owner: Engine, empty_database: Settings, make_network: Callable[..., NetworkForTests]
) -> None:
    with running(empty_database) as app, app.app_context():
        set_up_database()
        network = make_network()
        network.app = app
        till, card = network.add_till("A"), network.add_card()
        sale = {"order_ref": "o-1", "key": "k-1"}
        assert till.accrue(card, 500).status_code == 201

        with shut(owner, empty_database):
            answers = [till.accrue(card, 1000, **sale) for _ in range(3)]
            assert missing(app.test_client().get("/readyz")) == ["database_unavailable"]
        afterwards = [till.accrue(card, 1000, **sale) for _ in range(2)]

        for answer in answers:
            assert_unavailable(answer, "database_unavailable")
        assert [answer.status_code for answer in afterwards] == [201, 201]
        assert "Idempotent-Replayed" in afterwards[1].headers
        assert till.balance(card)["available"] == 15


def test_a_posting_after_all_connections_were_ended_succeeds(
    owner: Engine, settings: Settings, till: Till, card: str
) -> None:
    assert till.accrue(card, 1000).status_code == 201

    with owner.connect() as connection:
        ended = end_connections(connection, normal_url(settings.database_url).database)
    answer = till.accrue(card, 1000)

    assert ended > 0
    assert (answer.status_code, answer.json.get("available")) == (201, 20)


def test_connections_that_end_under_a_posting_neither_lose_nor_double_it(
    owner: Engine, settings: Settings, app: APIFlask, network: NetworkForTests
) -> None:
    cards, finished = [network.add_card() for _ in range(4)], Event()
    key, database = network.tills["A"].key, normal_url(settings.database_url).database

    def sell(card: str) -> int:
        """The number of calls it took."""
        till = Till(app.test_client(), key, "A", uuid4(), uuid4())
        calls = 0
        for number in range(50):
            while True:
                answer = till.accrue(card, 100, order_ref=f"{card}-{number}", key=f"{card}-{number}")
                calls += 1
                assert answer.status_code in (201, 503), answer.json
                if answer.status_code == 201:
                    break
        return calls

    def end_connections_again_and_again() -> int:
        ended = 0
        with owner.connect() as connection:
            while not finished.wait(0.05):
                ended += end_connections(connection, database)
        return ended

    with ThreadPoolExecutor(5) as pool:
        ending = pool.submit(end_connections_again_and_again)
        try:
            list(pool.map(sell, cards))
        finally:
            finished.set()

    assert ending.result() > 0
    assert {network.tills["A"].balance(card)["available"] for card in cards} == {50}
    assert check_ledger(network.tenant_id) == []


def test_without_redis_tills_post_and_readiness_says_so(settings: Settings, till: Till, card: str) -> None:
    with running(replace(settings, redis_url=NO_REDIS)) as app:
        posted = accrue(app, till.key, card)
        ready = app.test_client().get("/readyz")

    assert posted.status_code == 201
    assert (ready.status_code, ready.json["queue"]) == (200, "unavailable")
    assert [warning["code"] for warning in ready.json["warnings"]] == ["queue_unavailable"]


def test_with_everything_in_place_the_process_is_ready(app: APIFlask) -> None:
    answer = app.test_client().get("/readyz")

    assert (answer.status_code, answer.json["status"], answer.json["queue"]) == (200, "ready", "ready")
