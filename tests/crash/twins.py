"""Two networks that are alike, of which one is left in peace: what the other comes to has to be the same.

What they come to is told by the names that both have, as ids and moments differ.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from apiflask import APIFlask
from sqlalchemy import text

from tenants.foundation.database import unit_of_work
from tenants.members.service import create_member, issue_card
from tenants.stores.service import create_stores
from tests.conftest import NetworkForTests, a_card_number, new_network

STORES, CARDS, PURCHASES = 20, 100, 3_000
JANUARY = date(2026, 1, 1)
COLUMNS = ("order_ref", "store", "card", "occurred_at", "amount", "redeem_points")

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Twins:
    """`purchases` is a file of January's that fits them all."""

    calm: NetworkForTests
    struck: dict[str, NetworkForTests]
    purchases: Path


def make_twins(app: APIFlask, names: Iterable[str], folder: Path, chance: random.Random) -> Twins:
    """One to be struck for each name. Points of January's first days expire in its last ones."""
    cards = [a_card_number() for _ in range(CARDS)]
    purchases = folder / "purchases.csv"
    with purchases.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(a_purchase(number, cards, chance) for number in range(PURCHASES))
    return Twins(a_twin(app, cards), {name: a_twin(app, cards) for name in names}, purchases)


def a_twin(app: APIFlask, cards: list[str]) -> NetworkForTests:
    network = new_network(app, expiry_policy="P20D")
    create_stores(network.tenant_id, [f"S{number:02d}" for number in range(STORES)])
    for card in cards:
        issue_card(network.tenant_id, create_member(network.tenant_id).member_id, card)
    return network


def a_purchase(number: int, cards: list[str], chance: random.Random) -> tuple[Any, ...]:
    redeemed = chance.randint(1, 40) if chance.random() < 0.3 else 0
    moment = f"2026-01-{1 + number * 31 // PURCHASES:02d}T12:00:00Z"
    store = f"S{chance.randrange(STORES):02d}"
    return f"o{number}", store, chance.choice(cards), moment, chance.randint(100, 5_000), redeemed


def ask(network: NetworkForTests, sql: str) -> Rows:
    with unit_of_work(network.tenant_id) as session:
        return [tuple(row) for row in session.execute(text(sql)).all()]


def count(network: NetworkForTests, sql: str) -> int:
    return int(ask(network, sql)[0][0])


def transfers(network: NetworkForTests) -> Rows:
    """Each member's in the order of the chain."""
    return ask(network, """
        SELECT c.number, sequence, kind, s.code, order_ref, points, amount, deficit_change, business_date,
               settlement_month, available_after
        FROM ledger.transfers t LEFT JOIN tenants.stores s USING (tenant_id, store_id)
        JOIN tenants.cards c ON c.tenant_id = t.tenant_id AND c.member_id = t.member_id
        ORDER BY c.number, sequence
    """)  # fmt: skip


def lots(network: NetworkForTests) -> Rows:
    return ask(network, """
        SELECT c.number, s.code, issued.order_ref, l.remaining, l.expires_on
        FROM ledger.lots l JOIN tenants.cards c USING (tenant_id, member_id)
        LEFT JOIN tenants.stores s ON s.tenant_id = l.tenant_id AND s.store_id = l.funder_id
        JOIN ledger.transfers issued ON issued.tenant_id = l.tenant_id AND issued.transfer_id = l.transfer_id
        ORDER BY c.number, s.code, issued.order_ref
    """)  # fmt: skip


def january(network: NetworkForTests) -> Rows:
    """January's totals and what was proven of them; what each store issued and recovered, and of whom."""
    totals = ask(
        network,
        """
        SELECT month, issued, borne, recovered, expired, opening_outstanding, closing_outstanding, identities
        FROM settlement.windows WHERE month = '2026-01-01'
    """,
    )
    points = ask(
        network,
        """
        SELECT s.code, issued, borne, recovered, expired
        FROM settlement.positions JOIN tenants.stores s USING (tenant_id, store_id)
        WHERE month = '2026-01-01' ORDER BY s.code
    """,
    )
    flows = ask(
        network,
        """
        SELECT i.code, r.code, points FROM settlement.flows f
        LEFT JOIN tenants.stores i ON i.tenant_id = f.tenant_id AND i.store_id = f.funder_id
        JOIN tenants.stores r ON r.tenant_id = f.tenant_id AND r.store_id = f.redeeming_store_id
        WHERE month = '2026-01-01' ORDER BY i.code, r.code
    """,
    )
    return [*totals, *points, *flows]
