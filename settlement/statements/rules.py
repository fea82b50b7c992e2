"""How a store's lines are told on its statement: what it pays with a plus, what it receives with a minus."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from settlement.proposals.rules import BILATERAL, BORNE, KINDS, REDEMPTION, Line
from settlement.statements.documents import StatementDocument
from settlement.terms.rules import ON_REDEMPTION
from tenants.foundation.money import split_largest_remainder
from tenants.stores.rules import HEAD_OFFICE

# One line for each other store: told as one row here, and store by store in the table of the counter-stores.
SUMMED = (BILATERAL, BORNE)


@dataclass(frozen=True)
class MoneyRow:
    """`exact` and `amount` (minor units) are what the store pays, less than nothing where it receives.

    `is_payer`: of the line as it is; its amount can be negative. Of more than one line `quantity`, `exact` and
    `amount` are sums, each line rounded by itself.
    """

    kind: str
    is_payer: bool
    quantity: int | None
    rate: Decimal | None
    exact: Decimal
    amount: int
    origin_month: date
    reference: UUID | None
    note: str


def money_rows(lines: Iterable[Line], store_id: UUID) -> list[MoneyRow]:
    """In the order of a statement; their amounts sum to the store's net."""
    rows: dict[object, MoneyRow] = {}
    for line in lines:
        row = row_of(line, store_id)
        key = (row.kind, row.is_payer, row.reference) if row.kind in SUMMED else line
        before = rows.get(key)
        rows[key] = row if before is None else added(before, row)
    return sorted(rows.values(), key=lambda row: KINDS.index(row.kind))


def row_of(line: Line, store_id: UUID) -> MoneyRow:
    is_payer = line.payer_id == store_id
    sign = 1 if is_payer else -1
    return MoneyRow(
        line.kind,
        is_payer,
        line.quantity,
        line.rate,
        sign * line.exact,
        sign * line.amount,
        line.origin_month,
        line.reference,
        line.note,
    )


def added(one: MoneyRow, other: MoneyRow) -> MoneyRow:
    return MoneyRow(
        one.kind,
        one.is_payer,
        (one.quantity or 0) + (other.quantity or 0),
        one.rate,
        one.exact + other.exact,
        one.amount + other.amount,
        one.origin_month,
        one.reference,
        one.note,
    )


@dataclass
class CounterStore:
    """Points that moved between a store and another one, and the money that hangs on them, in minor units.

    `paid`: what the store owes the other for its own points that were used there. `received`: what it is paid for the
    other's points that were used here.
    """

    own_recovered_there: int = 0
    theirs_recovered_here: int = 0
    paid: int = 0
    received: int = 0

    def plus(self, other: CounterStore) -> CounterStore:
        return CounterStore(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))


@dataclass
class CounterTable:
    """Every other store by its code, head office last, and `own`: own points that were recovered in the store itself.

    Whether there is anything to say of what is paid and received follows from the model, and from whether what is
    received can be split.
    """

    others: dict[str, CounterStore]
    own: CounterStore
    has_paid: bool
    has_received: bool

    @property
    def sum_of_others(self) -> CounterStore:
        total = CounterStore()
        for other in self.others.values():
            total = total.plus(other)
        return total


def counter_table(statement: StatementDocument) -> CounterTable:
    others = by_counter_store(statement)
    there = sum(other.own_recovered_there for other in others.values())
    here = sum(other.theirs_recovered_here for other in others.values())
    position = statement.line.position
    own = CounterStore(statement.own_points_recovered - there, position.recovered - here)
    is_bilateral = statement.heading.model == ON_REDEMPTION
    if is_bilateral:
        add_bilateral(statement, others)
    has_received = is_bilateral or split_received(statement, others, own)
    in_order = dict(sorted(others.items(), key=lambda item: (item[0] == HEAD_OFFICE, item[0])))
    return CounterTable(in_order, own, is_bilateral, has_received)


def by_counter_store(statement: StatementDocument) -> dict[str, CounterStore]:
    others: dict[str, CounterStore] = defaultdict(CounterStore)
    for flow in statement.counter_flows:
        if flow.issuing_code == statement.line.store_code:
            others[flow.redeeming_code].own_recovered_there += flow.points
        else:
            others[flow.issuing_code].theirs_recovered_here += flow.points
    return others


def add_bilateral(statement: StatementDocument, others: dict[str, CounterStore]) -> None:
    """What stores owe each other directly, as their lines say."""
    for line in statement.lines:
        if line.kind == BILATERAL:
            is_payer = line.payer_id == statement.store_id
            other = others[statement.names.codes[line.payee_id if is_payer else line.payer_id]]
            if is_payer:
                other.paid += line.amount
            else:
                other.received += line.amount


def split_received(statement: StatementDocument, others: Mapping[str, CounterStore], own: CounterStore) -> bool:
    """Divide what head office pays the store by whose points they were: by points, exactly, the largest remainders
    rounded up. False where nothing was recovered, or less than nothing of somebody's: nothing to divide by then."""
    parties = [*others.values(), own]
    weights = [party.theirs_recovered_here for party in parties]
    if sum(weights) <= 0 or min(weights) < 0:
        return False
    received = sum(line.amount for line in statement.lines if line.kind == REDEMPTION)
    for party, part in zip(parties, split_largest_remainder(received, weights), strict=True):
        party.received = part
    return True
