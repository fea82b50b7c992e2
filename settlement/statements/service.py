"""Published months as documents: loaded from the settlement tables, rendered into files that never change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import select

from settlement.authenticity.service import verification_url
from settlement.languages.rules import ENGLISH, language_of
from settlement.netting.queries import published_points
from settlement.netting.rules import StorePoints
from settlement.netting.tables import FlowRow
from settlement.proposals.queries import lines_of
from settlement.proposals.rules import Line, positions_of
from settlement.proposals.service import get_settlement
from settlement.proposals.tables import Settlement
from settlement.statements import queries
from settlement.statements.documents import (
    DayLine,
    Flow,
    MonthHeading,
    Names,
    SettlementDocument,
    StatementDocument,
    StoreLine,
)
from settlement.states.rules import REJECTED
from settlement.terms.rules import Calendar
from settlement.windows.service import get_published_window, identities_of, totals_of
from settlement.windows.tables import Window
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import NotFound
from tenants.foundation.months import last_day, show_month
from tenants.networks.service import get_network
from tenants.staff.tables import Staff
from tenants.stores.rules import HEAD_OFFICE
from tenants.stores.service import stores_and_owners
from tenants.stores.tables import Store

# Of so many stores the points, lines and days are in memory at once.
STATEMENTS_A_LOAD = 100


def load_settlement(tenant_id: UUID, month: date, version: int | None = None) -> SettlementDocument:
    """The version that is not rejected, or the one asked for. Raises `NotFound` when there is none."""
    settlement = get_settlement(tenant_id, month, version)
    window = get_published_window(tenant_id, month)
    with unit_of_work(tenant_id) as session:
        points = published_points(session, month)
        lines = lines_of(session, settlement.settlement_id)
        stores = store_lines(session, points, lines)
        heading = heading_fields(session, settlement, window)
    return SettlementDocument(
        **heading,
        totals=totals_of(window),
        hq_net=settlement.hq_net,
        rounding=settlement.rounding,
        stores=tuple(stores),
        hq_funded=points.get(tenant_id),
        lines=tuple(lines),
        flows=tuple(load_flows(tenant_id, month)),
        identities=tuple(identities_of([*(window.identities or ()), *settlement.identities])),
    )


def heading_fields(session: Unit, settlement: Settlement, window: Window) -> dict[str, Any]:
    """Those of `MonthHeading`."""
    network = get_network(settlement.tenant_id)
    people = {person.staff_id: person.code for person in session.scalars(select(Staff))}
    return {
        "tenant_id": settlement.tenant_id,
        "network_code": network.code,
        "network_name": network.name,
        "currency": network.currency,
        "time_zone": network.time_zone,
        "month": settlement.month,
        "closed_at": window.closed_at,
        "settlement_id": settlement.settlement_id,
        "version": settlement.version,
        "state": settlement.state,
        "model": settlement.model,
        "proposed_by": people[settlement.proposed_by],
        "approved_by": None if settlement.approved_by is None else people[settlement.approved_by],
        "as_of": settlement.approved_at or settlement.proposed_at,
        "merkle_root": window.merkle_root,
    }


def load_flows(tenant_id: UUID, month: date) -> list[Flow]:
    """The cells of the month's matrix that are not zero, by issuing and redeeming store."""
    with unit_of_work(tenant_id) as session:
        codes = {store_id: code for store_id, code in session.execute(select(Store.store_id, Store.code))}
        codes[tenant_id] = HEAD_OFFICE
        flows = [
            Flow(codes[row.funder_id], codes[row.redeeming_store_id], row.points)
            for row in session.scalars(select(FlowRow).where(FlowRow.month == month))
        ]
    return sorted(flows, key=flow_order)


def flow_order(flow: Flow) -> tuple[str, str]:
    return flow.issuing_code, flow.redeeming_code


def store_lines(session: Unit, points: Mapping[UUID, StorePoints], lines: Sequence[Line]) -> list[StoreLine]:
    """By code."""
    rows = session.execute(stores_and_owners().order_by(Store.code)).all()
    settled = {party for line in lines for party in (line.payer_id, line.payee_id)}
    named = [row for row in rows if row.Store.store_id in points or row.Store.store_id in settled]
    nothing = [StorePoints(row.Store.store_id, 0, 0, 0, 0) for row in named]
    positions = positions_of([points.get(p.store_id, p) for p in nothing], lines)
    return [
        StoreLine(row.Store.code, row.Store.name, row.Participant.name, position)
        for row, position in zip(named, positions, strict=True)
    ]


def load_heading(tenant_id: UUID, month: date, version: int | None = None) -> MonthHeading:
    """As `load_settlement`, without the figures."""
    settlement = get_settlement(tenant_id, month, version)
    window = get_published_window(tenant_id, month)
    with unit_of_work(tenant_id) as session:
        return MonthHeading(**heading_fields(session, settlement, window))


def load_statements(heading: MonthHeading, codes: Collection[str]) -> Iterator[StatementDocument]:
    """The statements of the stores in `codes`, by code, and nothing of the others but their names.

    Raises `NotFound` for a code of no store.
    """
    month = heading.month
    settlement = get_settlement(heading.tenant_id, month, heading.version)
    window = get_published_window(heading.tenant_id, month)
    with unit_of_work(heading.tenant_id) as session:
        stores = session.execute(stores_and_owners().order_by(Store.code)).all()
        wanted = [row for row in stores if row.Store.code in codes]
        check_all_known(codes, {row.Store.code for row in wanted}, month)
        names = Names(
            {row.Store.store_id: row.Store.code for row in stores} | {heading.tenant_id: HEAD_OFFICE},
            {row.Store.code: row.Store.name for row in stores},
            queries.fee_bases(session),
            queries.rate_begins(session),
        )
        store_ids = [row.Store.store_id for row in wanted]
        lines = by_party(queries.lines_of_stores(session, heading.settlement_id, store_ids))
        points = published_points(session, month, store_ids)
        flows = flows_by_store(queries.flows_of_stores(session, month, store_ids), names.codes)
        days = queries.days_by_store(session, month, store_ids)
        opening = queries.own_points_outstanding(session, month, store_ids)
        reversed_points = queries.reversed_points(session, month)
    for row in wanted:
        store_id = row.Store.store_id
        of_store = lines.get(store_id, [])
        [position] = positions_of([points.get(store_id, StorePoints(store_id, 0, 0, 0, 0))], of_store)
        yield make_statement(
            StoreLine(row.Store.code, row.Store.name, row.Participant.name, position),
            opening.get(store_id, 0),
            flows.get(store_id, []),
            heading=heading,
            calendar=calendar_of_window(window),
            content_hash=settlement.content_hash,
            names=names,
            lines=tuple(of_store),
            issued_reversed=reversed_points.get(store_id, (0, 0))[0],
            recovered_reversed=reversed_points.get(store_id, (0, 0))[1],
            days=tuple(every_day(month, days.get(store_id, []))),
            verification_url=verification_url(heading.tenant_id, heading.settlement_id, store_id),
        )


def check_all_known(codes: Collection[str], known: Collection[str], month: date) -> None:
    unknown = sorted(set(codes) - set(known))
    if unknown:
        raise NotFound(f"No store {', '.join(unknown)} in {show_month(month)}.", code="store_unknown")


def by_party(lines: Iterable[Line]) -> dict[UUID, list[Line]]:
    found: dict[UUID, list[Line]] = {}
    for line in lines:
        for party in {line.payer_id, line.payee_id}:
            found.setdefault(party, []).append(line)
    return found


def flows_by_store(flows: Iterable[tuple[UUID, UUID, int]], codes: Mapping[UUID, str]) -> dict[UUID, list[Flow]]:
    found: dict[UUID, list[Flow]] = {}
    for issuer_id, redeemer_id, points in flows:
        for store_id in {issuer_id, redeemer_id}:
            found.setdefault(store_id, []).append(Flow(codes[issuer_id], codes[redeemer_id], points))
    return found


def calendar_of_window(window: Window) -> Calendar:
    return Calendar(window.dispute_until, window.approve_by, window.collect_on, window.pay_on)


def make_statement(line: StoreLine, opening: int, flows: Sequence[Flow], **more: Any) -> StatementDocument:
    """`flows` have the store on either side, or on both; `more` are the fields that need no reckoning."""
    position = line.position
    own_recovered = sum(flow.points for flow in flows if flow.issuing_code == line.store_code)
    return StatementDocument(
        line=line,
        opening_outstanding=opening,
        own_points_recovered=own_recovered,
        closing_outstanding=opening + position.issued + position.borne - own_recovered - position.expired,
        counter_flows=tuple(flow for flow in flows if flow.issuing_code != flow.redeeming_code),
        **more,
    )


def every_day(month: date, days: list[DayLine]) -> list[DayLine]:
    """A line for each day of the month, after the days before it that events came late from."""
    by_day = {line.day: line for line in days}
    for number in range(1, last_day(month).day + 1):
        by_day.setdefault(month.replace(day=number), DayLine(month.replace(day=number), 0, 0, 0))
    return [by_day[day] for day in sorted(by_day)]


def output_folder(network_code: str, month: date) -> Path:
    folder: Path = current_app.config["SETTINGS"].var / "output" / network_code / show_month(month)
    return folder


def version_folder(heading: MonthHeading) -> Path:
    """The month's own folder is for what was approved, of which there is one version; others have a folder each."""
    folder = output_folder(heading.network_code, heading.month)
    if heading.is_final:
        return folder
    return folder / f"v{heading.version}-{'rejected' if heading.state == REJECTED else 'draft'}"


def statement_path(heading: MonthHeading, code: str, language: str = ENGLISH) -> Path:
    return version_folder(heading) / folder_of(language) / f"{file_name(code)}.pdf"


def folder_of(language: str) -> str:
    return "statements" if language == ENGLISH else f"statements-{language}"


def file_name(code: str) -> str:
    """Store codes are free text: what is not safe in a file name is written as its number."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else f"%{ord(c):02x}" for c in code)


def write_unless_there(path: Path, as_of: datetime, write: Callable[[Path], None]) -> Path:
    """A version never changes, so a document that has been written since is right.

    An older one was left by another database that used the same folder.
    """
    if not path.exists() or path.stat().st_mtime < as_of.timestamp():
        write(path)
    return path


def render_statements(
    heading: MonthHeading,
    codes: Collection[str],
    on_progress: Callable[[int], None] = lambda statements: None,
    language: str = ENGLISH,
) -> list[Path]:
    """Those that are there already stay as they are. Raises `NotFound` for a code of no store."""
    # What draws takes 11 MB of memory; most processes draw nothing.
    from settlement.statements.pdf import write_statement_pdf

    in_language = language_of(language)
    paths = []
    for chunk in chunks(sorted(codes), STATEMENTS_A_LOAD):
        for statement in load_statements(heading, chunk):
            path = statement_path(heading, statement.line.store_code, language)
            write = partial(write_statement_pdf, statement, language=in_language)
            paths.append(write_unless_there(path, heading.as_of, write))
            on_progress(1)
    return paths


def chunks(codes: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(codes), size):
        yield list(codes[start : start + size])
