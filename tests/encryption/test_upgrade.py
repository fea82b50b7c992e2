"""Rows of the release before: kept, read, encrypted when all processes are of this release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from apiflask import APIFlask
from flask_migrate import downgrade
from sqlalchemy import create_engine, text

from clearinghouse.health.service import MIGRATIONS
from clearinghouse.networks.setup import run_revisions, set_up_database
from tenants.bank_accounts.service import details_of, get_bank_account
from tenants.data_keys.service import count_plain, encrypt_rows
from tenants.foundation.config import Settings
from tenants.foundation.database import normal_url
from tenants.members.identity import identity_of
from tenants.members.service import find_by_phone, find_member, update_member
from tests.conftest import a_database
from tests.test_faults import running

BEFORE = "20261122_1700"
TENANT, MEMBER = uuid4(), uuid4()
ROWS = """
INSERT INTO tenants.networks (tenant_id, code, name, time_zone, currency, opened_on, created_at)
    VALUES (:tenant, 'old', 'Old', 'UTC', 'EUR', '2026-01-01', now());
INSERT INTO tenants.members (tenant_id, member_id, reference, name, created_at, registered_at)
    VALUES (:tenant, :member, 'M-1', 'Ada', now(), now());
INSERT INTO tenants.staff (tenant_id, staff_id, code, name, roles, created_at)
    VALUES (:tenant, :member, 'ana', 'Ana Prieto', '{preparer}', now());
INSERT INTO tenants.bank_accounts (tenant_id, bank_account_id, holder, iban, creditor_id, made_by, made_at)
    VALUES (:tenant, :member, 'Old AG', 'DE89370400440532013000', 'DE98ZZZ09999999999', 'test', now())
"""


@pytest.fixture
def old(settings: Settings) -> Iterator[APIFlask]:
    """A database as the release before has left it, and the application of this one."""
    with (
        a_database(settings.database_url) as url,
        running(replace(settings, database_url=url)) as app,
        app.app_context(),
    ):
        run_revisions(MIGRATIONS, last=BEFORE)
        engine = create_engine(normal_url(url))
        with engine.begin() as connection:
            for statement in ROWS.split(";"):
                connection.execute(text(statement), {"tenant": TENANT, "member": MEMBER})
        engine.dispose()
        yield app


def test_plain_rows_are_read_until_they_are_encrypted_and_then_too(old: APIFlask) -> None:
    set_up_database()

    for plain in (3, 0):
        assert count_plain() == plain
        assert identity_of(find_member(TENANT, MEMBER))["name"] == "Ada"
        account = details_of(get_bank_account(TENANT, None))
        assert (account.holder, account.iban) == ("Old AG", "DE89370400440532013000")
        encrypt_rows()
    update_member(TENANT, MEMBER, {"phone": "+4915123456789"}, "test")
    assert [found.member_id for found, _ in find_by_phone(TENANT, "+4915123456789")] == [MEMBER]


def test_it_can_be_taken_back_until_something_is_encrypted(old: APIFlask) -> None:
    set_up_database()
    downgrade(directory=str(MIGRATIONS), revision=BEFORE)
    set_up_database()
    encrypt_rows()

    with pytest.raises(Exception, match="restore a backup"):
        downgrade(directory=str(MIGRATIONS), revision=BEFORE)
