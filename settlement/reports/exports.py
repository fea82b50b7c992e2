"""The files of a month for head office: those of a version never change, those that say what was paid do."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from settlement.languages.rules import ENGLISH, language_of
from settlement.reports.csv_files import write_ageing_csv, write_flows_csv, write_lines_csv, write_positions_csv
from settlement.reports.documents import NetworkReport
from settlement.reports.service import current_since, load_report
from settlement.statements.documents import SettlementDocument
from settlement.statements.service import version_folder, write_unless_there
from tenants.foundation.errors import NotFound


def write_xlsx(report: NetworkReport, path: Path, language: str) -> None:
    from settlement.reports.xlsx import write_settlement_xlsx

    write_settlement_xlsx(report, path, language)


def write_pdf(report: NetworkReport, path: Path, language: str) -> None:
    from settlement.reports.pdf import write_report_pdf

    write_report_pdf(report, path, language)


EXPORTS: dict[str, Callable[[SettlementDocument, Path], None]] = {
    "positions.csv": write_positions_csv,
    "lines.csv": write_lines_csv,
    "flows.csv": write_flows_csv,
}
# What these say of payments changes; words in one of the languages of `settlement.languages.rules`.
REPORTS: dict[str, Callable[[NetworkReport, Path, str], None]] = {
    "settlement.xlsx": write_xlsx,
    "report.pdf": write_pdf,
    "ageing.csv": lambda report, path, language: write_ageing_csv(report.ageing, path),
}
EXPORT_NAMES = (*REPORTS, *EXPORTS)


def render_exports(document: SettlementDocument, language: str = ENGLISH) -> list[Path]:
    load = cache(lambda: load_report(document))
    return [render(document, name, language, load) for name in EXPORT_NAMES]


def render_export(document: SettlementDocument, name: str, language: str = ENGLISH) -> Path:
    if name not in EXPORT_NAMES:
        raise NotFound(f"There is no export {name!r}: {', '.join(EXPORT_NAMES)}.", code="export_unknown")
    return render(document, name, language, lambda: load_report(document))


def render(document: SettlementDocument, name: str, language: str, load: Callable[[], NetworkReport]) -> Path:
    language_of(language)
    folder = version_folder(document)
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
