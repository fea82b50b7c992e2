"""django-hordak: `Account.transfer_to`, its documented way to post, with its triggers in the database.

A purchase is a transfer from the store's account to the member's, a redemption one the other way.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from django.apps import apps
from django.db import transaction
from moneyed import Money

from benchmarks.peers.crew import Post
from benchmarks.peers.site import migrate, start_django
from benchmarks.posting import ACCRUALS, REDEMPTIONS, SEED_POINTS
from benchmarks.world import STORE_NUMBERS

CURRENCY = "USD"
# A transfer from one asset to another decreases the first and increases the second.
ASSET = "AS"


def start(database_url: str) -> Any:
    """The class of its accounts."""
    start_django(database_url, "mptt", "hordak", DEFAULT_CURRENCY=CURRENCY, HORDAK_INTERNAL_CURRENCY=CURRENCY)
    return apps.get_model("hordak", "Account")


def prepare(database_url: str, members: int) -> None:
    """Accounts of stores, and of members that have some points. Each new one moves all that sort behind it, so they
    are made in the order of their codes."""
    account = start(database_url)
    migrate()
    made = [make_account(account, member_code(number)) for number in range(members)]
    stores = [make_account(account, store_code(number)) for number in STORE_NUMBERS]
    for member in made:
        stores[0].transfer_to(member, Money(SEED_POINTS, CURRENCY))


def store_code(number: int) -> str:
    return f"S{number}"


def member_code(number: int) -> str:
    return f"M{number:05d}"


def make_account(account: Any, code: str) -> Any:
    return account.objects.create(name=code, code=code, type=ASSET)


def open_poster(database_url: str, members: int) -> Post:
    """The transfer alone, three INSERTs in one transaction: the accounts are in memory already, nobody asks whether
    the member has the points."""
    account = start(database_url)
    accounts = {found.code: found for found in account.objects.all()}

    def redeem(member: Any, store: Any, points: Money) -> None:
        member.transfer_to(store, points)

    return partial(post_one, members, accounts.__getitem__, redeem)


def open_till(database_url: str, members: int) -> Post:
    """What a till's request needs besides: both accounts are looked up by their codes, and a redemption locks the
    member's account and reads its balance before."""
    account = start(database_url)

    def find(code: str) -> Any:
        return account.objects.get(full_code=code)

    def redeem(member: Any, store: Any, points: Money) -> None:
        with transaction.atomic():
            account.objects.select_for_update().get(pk=member.pk)
            if account.objects.with_balances().get(pk=member.pk).balance >= points:
                member.transfer_to(store, points)

    return partial(post_one, members, find, redeem)


def post_one(members: int, find: Callable[[str], Any], redeem: Callable[[Any, Any, Money], None]) -> None:
    store, member = find(store_code(random.choice(STORE_NUMBERS))), find(member_code(random.randrange(members)))
    points = Money(random.randint(1, 100), CURRENCY)
    if random.random() * (ACCRUALS + REDEMPTIONS) < REDEMPTIONS:
        redeem(member, store, points)
    else:
        store.transfer_to(member, points)
