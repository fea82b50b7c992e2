"""What the owner of stores sees: months, lines and statements of these stores, draft or final, and their disputes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from uuid import UUID

from settlement.adjustments.queries import decided_before
from settlement.disputes.queries import FullDispute, disputed_by_line, list_disputes
from settlement.disputes.rules import amount_left, is_disputable
from settlement.owners import queries
from settlement.proposals.queries import lines_of, live_settlement
from settlement.proposals.rules import Line
from settlement.proposals.tables import Settlement
from settlement.statements.service import load_heading, render_statements
from settlement.states.rules import PROPOSED
from settlement.windows.tables import Window
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import NotFound
from tenants.foundation.months import show_month
from tenants.networks.service import today_in
from tenants.staff.rules import Actor
from tenants.stores.queries import codes_of_parties, own_store, own_stores


@dataclass(frozen=True)
class OwnMonth:
    """`nets` are by store code: positive remits, negative receives."""

    window: Window
    settlement: Settlement
    nets: dict[str, int]


@dataclass(frozen=True)
class OwnLine:
    """`disputed` is what is disputed of the line, or was so with success; `disputable` what can be disputed now."""

    line: Line
    disputed: int
    disputable: int


@dataclass(frozen=True)
class OwnLines:
    """A store's lines of a month; `codes` are those of its payers and payees."""

    window: Window
    settlement: Settlement
    store_code: str
    net: int
    lines: list[OwnLine]
    codes: dict[UUID, str]


def list_own_months(tenant_id: UUID, actor: Actor, before: date | None, limit: int) -> list[OwnMonth]:
    """Newest first, those before the month `before`, as they are proposed or settled."""
    with unit_of_work(tenant_id) as session:
        stores = own_stores(session, actor.participant_id)
        months = queries.settled_months(session, before, limit)
        settlement_ids = [settlement.settlement_id for _, settlement in months]
        nets = queries.nets_of_stores(session, settlement_ids, [store.store_id for store in stores])
    return [
        OwnMonth(
            window,
            settlement,
            {store.code: nets.get((settlement.settlement_id, store.store_id), 0) for store in stores},
        )
        for window, settlement in months
    ]


def own_lines(tenant_id: UUID, actor: Actor, month: date, store_code: str) -> OwnLines:
    """Raises `NotFound` for a store of somebody else, and while nothing is proposed for the month."""
    with unit_of_work(tenant_id) as session:
        store = own_store(session, actor.participant_id, store_code)
        settlement = proposed_or_settled(session, month)
        window = session.get_one(Window, (tenant_id, month))
        lines = lines_of(session, settlement.settlement_id, store.store_id)
        disputed, decided = disputed_by_line(session, month), decided_before(session, month)
        is_open = settlement.state == PROPOSED and today_in(tenant_id) <= window.dispute_until
        shown = [
            own_line(line, disputed.get(line.key, 0), is_open and is_disputable(line.kind, line.reference in decided))
            for line in lines
        ]
        parties = {party for line in lines for party in (line.payer_id, line.payee_id)}
        codes = codes_of_parties(session, tenant_id, parties)
    net = sum(line.owed_by(store.store_id) for line in lines)
    return OwnLines(window, settlement, store_code, net, shown, codes)


def proposed_or_settled(session: Unit, month: date) -> Settlement:
    settlement = live_settlement(session, month)
    if settlement is None:
        raise NotFound(
            f"Nothing is proposed for {show_month(month)} at the moment: look again later.", code="settlement_unknown"
        )
    return settlement


def own_line(line: Line, disputed: int, can_be_disputed: bool) -> OwnLine:
    return OwnLine(line, abs(disputed), abs(amount_left(line.amount, disputed)) if can_be_disputed else 0)


def render_own_statement(tenant_id: UUID, actor: Actor, month: date, store_code: str) -> Path:
    """The PDF, a draft until the month is approved. Raises `NotFound` as `own_lines` does."""
    with unit_of_work(tenant_id) as session:
        own_store(session, actor.participant_id, store_code)
        proposed_or_settled(session, month)
    [path] = render_statements(load_heading(tenant_id, month), {store_code})
    return path


def list_own_disputes(
    tenant_id: UUID,
    actor: Actor,
    month: date | None = None,
    state: str | None = None,
    after: UUID | None = None,
    limit: int | None = None,
) -> list[FullDispute]:
    """Of the owner's stores, oldest first, those opened after the dispute `after`."""
    with unit_of_work(tenant_id) as session:
        store_ids = [store.store_id for store in own_stores(session, actor.participant_id)]
        return list_disputes(session, month, state, store_ids, after, limit)
