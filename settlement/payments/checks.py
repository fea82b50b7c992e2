"""Payment files and banks' entries against the legs that they pay. To be called inside a unit of work."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain
from typing import Any

from sqlalchemy import Row, text

from clearinghouse.ledger.checks import Finding
from settlement.legs.rules import direction_of
from settlement.payments.queries import contents_of_settlement
from settlement.proposals.tables import Settlement
from settlement.windows.tables import Window
from tenants.foundation import ids
from tenants.foundation.database import Unit

FILES = text("""
    SELECT f.file_id, f.direction, f.payments, f.total, f.sha256,
           count(o.leg_id) AS orders, coalesce(sum(o.amount), 0)::bigint AS ordered
    FROM settlement.payment_files f
    LEFT JOIN settlement.payment_orders o ON o.tenant_id = f.tenant_id AND o.file_id = f.file_id
    WHERE f.settlement_id = :settlement
    GROUP BY f.tenant_id, f.file_id
    ORDER BY f.file_id
""")
ORDERS = text("""
    SELECT o.leg_id, o.amount AS ordered, l.amount, f.direction
    FROM settlement.payment_files f
    JOIN settlement.payment_orders o ON o.tenant_id = f.tenant_id AND o.file_id = f.file_id
    JOIN settlement.legs l ON l.tenant_id = o.tenant_id AND l.leg_id = o.leg_id
    WHERE f.settlement_id = :settlement
    ORDER BY o.leg_id
""")
ENTRIES = text("""
    SELECT e.leg_id, e.amount AS told, l.amount
    FROM settlement.bank_entries e JOIN settlement.legs l ON l.tenant_id = e.tenant_id AND l.leg_id = e.leg_id
    WHERE l.settlement_id = :settlement AND e.amount <> abs(l.amount)
    ORDER BY e.leg_id
""")


def check_payments(session: Unit, window: Window, settlement: Settlement) -> list[Finding]:
    """Files hold what their orders say and orders what their legs say; banks told of the same amounts."""
    values = {"settlement": settlement.settlement_id}
    contents = contents_of_settlement(session, settlement.settlement_id)
    return [
        *chain.from_iterable(check_file(row, contents[row.file_id]) for row in session.execute(FILES, values)),
        *chain.from_iterable(check_order(row) for row in session.execute(ORDERS, values)),
        *(
            Finding("bank entries", ids.show(ids.LEG, row.leg_id), str(abs(row.amount)), str(row.told))
            for row in session.execute(ENTRIES, values)
        ),
    ]


def check_file(row: Row[Any], content: bytes) -> Iterator[Finding]:
    subject = ids.show(ids.PAYMENT_FILE, row.file_id)
    if hashlib.sha256(content).digest() != bytes(row.sha256):
        yield Finding("payment files", subject, "the bytes of its SHA-256", "others")
    if (row.orders, row.ordered) != (row.payments, row.total):
        expected, found = f"{row.orders} payments of {row.ordered}", f"{row.payments} payments of {row.total}"
        yield Finding("payment files", subject, expected, found)


def check_order(row: Row[Any]) -> Iterator[Finding]:
    expected = direction_of(row.amount), abs(row.amount)
    if expected != (row.direction, row.ordered):
        subject = ids.show(ids.LEG, row.leg_id)
        yield Finding(
            "payment orders", subject, f"{expected[0]} of {expected[1]}", f"{row.direction} of {row.ordered}"
        )
