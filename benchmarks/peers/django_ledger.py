"""django-ledger: `LedgerModel.commit_txs`, its documented way to post, with the journal entry posted at once.

A network is an entity; a store is a unit of it, so that stores number their journal entries apart; stores and members
have an account each. All these are in memory already, and nobody asks whether a member has the points.
"""

from __future__ import annotations

import random
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.utils import timezone

from benchmarks.peers.crew import Post
from benchmarks.peers.site import migrate, start_django
from benchmarks.posting import ACCRUALS, REDEMPTIONS
from benchmarks.world import STORE_NUMBERS

LIABILITY = "lia_cl_other"
CREDIT, DEBIT = "credit", "debit"


def start(database_url: str) -> None:
    start_django(database_url, "django_ledger", DJANGO_LEDGER_USE_DEPRECATED_BEHAVIOR=False)


def model(name: str) -> Any:
    return apps.get_model("django_ledger", name)


def prepare(database_url: str, members: int) -> None:
    start(database_url)
    migrate()
    admin = get_user_model().objects.create_user("admin")
    entity = model("EntityModel").create_entity("Network", use_accrual_method=True, admin=admin, fy_start_month=1)
    entity.create_chart_of_accounts(assign_as_default=True, commit=True, coa_name="Points")
    for number in STORE_NUMBERS:
        make_account(entity, store_code(number))
        make_unit(entity, str(number))
    for number in range(members):
        make_account(entity, member_code(number))
    entity.create_ledger("Points", posted=True)
    book = Book()
    for number in STORE_NUMBERS:
        # The first two of a unit must not meet: one would fail.
        book.commit(number, 1, store_code(number), member_code(0))


def store_code(number: int) -> str:
    """Of a liability account, as all that begin with 2."""
    return f"2S{number}"


def member_code(number: int) -> str:
    return f"2M{number}"


def make_account(entity: Any, code: str) -> None:
    entity.create_account(code=code, role=LIABILITY, name=code, balance_type=CREDIT, active=True)


def make_unit(entity: Any, code: str) -> None:
    units = model("EntityUnitModel")
    units.objects.add_root(instance=units(entity=entity, name=code, slug=code, document_prefix=code))


def open_poster(database_url: str, members: int) -> Post:
    start(database_url)
    book = Book()

    def post() -> None:
        number, member = random.choice(STORE_NUMBERS), random.randrange(members)
        points = random.randint(1, 100)
        if random.random() * (ACCRUALS + REDEMPTIONS) < REDEMPTIONS:
            book.commit(number, points, member_code(member), store_code(number))
        else:
            book.commit(number, points, store_code(number), member_code(member))

    return post


class Book:
    def __init__(self) -> None:
        self.ledger = model("LedgerModel").objects.get()
        self.accounts = {account.code: account for account in model("AccountModel").objects.all()}
        self.units = {unit.document_prefix: unit for unit in model("EntityUnitModel").objects.all()}

    def commit(self, number: int, points: int, source: str, target: str) -> None:
        self.ledger.commit_txs(
            je_timestamp=timezone.now(),
            je_txs=[self.entry(source, points, DEBIT), self.entry(target, points, CREDIT)],
            je_unit_model=self.units[str(number)],
            je_posted=True,
        )

    def entry(self, code: str, points: int, side: str) -> dict[str, Any]:
        return {"account": self.accounts[code], "amount": points, "tx_type": side, "description": "points"}
