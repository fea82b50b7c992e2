"""Published months as documents: loaded from the settlement tables, rendered into files that never change."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import cache, partial
from pathlib import Path
from uuid import UUID

from flask import current_app
from sqlalchemy import func, select

from settlement.netting.rules import StorePoints
from settlement.netting.tables import DayRow, FlowRow, PositionRow
from settlement.proposals.queries import lines_of
from settlement.proposals.rules import Line, positions_of
from settlement.proposals.service import get_settlement
from settlement.reports.csv_files import write_ageing_csv
from settlement.reports.documents import NetworkReport
from settlement.reports.pdf import write_report_pdf
from settlement.reports.service import current_since, load_report
from settlement.reports.texts import ENGLISH, check_language
from settlement.reports.xlsx import write_settlement_xlsx
from settlement.statements.csv_files import write_flows_csv, write_lines_csv, write_positions_csv
from settlement.statements.documents import DayLine, Flow, SettlementDocument, StatementDocument, StoreLine
from settlement.statements.pdf import write_statement_pdf
from settlement.windows.service import get_published_window, identities_of, totals_of
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import NotFound
from tenants.foundation.months import last_day, show_month
from tenants.networks.service import get_network
from tenants.staff.tables import Staff
from tenants.stores.service import HEAD_OFFICE, stores_and_owners
from tenants.stores.tables import Store

EXPORTS: dict[str, Callable[[SettlementDocument, Path], None]] = {
    "positions.csv": write_positions_csv,
    "lines.csv": write_lines_csv,
    "flows.csv": write_flows_csv,
}
# What these say of payments changes; words in one of the languages of `settlement.reports.texts`.
REPORTS: dict[str, Callable[[NetworkReport, Path, str], None]] = {
    "settlement.xlsx": write_settlement_xlsx,
    "report.pdf": write_report_pdf,
    "ageing.csv": lambda report, path, language: write_ageing_csv(report.ageing, path),
}
EXPORT_NAMES = (*REPORTS, *EXPORTS)


def load_settlement(tenant_id: UUID, month: date, version: int | None = None) -> SettlementDocument:
    """The version that is not rejected, or the one asked for. Raises `NotFound` when there is none."""
    settlement = get_settlement(tenant_id, month, version)
    window = get_published_window(tenant_id, month)
    with unit_of_work(tenant_id) as session:
        network = get_network(tenant_id)
        points = {row.store_id: points_of_row(row) for row in positions_in(session, month)}
        lines = lines_of(session, settlement.settlement_id)
        stores = store_lines(session, points, lines)
        people = {person.staff_id: person.code for person in session.scalars(select(Staff))}
    return SettlementDocument(
        tenant_id,
        network.code,
        network.name,
        network.currency,
        network.time_zone,
        month,
        window.closed_at,
        settlement.settlement_id,
        settlement.version,
        settlement.state,
        settlement.model,
        people[settlement.proposed_by],
        None if settlement.approved_by is None else people[settlement.approved_by],
        settlement.approved_at or settlement.proposed_at,
        totals_of(window),
        settlement.hq_net,
        settlement.rounding,
        tuple(stores),
        points.get(tenant_id),
        tuple(lines),
        tuple(load_flows(tenant_id, month)),
        tuple(identities_of([*(window.identities or ()), *settlement.identities])),
        window.merkle_root,
    )


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


def positions_in(session: Unit, month: date) -> Sequence[PositionRow]:
    return session.scalars(select(PositionRow).where(PositionRow.month == month)).all()


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


def points_of_row(row: PositionRow) -> StorePoints:
    return StorePoints(row.store_id, row.issued, row.recovered, row.expired, row.borne)


def load_statements(settlement: SettlementDocument, tenant_id: UUID, codes: set[str]) -> list[StatementDocument]:
    """The statements of the stores in `codes`, by code."""
    month = settlement.month
    with unit_of_work(tenant_id) as session:
        opening = own_points_outstanding(session, month)
        days: dict[UUID, list[DayLine]] = {}
        for row in session.scalars(select(DayRow).where(DayRow.month == month).order_by(DayRow.day)):
            days.setdefault(row.store_id, []).append(DayLine(row.day, row.issued, row.recovered, row.expired))
    flows: dict[str, list[Flow]] = {}
    for flow in settlement.flows:
        for code in {flow.issuing_code, flow.redeeming_code} & codes:
            flows.setdefault(code, []).append(flow)
    return [
        make_statement(
            settlement,
            line,
            opening.get(line.position.store_id, 0),
            days.get(line.position.store_id, []),
            flows.get(line.store_code, []),
        )
        for line in settlement.stores
        if line.store_code in codes
    ]


def own_points_outstanding(session: Unit, month: date) -> dict[UUID, int]:
    """By store: its points issued and borne in the months before, not recovered anywhere nor expired in them."""
    issued = select(
        PositionRow.store_id, func.sum(PositionRow.issued + PositionRow.borne - PositionRow.expired)
    ).where(PositionRow.month < month)
    recovered = select(FlowRow.funder_id, func.sum(FlowRow.points)).where(FlowRow.month < month)
    outstanding = {
        store_id: int(points) for store_id, points in session.execute(issued.group_by(PositionRow.store_id))
    }
    for funder_id, points in session.execute(recovered.group_by(FlowRow.funder_id)):
        outstanding[funder_id] = outstanding.get(funder_id, 0) - int(points)
    return outstanding


def make_statement(
    settlement: SettlementDocument, line: StoreLine, opening: int, days: list[DayLine], flows: list[Flow]
) -> StatementDocument:
    code, position = line.store_code, line.position
    own_recovered = sum(flow.points for flow in flows if flow.issuing_code == code)
    return StatementDocument(
        settlement,
        line,
        opening,
        own_recovered,
        opening + position.issued + position.borne - own_recovered - position.expired,
        tuple(every_day(settlement.month, days)),
        tuple(flow for flow in flows if flow.issuing_code != flow.redeeming_code),
        position.store_id,
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


def statement_path(document: SettlementDocument, code: str) -> Path:
    """Store codes are free text: what is not safe in a file name is written as its number."""
    name = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else f"%{ord(c):02x}" for c in code)
    return output_folder(document.network_code, document.month) / "statements" / f"{name}.pdf"


def write_unless_there(path: Path, as_of: datetime, write: Callable[[Path], None]) -> Path:
    """A version never changes, so a document that has been written since is right.

    An older one was left by another database that used the same folder.
    """
    if not path.exists() or path.stat().st_mtime < as_of.timestamp():
        write(path)
    return path


def render_exports(document: SettlementDocument, language: str = ENGLISH) -> list[Path]:
    load = cache(lambda: load_report(document))
    return [render(document, name, language, load) for name in EXPORT_NAMES]


def render_export(document: SettlementDocument, name: str, language: str = ENGLISH) -> Path:
    if name not in EXPORT_NAMES:
        raise NotFound(f"There is no export {name!r}: {', '.join(EXPORT_NAMES)}.", code="export_unknown")
    return render(document, name, language, lambda: load_report(document))


def render(document: SettlementDocument, name: str, language: str, load: Callable[[], NetworkReport]) -> Path:
    check_language(language)
    folder = output_folder(document.network_code, document.month)
    if name in EXPORTS:
        return write_unless_there(folder / name, document.as_of, partial(EXPORTS[name], document))
    since = max(document.as_of, current_since(document.tenant_id))
    path = folder / name_in(name, language)
    return write_unless_there(path, since, lambda at: write_report(load(), name, at, language))


def write_report(report: NetworkReport, name: str, path: Path, language: str) -> None:
    """The file is as old as what it says: a payment that was booked meanwhile makes it out of date."""
    REPORTS[name](report, path, language)
    os.utime(path, (report.loaded_at.timestamp(), report.loaded_at.timestamp()))


def name_in(name: str, language: str) -> str:
    """`settlement.zh-Hans.xlsx`; English, and CSV for programmes, have no language in their names."""
    stem, _, kind = name.partition(".")
    return name if language == ENGLISH or kind == "csv" else f"{stem}.{language}.{kind}"


def render_statements(
    document: SettlementDocument,
    tenant_id: UUID,
    codes: set[str],
    on_progress: Callable[[int], None] = lambda statements: None,
) -> list[Path]:
    known = {line.store_code for line in document.stores}
    if not codes <= known:
        raise NotFound(
            f"No store {', '.join(sorted(codes - known))} in {show_month(document.month)}.",
            code="store_unknown",
        )
    paths = []
    for statement in load_statements(document, tenant_id, codes):
        path = statement_path(document, statement.line.store_code)
        paths.append(write_unless_there(path, document.as_of, partial(write_statement_pdf, statement)))
        on_progress(1)
    return paths
