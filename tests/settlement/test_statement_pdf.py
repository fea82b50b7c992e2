"""What a store's bookkeeper reads on the monthly statement."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PageObject, PdfReader
from reportlab.pdfbase.pdfmetrics import stringWidth

from settlement.netting.rules import Rates
from settlement.statements.documents import DayLine, Flow, StatementDocument
from settlement.statements.pdf import write_statement_pdf
from tenants.foundation.money import show_money
from tests.settlement.documents import (
    days_of,
    settlement_of,
    small_settlement,
    statement_of,
    wide_settlement,
    zero_settlement,
)

TIMES = "\N{MULTIPLICATION SIGN}"
LONG_NAME = "The Extraordinarily Long Named Restaurant at Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch "


@pytest.mark.parametrize(
    ("issued", "recovered", "headline"),
    [
        (123_456, 0, "Remit to head office USD 1,234.56"),
        (0, 200_000, "Receive from head office USD 1,800.00"),
        (0, 0, "Nothing to settle USD 0.00"),
        (9, 10, "Nothing to settle USD 0.00"),
    ],
)
def test_amount_and_direction_stand_in_large_type(tmp_path: Path, issued: int, recovered: int, headline: str) -> None:
    settlement = settlement_of([Flow("S2", "S1", recovered)], {"S1": issued, "S2": 0})

    pieces = sized_text(written(tmp_path, statement_of(settlement)))

    assert " ".join(text for text, size in pieces if size >= 18) == headline


def test_statement_says_whose_it_is_and_when_it_was_closed(tmp_path: Path) -> None:
    text = page_texts(tmp_path, statement_of(small_settlement()))[0]

    assert "Harbour Coffee" in text
    assert "S1 · Shop S1" in text
    assert "Northgate Foods Ltd" in text
    assert "November 2026" in text
    assert "2026-12-02 09:05 America/New_York" in text


def test_opening_and_movements_add_up_to_closing_on_paper(tmp_path: Path) -> None:
    text = page_texts(tmp_path, statement_of(small_settlement()))[0]
    labels = [
        "Opening outstanding",
        "Issued",
        "Own points recovered anywhere",
        "Expired",
        "Closing outstanding",
    ]

    *movements, closing = [number_after(label, text) for label in labels]

    assert movements == [250_000, 123_456, -52_345, -2_469]
    assert sum(movements) == closing == 318_642


def test_amount_is_explained_from_points_and_rates(tmp_path: Path) -> None:
    text = page_texts(tmp_path, statement_of(small_settlement()))[0]

    assert f"123,456 points issued {TIMES} funding rate 0.01 1,234.56" in text
    assert f"77,501 points recovered here {TIMES} redemption rate 0.009 -697.51" in text
    assert "Net, to remit 537.05" in text


def test_rounding_is_told_only_where_it_happened(tmp_path: Path) -> None:
    rounded = page_texts(tmp_path, statement_of(small_settlement()))[0]
    exact = page_texts(tmp_path, statement_of(small_settlement(rates=Rates(Decimal(1), Decimal(1)))))[0]

    assert "Each product is rounded to 0.01" in rounded
    assert "rounded" not in exact


def test_days_add_up_to_the_month(tmp_path: Path) -> None:
    text = page_texts(tmp_path, statement_of(small_settlement()))[0]
    days = re.findall(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d\d (\S+) (\S+) (\S+)", text)
    columns = [sum(int(count.replace(",", "")) for count in column) for column in zip(*days, strict=True)]

    assert len(days) == 30
    assert columns == [123_456, 77_501, 2_469]
    assert "Month 123,456 77,501 2,469" in text


def test_counter_stores_add_up_to_the_first_page(tmp_path: Path) -> None:
    text = " ".join(page_texts(tmp_path, statement_of(small_settlement())))

    assert "S2 Shop S2 12,345 30,001 -17,656" in text
    assert "S3 Shop S3 0 7,000 -7,000" in text
    assert "HQ Head office 0 500 -500" in text
    assert "Sum of the above 12,345 37,501 -25,156" in text
    assert "Own points recovered in this store 40,000 40,000 0" in text
    assert "Total, as on page 1 52,345 77,501 -25,156" in text


def test_month_without_counter_stores_says_so_on_one_page(tmp_path: Path) -> None:
    pages = page_texts(tmp_path, statement_of(zero_settlement()))

    assert len(pages) == 1
    assert "No points moved between this store and others in this month." in pages[0]


def test_four_hundred_counter_stores_break_over_pages_with_headers(tmp_path: Path) -> None:
    pages = page_texts(tmp_path, statement_of(wide_settlement(400)))
    listed = [page for page in pages if re.search(r"C\d{4} ", page)]

    assert len(listed) >= 7
    assert all("Store Name Own points recovered there" in page for page in listed)
    assert re.findall(r"C(\d{4}) \d+ Long Avenue", " ".join(pages)) == [f"{n:04d}" for n in range(400)]


def test_every_page_is_numbered_and_says_whose_it_is(tmp_path: Path) -> None:
    pages = page_texts(tmp_path, statement_of(wide_settlement(100)))

    for number, page in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in page
        assert "November 2026 · S1 Shop S1 · Harbour Coffee" in page


def test_yen_has_no_decimals(tmp_path: Path) -> None:
    text = page_texts(tmp_path, statement_of(small_settlement(currency="JPY")))[0]

    assert "Remit to head office JPY 53,705 " in text
    assert "funding rate 1 123,456 " in text


@pytest.mark.parametrize("scale", [30_000_000, 30_000_000_000])
def test_large_numbers_stay_inside_the_page_and_apart(tmp_path: Path, scale: int) -> None:
    statement = statement_of(wide_settlement(20, scale))
    text = " ".join(page_texts(tmp_path, statement))

    assert f"Remit to head office USD {show_money(scale * 400_000 - scale * 8_069 * 9 // 10, 'USD')} " in text
    assert f"Month {scale * 400_000:,} {scale * 8_069:,} {scale * 8_000:,} " in text
    assert is_inside_the_page_and_apart(written(tmp_path, statement))


@pytest.mark.parametrize("code", ["S1", "S2"])
def test_long_names_wrap_inside_the_page(tmp_path: Path, code: str) -> None:
    names = {"S1": LONG_NAME * 2, "S2": "W" * 200}
    settlement = small_settlement(names=names, participant_name=LONG_NAME * 2, network_name=LONG_NAME * 2)
    statement = statement_of(settlement, code)

    assert is_inside_the_page_and_apart(written(tmp_path, statement))
    assert f"November 2026 · {code} " in page_texts(tmp_path, statement)[0]


def test_chinese_accented_and_korean_names_are_printed(tmp_path: Path) -> None:
    names = {"S1": "北京王府井旗舰店 Café", "S2": "서울 강남점"}
    text = " ".join(page_texts(tmp_path, statement_of(small_settlement(names=names))))

    assert "北京王府井旗舰店 Café" in text
    assert "서울 강남점" in text


def test_letters_that_no_font_has_lose_their_mark_and_not_themselves(tmp_path: Path) -> None:
    text = page_texts(
        tmp_path,
        statement_of(small_settlement(names={"S1": "Łódź Čapek i\N{LATIN SMALL LETTER DOTLESS I}ğd"})),
    )[0]

    assert "S1 · Lódz Capek iigd" in text


def test_markup_in_a_name_is_printed_as_it_is(tmp_path: Path) -> None:
    name = "<b>Fish</b> & <img src='/etc/passwd'/> &amp; Chips"

    assert name in page_texts(tmp_path, statement_of(small_settlement(names={"S1": name})))[0]


@given(name=st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_name_can_be_printed(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    settlement = small_settlement(names={"S1": name, "S2": name}, participant_name=name, network_name=name)

    reader = written(tmp_path_factory.mktemp("pdf"), statement_of(settlement))

    assert 1 <= len(reader.pages) <= 2


def test_day_that_takes_back_more_than_it_issues_is_inside_the_page_and_apart(tmp_path: Path) -> None:
    statement = statement_of(small_settlement())
    days = (DayLine(date(2026, 11, 1), -5_000, 400, -20), *statement.days[1:])

    reader = written(tmp_path, replace(statement, days=days))

    assert "Sun 01 -5,000 400 -20" in one_line(reader.pages[0].extract_text())
    assert is_inside_the_page_and_apart(reader)
    # The table of days takes 56 % of the width between the margins of 48 points.
    assert min(left for left, _ in bars(reader.pages[0])) > 48 + 0.56 * 499
    assert max(right for _, right in bars(reader.pages[0])) < 48 + 500


def test_longest_month_fits_on_the_first_page(tmp_path: Path) -> None:
    statement = statement_of(small_settlement())
    statement = replace(statement, days=days_of(date(2026, 12, 1), 123_456, 77_501, 2_469))

    text = page_texts(tmp_path, statement)[0]

    assert "Thu 31 " in text
    assert "Month 123,456 77,501 2,469" in text


def test_late_events_of_earlier_months_are_one_line_of_the_month(tmp_path: Path) -> None:
    statement = statement_of(small_settlement())
    late = days_of(date(2026, 9, 1), 300, 200, 100) + days_of(date(2026, 10, 1), 30, 20, 10)

    on_time = page_texts(tmp_path, statement)
    pages = page_texts(tmp_path, replace(statement, days=(*late, *statement.days)))

    assert "Earlier 330 220 110 Sun 01 " in pages[0]
    assert "Month 123,786 77,721 2,579" in pages[0]
    assert "Earlier: events of earlier months" in pages[0]
    assert "Earlier" not in on_time[0]


def test_metadata_names_the_statement_and_the_network(tmp_path: Path) -> None:
    metadata = written(tmp_path, statement_of(small_settlement())).metadata

    assert metadata.title == "Settlement statement November 2026, S1 Shop S1"
    assert metadata.author == "Harbour Coffee"


def test_same_document_gives_same_bytes(tmp_path: Path) -> None:
    statement = statement_of(small_settlement(names={"S2": "北京"}))
    write_statement_pdf(statement, tmp_path / "first.pdf")
    write_statement_pdf(statement_of(wide_settlement(30)), tmp_path / "between.pdf")
    write_statement_pdf(statement, tmp_path / "second.pdf")

    assert (tmp_path / "first.pdf").read_bytes() == (tmp_path / "second.pdf").read_bytes()


def written(folder: Path, statement: StatementDocument) -> PdfReader:
    write_statement_pdf(statement, folder / "statement.pdf")
    return PdfReader(folder / "statement.pdf")


def page_texts(folder: Path, statement: StatementDocument) -> list[str]:
    return [one_line(page.extract_text()) for page in written(folder, statement).pages]


def one_line(text: str) -> str:
    return " ".join(text.split())


def number_after(label: str, text: str) -> int:
    found = re.search(rf"{label} ([+-]?[\d,]+)", text)
    assert found, label
    return int(found[1].replace(",", ""))


def sized_text(reader: PdfReader) -> list[tuple[str, float]]:
    """Each piece of text of the first page with the size of its font, in points."""
    pieces: list[tuple[str, float]] = []

    def note(text: str, _matrix: Any, _text_matrix: Any, _font: Any, size: float) -> None:
        if text.strip():
            pieces.append((text.strip(), size))

    reader.pages[0].extract_text(visitor_text=note)
    return pieces


def is_inside_the_page_and_apart(reader: PdfReader) -> bool:
    """Whether text ends before the right margin, as wide as the left one, and no text runs into the next."""
    pages = [sorted(text_spans(page)) for page in reader.pages]
    spans = [span for page in pages for span in page]
    assert len(spans) > 100
    left_margin = min(left for _, left, _ in spans)
    right_margin = float(reader.pages[0].mediabox.width) - max(right for _, _, right in spans)
    is_apart = all(
        left > right_before
        for page in pages
        for (line_before, _, right_before), (line, left, _) in pairwise(page)
        if line == line_before
    )
    return left_margin > 40 and right_margin > left_margin - 1 and is_apart


def text_spans(page: PageObject) -> list[tuple[float, float, float]]:
    """Baseline, left and right end of each piece of text on the page."""
    spans: list[tuple[float, float, float]] = []
    fonts = {key: value.get_object()["/BaseFont"][1:] for key, value in page["/Resources"]["/Font"].items()}
    used = {"font": "", "size": 0.0}

    def note(operator: bytes, operands: list[Any], matrix: list[float], text_matrix: list[float]) -> None:
        if operator == b"Tf":
            used.update(font=fonts[operands[0]], size=float(operands[1]))
        elif operator == b"Tj":
            left, baseline = text_matrix[4] + matrix[4], text_matrix[5] + matrix[5]
            width = width_of(operands[0].original_bytes, used["font"], used["size"])
            spans.append((round(baseline, 1), left, left + width))

    page.extract_text(visitor_operand_before=note)
    return spans


def bars(page: PageObject) -> list[tuple[float, float]]:
    """Left and right end of each bar: the filled rectangles that are as high as a bar."""
    ends: list[tuple[float, float]] = []

    def note(operator: bytes, operands: list[Any], matrix: list[float], _: list[float]) -> None:
        if operator == b"re" and 3 < float(operands[3]) < 4:
            left = float(operands[0]) + matrix[4]
            ends.append((min(left, left + float(operands[2])), max(left, left + float(operands[2]))))

    page.extract_text(visitor_operand_before=note)
    assert len(ends) > 28
    return ends


def width_of(encoded: bytes, font: str, size: float) -> float:
    if font.startswith("Helvetica"):
        return stringWidth(encoded.decode("cp1252"), font, size)
    return len(encoded) / 2 * size
