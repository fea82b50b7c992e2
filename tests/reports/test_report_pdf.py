"""What head office reads on the monthly report of its network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from settlement.reports.documents import NetworkReport
from settlement.reports.pdf import write_report_pdf
from settlement.statements.documents import SettlementDocument
from settlement.terms.rules import ON_REDEMPTION
from tests.reports.examples import report_of
from tests.settlement.documents import (
    busy_settlement,
    settlement_of,
    small_settlement,
    wide_settlement,
    zero_settlement,
)


def pages(folder: Path, report: NetworkReport, language: str = "en") -> list[str]:
    write_report_pdf(report, folder / "report.pdf", language)
    return [page.extract_text() for page in PdfReader(folder / "report.pdf").pages]


def test_the_first_page_has_totals_netting_and_the_largest_flows(tmp_path: Path) -> None:
    first = pages(tmp_path, report_of(small_settlement()))[0]

    assert "The network in November 2026" in first
    assert "Stores remit (collections)" in first and "1,325.94" in first
    assert "Closing outstanding\n369,341" in first
    for figures in ("448.61\n4", "226.41\n3\n49.5%"):
        assert figures in first
    assert "S2 Shop S2" in first and "30,001\n270.01" in first
    assert "Draft" not in first


def test_what_is_unpaid_and_twelve_months_follow(tmp_path: Path) -> None:
    text = "\n".join(pages(tmp_path, report_of(small_settlement())))

    assert "Unpaid payments at the end of January 20, 2027, in USD" in text
    assert "31-60 days" in text
    assert "Longest due" in text and "collection\n100" in text
    assert "The last 12 months" in text
    assert "2025-12" in text and "2026-11" in text and "2025-11" not in text


def test_a_draft_says_so(tmp_path: Path) -> None:
    assert "Draft: proposed, not approved" in pages(tmp_path, report_of(small_settlement(state="proposed")))[0]


def test_the_report_is_written_in_chinese(tmp_path: Path) -> None:
    text = "\n".join(pages(tmp_path, report_of(small_settlement()), "zh-Hans"))

    assert "第 1 页" in text and "共 2 页" in text and "Page" not in text

    assert "2026年11月网络概况" in text.replace("\n", "")
    assert "USD 1,325.94" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert "最大流量" in text and "Largest" not in text


MONTHS: dict[str, tuple[SettlementDocument, dict[str, Any]]] = {
    "nothing": (zero_settlement(), {"months": 0, "legs": False}),
    "no stores": (settlement_of([], {}), {"months": 1}),
    "many stores": (wide_settlement(300, scale=10**9), {}),
    "long names": (small_settlement(names=dict.fromkeys(("S1", "S2"), "Llanfairpwllgwyngyll & <Söhne> " * 6)), {}),
    "Chinese names": (small_settlement(names={"S1": "北京王府井大街旗舰店 ☃"}, network_name="港口咖啡"), {}),
    "yen": (busy_settlement(currency="JPY"), {}),
    "dinars": (busy_settlement(currency="KWD"), {}),
    "on redemption": (busy_settlement(model=ON_REDEMPTION), {}),
}


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
@pytest.mark.parametrize("month", MONTHS)
def test_every_month_fits_on_at_most_three_pages(tmp_path: Path, month: str, language: str) -> None:
    document, options = MONTHS[month]

    assert 1 <= len(pages(tmp_path, report_of(document, **options), language)) <= 3


def test_same_report_gives_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_report_pdf(report_of(busy_settlement()), tmp_path / f"{name}.pdf")

    assert (tmp_path / "first.pdf").read_bytes() == (tmp_path / "second.pdf").read_bytes()


def test_a_month_without_flows_between_stores_says_so(tmp_path: Path) -> None:
    text = "\n".join(pages(tmp_path, replace(report_of(small_settlement()), largest_flows=())))

    assert "No store recovered points of another." in text
