"""Networks stay apart in the database itself, whatever a query forgets; and the schema is what the models say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from apiflask import APIFlask
from psycopg2 import errors
from sqlalchemy import Connection, Engine, Row, create_engine, text
from sqlalchemy.exc import ProgrammingError

from settlement.windows.service import close_month
from tenants.foundation.config import Settings
from tenants.foundation.database import APPLICATION_ROLE, connect_arguments, db, normal_url
from tests.conftest import NetworkForTests

SCHEMAS = ("tenants", "programme", "ledger", "settlement", "webhooks")
# The directory of networks: its codes are unique among all networks, so it is shared.
SHARED = {"tenants.networks"}
# What is the same for every network: the table of states.
REFERENCE = {"settlement.transitions"}
IMMUTABLE = ("ledger.transfers", "ledger.postings")

TENANT_TABLES = """
    SELECT n.nspname || '.' || c.relname AS name, c.oid, c.relrowsecurity
    FROM information_schema.columns i
    JOIN pg_namespace n ON n.nspname = i.table_schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = i.table_name
    WHERE i.column_name = 'tenant_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY 1
"""
INDEXES = """
    SELECT indrelid::regclass::text AS table, indexrelid::regclass::text AS name, indisprimary,
           ARRAY(SELECT pg_get_indexdef(indexrelid, k, true) FROM generate_series(1, indnkeyatts) AS k) AS columns
    FROM pg_index WHERE indisunique AND indrelid = ANY (CAST(:oids AS oid[]))
"""
FOREIGN_KEYS = """
    SELECT conname, conrelid::regclass::text AS table, confrelid::regclass::text AS target,
           ARRAY(SELECT attname FROM unnest(conkey) WITH ORDINALITY AS k (n, place)
                 JOIN pg_attribute ON attrelid = conrelid AND attnum = n ORDER BY place) AS columns,
           ARRAY(SELECT attname FROM unnest(confkey) WITH ORDINALITY AS k (n, place)
                 JOIN pg_attribute ON attrelid = confrelid AND attnum = n ORDER BY place) AS target_columns
    FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY (CAST(:oids AS oid[]))
"""


@pytest.fixture(scope="module")
def owner(app: APIFlask, settings: Settings) -> Iterator[Engine]:
    engine = create_engine(normal_url(settings.database_url))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def application(app: APIFlask, settings: Settings) -> Iterator[Engine]:
    """As the application connects."""
    engine = create_engine(normal_url(settings.database_url), connect_args=connect_arguments())
    yield engine
    engine.dispose()


@pytest.fixture
def tables(owner: Engine) -> list[Row[Any]]:
    """Every table with a tenant_id, partitions aside: read from the database, so that a new one is among them."""
    with owner.connect() as connection:
        found = list(connection.execute(text(TENANT_TABLES)))
    assert {"tenants.cards", "tenants.staff", "programme.versions", "ledger.transfers", "settlement.positions"} <= {
        t.name for t in found
    }
    return found


@pytest.fixture
def partitions(owner: Engine, network: NetworkForTests) -> list[str]:
    with owner.connect() as connection:
        statement = text("SELECT inhrelid::regclass::text FROM pg_inherits ORDER BY 1")
        found = list(connection.scalars(statement))
    assert "ledger.postings_2026_01" in found
    return found


@pytest.fixture
def busy(network: NetworkForTests) -> NetworkForTests:
    """A network with rows in every table that an ordinary month fills."""
    card = network.add_card()
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 30, occurred_at="2026-01-11T12:00:00Z")
    close_month(network.tenant_id, date(2026, 1, 1), "test")
    return network


def enter(connection: Connection, tenant_id: UUID) -> None:
    connection.execute(text("SELECT set_config('app.tenant_id', :tenant, true)"), {"tenant": str(tenant_id)})


def count_rows(connection: Connection, tables: list[Row[Any]]) -> dict[str, int]:
    return {table.name: connection.scalar(text(f"SELECT count(*) FROM {table.name}")) for table in tables}


def refusal(engine: Engine, statement: str, tenant_id: UUID | None = None) -> str:
    """What the database says to the application when it tries; it must refuse with 'insufficient privilege'."""
    with engine.connect() as connection, pytest.raises(ProgrammingError) as failure:
        if tenant_id is not None:
            enter(connection, tenant_id)
        connection.execute(text(statement))
    assert isinstance(failure.value.orig, errors.InsufficientPrivilege), failure.value
    return str(failure.value.orig)


def test_a_query_without_a_network_sees_nothing(
    application: Engine, busy: NetworkForTests, tables: list[Row[Any]]
) -> None:
    with application.connect() as connection:
        before = count_rows(connection, tables)
        enter(connection, busy.tenant_id)
        within = count_rows(connection, tables)
        connection.rollback()
        after = count_rows(connection, tables)

    nothing = {table.name: 0 for table in tables}
    assert (before, after) == (nothing, nothing)
    assert sum(count > 0 for count in within.values()) >= 14


def test_a_query_that_forgets_its_network_sees_that_of_its_transaction_only(
    owner: Engine,
    application: Engine,
    busy: NetworkForTests,
    make_network: Callable[..., NetworkForTests],
    tables: list[Row[Any]],
) -> None:
    other = make_network()

    for tenant_id in (busy.tenant_id, other.tenant_id):
        with application.connect() as connection, owner.connect() as all_seeing:
            enter(connection, tenant_id)
            for table in tables:
                counted = text(f"SELECT count(*) FROM {table.name} WHERE tenant_id = :tenant")
                seen = connection.scalar(text(f"SELECT count(*) FROM {table.name}"))
                assert seen == all_seeing.scalar(counted, {"tenant": tenant_id}), table.name


def test_a_row_of_another_network_can_not_be_written(
    owner: Engine,
    application: Engine,
    busy: NetworkForTests,
    make_network: Callable[..., NetworkForTests],
    tables: list[Row[Any]],
) -> None:
    other = make_network()
    dates = text(
        "SELECT attname FROM pg_attribute WHERE attrelid = :oid AND atttypid = 'date'::regtype AND attnum > 0"
    )
    for table in tables:
        with owner.connect() as connection:
            # A partition is found before a policy is looked at.
            days = list(connection.scalars(dates, {"oid": table.oid}))
        columns = ", ".join(["tenant_id", *days])
        values = ", ".join([f"'{busy.tenant_id}'", *["DATE '2026-01-01'"] * len(days)])

        said = refusal(application, f"INSERT INTO {table.name} ({columns}) VALUES ({values})", other.tenant_id)

        assert "row-level security" in said, table.name


def test_a_row_can_not_be_moved_to_another_network(
    application: Engine, busy: NetworkForTests, make_network: Callable[..., NetworkForTests]
) -> None:
    statement = f"UPDATE tenants.participants SET tenant_id = '{make_network().tenant_id}'"

    assert "row-level security" in refusal(application, statement, busy.tenant_id)


def test_every_table_of_a_network_has_a_policy_for_all_commands(owner: Engine, tables: list[Row[Any]]) -> None:
    with owner.connect() as connection:
        policies = connection.execute(
            text("SELECT schemaname || '.' || tablename AS name, cmd, roles::text, permissive FROM pg_policies")
        ).all()

    assert all(table.relrowsecurity for table in tables)
    assert sorted(policies) == [(table.name, "ALL", "{public}", "PERMISSIVE") for table in tables]


@pytest.mark.parametrize("table", IMMUTABLE)
@pytest.mark.parametrize(
    "command", ["UPDATE {} SET points = 1", "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}", "LOCK TABLE {}"]
)
def test_the_application_can_not_change_what_was_posted(
    application: Engine, busy: NetworkForTests, table: str, command: str
) -> None:
    said = refusal(application, command.format(table), busy.tenant_id)

    assert "permission denied" in said or "must be owner" in said


def test_the_application_can_delete_nothing_but_what_the_outbox_has_told(
    owner: Engine, tables: list[Row[Any]]
) -> None:
    allowed = text("SELECT has_table_privilege(:role, CAST(:oid AS oid), :privilege)")
    with owner.connect() as connection:
        for table in tables:
            for privilege in ("DELETE", "TRUNCATE", "TRIGGER", "REFERENCES"):
                values = {"role": APPLICATION_ROLE, "oid": table.oid, "privilege": privilege}
                expected = (table.name, privilege) == ("ledger.outbox", "DELETE")
                assert connection.scalar(allowed, values) == expected, (table.name, privilege)
            assert connection.scalar(allowed, {**values, "privilege": "SELECT"}), table.name


def test_no_column_of_what_was_posted_or_published_can_be_updated(owner: Engine) -> None:
    tables = [
        *IMMUTABLE,
        "ledger.day_closes",
        "ledger.day_close_acceptances",
        "settlement.positions",
        "settlement.flows",
        "settlement.days",
        "settlement.seals",
        "settlement.lines",
        "settlement.state_changes",
        "settlement.adjustments",
        "programme.versions",
        "tenants.audit_log",
        "tenants.card_batches",
        "tenants.card_changes",
        "tenants.erasures",
        "settlement.payment_files",
        "settlement.payment_orders",
        "settlement.bank_files",
        "settlement.bank_entries",
    ]
    allowed = text("SELECT has_any_column_privilege(:role, :table, 'UPDATE')")
    with owner.connect() as connection:
        updatable = [t for t in tables if connection.scalar(allowed, {"role": APPLICATION_ROLE, "table": t})]
        control = connection.scalar(allowed, {"role": APPLICATION_ROLE, "table": "ledger.wallets"})

    assert updatable == []
    assert control, "the question itself must be able to say yes"


def test_the_role_of_the_application_has_no_power_over_others(owner: Engine) -> None:
    with owner.connect() as connection:
        role = connection.execute(
            text("SELECT oid, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolcanlogin "
                 "FROM pg_roles WHERE rolname = :role"), {"role": APPLICATION_ROLE},
        ).one()  # fmt: skip
        memberships = connection.scalar(text("SELECT count(*) FROM pg_auth_members WHERE member = :role"),
                                        {"role": role.oid})  # fmt: skip
        owned = connection.scalar(text("SELECT count(*) FROM pg_class WHERE relowner = :role"), {"role": role.oid})

    assert not any(role[1:])
    assert (memberships, owned) == (0, 0)


def test_the_application_runs_as_that_role_again_after_reset(application: Engine) -> None:
    with application.connect() as connection:
        connection.execute(text("RESET ROLE"))

        assert connection.scalar(text("SELECT current_user")) == APPLICATION_ROLE


def test_switching_row_security_off_makes_a_query_fail_instead_of_see_more(
    application: Engine, busy: NetworkForTests
) -> None:
    with application.connect() as connection:
        connection.execute(text("SET row_security = off"))
        with pytest.raises(ProgrammingError, match="row-level security"):
            connection.execute(text("SELECT count(*) FROM ledger.transfers"))


def test_no_partition_can_be_reached_past_its_table(
    owner: Engine, application: Engine, busy: NetworkForTests, partitions: list[str]
) -> None:
    said = refusal(application, "SELECT * FROM ledger.postings_2026_01", busy.tenant_id)
    with owner.connect() as connection:
        reachable = [
            partition
            for partition in partitions
            if connection.scalar(
                text("SELECT has_any_column_privilege(:role, :table, 'SELECT, INSERT, UPDATE')"),
                {"role": APPLICATION_ROLE, "table": partition},
            )
        ]

    assert "permission denied" in said
    assert reachable == []


@pytest.mark.parametrize("schema", ["public", *SCHEMAS])
def test_the_application_can_make_neither_tables_nor_functions(application: Engine, schema: str) -> None:
    function = f"CREATE FUNCTION {schema}.intruder() RETURNS int LANGUAGE sql AS 'SELECT 1'"

    assert "permission denied" in refusal(application, f"CREATE TABLE {schema}.intruder (n int)")
    assert "permission denied" in refusal(application, function)


def test_what_runs_with_its_owners_rights_is_known_and_names_its_search_path(owner: Engine) -> None:
    with owner.connect() as connection:
        found = connection.execute(
            text("SELECT oid::regproc::text AS name, array_to_string(proconfig, ' ') AS settings FROM pg_proc "
                 "WHERE prosecdef AND pronamespace::regnamespace::text = ANY (:schemas)"),
            {"schemas": [*SCHEMAS, "public"]},
        ).all()  # fmt: skip

    assert {row.name for row in found} == {
        "ledger.ensure_partitions",
        "ledger.refresh_statistics",
        "tenants.list_networks",
        "webhooks.networks_with_work",
        "webhooks.purge_deliveries",
    }
    assert all((row.settings or "").startswith("search_path=pg_catalog") for row in found)


def test_every_key_of_a_tenant_owned_table_holds_the_network(owner: Engine, tables: list[Row[Any]]) -> None:
    with owner.connect() as connection:
        indexes = connection.execute(text(INDEXES), {"oids": [table.oid for table in tables]}).all()

    assert {index.table for index in indexes if index.indisprimary} == {table.name for table in tables}
    for index in indexes:
        if index.indisprimary:
            assert index.columns[0] == "tenant_id", index.name
        elif index.table not in SHARED:
            assert "tenant_id" in index.columns, index.name


def test_every_reference_between_tenant_owned_tables_stays_in_its_network(
    owner: Engine, tables: list[Row[Any]]
) -> None:
    with owner.connect() as connection:
        keys = connection.execute(text(FOREIGN_KEYS), {"oids": [table.oid for table in tables]}).all()

    assert len(keys) >= 10
    for key in keys:
        if key.target in REFERENCE:
            continue
        assert key.target in {table.name for table in tables}, key.conname
        assert (key.columns[0], key.target_columns[0]) == ("tenant_id", "tenant_id"), key.conname


def test_no_tenant_owned_table_counts_by_itself(owner: Engine, tables: list[Row[Any]]) -> None:
    with owner.connect() as connection:
        statement = text(
            "SELECT table_schema || '.' || table_name || '.' || column_name FROM information_schema.columns "
            "WHERE table_schema = ANY (:schemas) AND (is_identity = 'YES' OR column_default LIKE '%nextval%')"
        )
        assert list(connection.scalars(statement, {"schemas": list(SCHEMAS)})) == []


def test_the_models_say_what_the_migrations_made(owner: Engine, partitions: list[str]) -> None:
    looked_at: set[str] = set()

    def include_object(item: Any, name: str | None, kind: str, reflected: bool, compared_to: Any) -> bool:
        if kind == "table":
            if f"{item.schema}.{name}" in partitions or name == "alembic_version":
                return False
            looked_at.add(f"{item.schema}.{name}")
        return True

    def include_name(name: str | None, kind: str, parents: Any) -> bool:
        return kind != "schema" or name in SCHEMAS

    with owner.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": include_name,
                "include_object": include_object,
                "compare_type": True,
                "target_metadata": db.metadata,
            },
        )
        differences = compare_metadata(context, db.metadata)

    assert looked_at == {f"{table.schema}.{table.name}" for table in db.metadata.sorted_tables}
    assert len(looked_at) >= 17
    assert differences == []
