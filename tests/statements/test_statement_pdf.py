"""What a store's bookkeeper reads on the monthly statement."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import pypdfium2
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PageObject, PdfReader
from reportlab.pdfbase.pdfmetrics import stringWidth

from settlement.adjustments.rules import Adjustment
from settlement.fees.rules import Fee
from settlement.languages.rules import ENGLISH, LANGUAGES, SIMPLIFIED_CHINESE
from settlement.proposals.rules import Dispute
from settlement.statements.documents import DayLine, Flow, StatementDocument
from settlement.statements.pdf import statement_pdf
from settlement.terms.rules import ON_REDEMPTION
from tenants.foundation.money import show_money
from tests.statements.examples import NETWORK_ID, RATE, Example, empty, small, spread, wide

LONG_NAME = "The Extraordinarily Long Named Restaurant at Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch "
LATER_RATE = replace(RATE, rate_id=UUID(int=78), valid_from=date(2026, 11, 16), funding=Decimal("1.25"))
TWO_RATES = (replace(RATE, valid_until=date(2026, 11, 15)), LATER_RATE)


def a_fee(number: int, code: str, basis: str, rate: str) -> Fee:
    return Fee(UUID(int=number), code, None, basis, Decimal(rate), Decimal("0.19"), date(2026, 1, 1), None)


def eventful(**changes: Any) -> Example:
    """With two fees and their tax, adjustments both ways, a dispute and an opening balance."""
    example = small(**changes)
    store_id = example.store_id("S1")
    disputed = next(line.key for line in example.lines() if line.payer_id == store_id)
    more = {
        "fees": [a_fee(501, "service", "month", "2500"), a_fee(502, "issuing", "point_issued", "0.0125")],
        "adjustments": [
            Adjustment(UUID(int=900), store_id, NETWORK_ID, 1234, date(2026, 9, 1), "wrong terminal"),
            Adjustment(UUID(int=901), NETWORK_ID, store_id, 500, date(2026, 10, 1), "goodwill"),
        ],
        "disputes": [Dispute(UUID(int=910), disputed, 2000, "opened")],
        "opening": {store_id: 777},
    }
    return replace(example, more=tuple(more.items()))


@pytest.mark.parametrize(
    ("issued", "recovered", "headline"),
    [
        (123_456, 0, "Remit to head office USD 1,234.56"),
        (0, 200_000, "Receive from head office USD 1,800.00"),
        (0, 0, "Nothing to settle USD 0.00"),
        (9, 10, "Nothing to settle USD 0.00"),
    ],
)
def test_amount_and_direction_stand_in_large_type(issued: int, recovered: int, headline: str) -> None:
    example = Example((Flow("S2", "S1", recovered),), {"S1": issued, "S2": 0})

    pieces = sized_text(written(example.statement()))

    assert " ".join(text for text, size in pieces if size >= 18) == headline


@pytest.mark.parametrize(
    ("recovered", "due"), [(0, "due on December 15, 2026"), (200_000, "due on December 18, 2026")]
)
def test_the_day_it_is_due_on_depends_on_the_direction(recovered: int, due: str) -> None:
    example = Example((Flow("S2", "S1", recovered),), {"S1": 1_000, "S2": 0})

    assert due in page_texts(example.statement())[0]


def test_statement_says_whose_it_is_and_when_it_was_closed() -> None:
    text = page_texts(small().statement())[0]

    assert "Harbour Coffee" in text
    assert "S1 · Shop S1" in text
    assert "Northgate Foods Ltd" in text
    assert "November 2026" in text
    assert "Dec 2, 2026, 9:05:00 AM America/New_York" in text
    assert "December 10, 2026" in text


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("proposed", "Version 2, draft"),
        ("rejected", "Version 2, rejected: it does not count"),
        ("approved", "Version 2, approved"),
        ("settling", "Version 2, approved"),
        ("settled", "Version 2, approved"),
    ],
)
def test_only_what_is_approved_looks_final(state: str, said: str) -> None:
    pages = page_texts(wide(60, state=state).statement())
    mark = {"proposed": "DRAFT", "rejected": "REJECTED"}.get(state)

    assert len(pages) > 2 and all(said in page for page in pages)
    for name in ("DRAFT", "REJECTED"):
        assert all((name in page) == (name == mark) for page in pages)
    assert ("Dispute what is wrong by December 10, 2026." in pages[0]) == (state == "proposed")


def test_what_becomes_of_the_payments_does_not_change_a_final_statement() -> None:
    approved, settled = (
        statement_pdf(small(state=state).statement(), LANGUAGES[ENGLISH]) for state in ("approved", "settled")
    )

    assert approved == settled


def test_opening_and_movements_add_up_to_closing_on_paper() -> None:
    text = page_texts(small().statement(issued_reversed=1_544, recovered_reversed=99))[0]
    labels = ["Opening, outstanding", "Issued", "Taken back by returns", "Recovered in any store", "Expired"]

    movements = [number_after(label, text) for label in labels]

    assert movements == [250_000, 125_000, -1_544, -52_345, -2_469]
    assert sum(movements) == number_after("Closing, outstanding", text) == 318_642
    assert "Redeemed here 77,600 Given back by reversals -99 Recovered here 77,501" in text


def test_what_did_not_happen_is_left_out() -> None:
    text = page_texts(small().statement())[0]

    assert "Taken back by returns" not in text
    assert "Given back by reversals" not in text
    assert "Borne" not in text


def test_amount_is_explained_from_points_and_rates() -> None:
    text = page_texts(small().statement())[0]

    assert "Points issued here 123,456 0.01 1,234.56 1,234.56" in text
    assert "Points recovered here 77,501 0.009 -697.509 -697.51" in text
    assert "Net, to remit 537.05" in text


def test_versions_of_a_rate_stand_apart() -> None:
    text = page_texts(small(rates=TWO_RATES).statement())[0]

    assert "Points issued here, from January 1, 2026 61,041 0.01 610.41 610.41" in text
    assert "Points issued here, from November 16, 2026 62,415 0.0125 780.1875 780.19" in text


def test_fees_tax_adjustments_disputes_and_balances_stand_apart() -> None:
    text = page_texts(eventful().statement())[0]

    for row in (
        "Opening balance, carried forward from the month before -7.77",
        "Fee service 1 25 25.00 25.00",
        "Fee issuing 123,456 0.000125 15.432 15.43",
        "Tax on fee service 19% 4.75 4.75",
        "Tax on fee issuing 19% 2.9317 2.93",
        "Adjustment, of September 2026: wrong terminal 12.34",
        "Adjustment, of October 2026: goodwill -5.00",
        "Disputed, left out until it is decided: points issued -20.00",
    ):
        assert row in text, row


def test_a_fee_on_volume_shows_money_and_a_share() -> None:
    fee = a_fee(503, "turnover", "volume", "0.005")
    statement = small().statement()
    line = replace(
        statement.lines[0],
        kind="fee",
        reference=fee.fee_id,
        note=fee.code,
        quantity=1_234_567,
        rate=fee.rate,
        exact=Decimal("6172.835"),
        amount=6_173,
    )
    names = replace(statement.names, fee_bases={fee.fee_id: "volume"})

    assert (
        "Fee turnover 12,345.67 0.5% 61.72835 61.73" in page_texts(replace(statement, lines=(line,), names=names))[0]
    )


def test_too_little_to_be_paid_out_is_carried_forward() -> None:
    example = Example((Flow("S2", "S1", 1_000),), {"S1": 0, "S2": 0}, minimum_payout=5_000)

    text = page_texts(example.statement())[0]

    assert "Carried forward to the next month, too little to be paid out 9.00" in text
    assert "Nothing to settle USD 0.00" in text


@pytest.mark.parametrize("language", [ENGLISH, SIMPLIFIED_CHINESE])
@pytest.mark.parametrize("model", ["pooled", ON_REDEMPTION])
@pytest.mark.parametrize("code", ["S1", "S2", "S3"])
def test_amounts_on_paper_add_up_to_the_net_to_the_cent(model: str, code: str, language: str) -> None:
    statement = eventful(model=model, rates=TWO_RATES if model == "pooled" else (RATE,)).statement(code)
    lines = written(statement, language).pages[0].extract_text().splitlines()
    first = next(number for number, line in enumerate(lines) if re.search("Amount|金额$", line)) + 1
    last = next(number for number, line in enumerate(lines) if re.match("Net|净额", line))

    amounts = [cents(line.split()[-1]) for line in lines[first:last] if re.search(r"\.\d\d$", line)]

    assert len(amounts) >= 3
    assert sum(amounts) == cents(lines[last].split()[-1]) == statement.line.position.net


def test_rounding_is_told_only_where_it_happened() -> None:
    exact_rates = (replace(RATE, redemption=Decimal(1)),)

    assert "Each amount is rounded to 0.01" in page_texts(small().statement())[0]
    assert "rounded" not in page_texts(small(rates=exact_rates).statement())[0]


def test_days_add_up_to_the_month() -> None:
    text = " ".join(page_texts(small().statement()))
    days = re.findall(r"\d+ (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (\S+) (\S+) (\S+)", text)
    columns = [sum(int(count.replace(",", "")) for count in column) for column in zip(*days, strict=True)]

    assert len(days) == 30
    assert columns == [123_456, 77_501, 2_469]
    assert "Month 123,456 77,501 2,469" in text


def test_counter_stores_add_up_to_the_first_page() -> None:
    text = " ".join(page_texts(small().statement()))

    assert "S2 Shop S2 12,345 30,001 -17,656 270.01" in text
    assert "S3 Shop S3 0 7,000 -7,000 63.00" in text
    assert "HQ Head office 0 500 -500 4.50" in text
    assert "Sum of the above 12,345 37,501 -25,156 337.51" in text
    assert "Own points recovered in this store 40,000 40,000 0 360.00" in text
    assert "Total 52,345 77,501 -25,156 697.51" in text


def test_what_cannot_be_split_by_points_is_not_split() -> None:
    flows = (Flow("S2", "S1", 100), Flow("S3", "S1", -30))

    text = " ".join(page_texts(small(flows=flows).statement()))

    assert "S3 Shop S3 0 -30 +30" in text
    assert "Received for theirs" not in text


def test_on_redemption_stores_pay_each_other() -> None:
    text = " ".join(page_texts(small(model=ON_REDEMPTION).statement()))

    assert "Own points recovered in other stores 12,345 0.009 111.105 111.10" in text
    assert "Points of others recovered here 37,501 0.009 -337.509 -337.51" in text
    assert "Head office's share of own points recovered 52,345 52.345 52.34" in text
    assert "S2 Shop S2 12,345 30,001 -17,656 111.10 270.01" in text
    assert "Total 52,345 77,501 -25,156 111.10 337.51" in text


def test_month_without_counter_stores_says_so() -> None:
    pages = page_texts(empty().statement())

    assert len(pages) == 2
    assert "No points moved between this store and others in this month." in pages[1]


def test_four_hundred_counter_stores_break_over_pages_with_headers() -> None:
    pages = page_texts(wide(456).statement())
    listed = [page for page in pages if re.search(r"C\d{4} ", page)]

    assert len(listed) >= 9
    assert all("Store Name" in page and "recovered there" in page for page in listed)
    assert re.findall(r"C(\d{4}) \d+ Long Avenue", " ".join(pages)) == [f"{n:04d}" for n in range(456)]


def test_every_page_is_numbered_and_says_whose_it_is() -> None:
    pages = page_texts(wide(100).statement())

    for number, page in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in page
        assert "November 2026 · S1 Shop S1 · Harbour Coffee" in page


def test_yen_has_no_decimals() -> None:
    text = page_texts(small(currency="JPY").statement())[0]

    assert "Remit to head office JPY 53,705due" in text
    assert "Points issued here 123,456 1 123,456 123,456" in text


@pytest.mark.parametrize("scale", [30_000_000, 30_000_000_000])
def test_large_numbers_stay_inside_the_page_and_apart(scale: int) -> None:
    statement = wide(20, scale).statement()
    text = " ".join(page_texts(statement))

    assert f"Remit to head office USD {show_money(scale * 400_000 - scale * 8_069 * 9 // 10, 'USD')}due" in text
    assert f"Month {scale * 400_000:,} {scale * 8_069:,} {scale * 8_000:,} " in text
    assert is_inside_the_page_and_apart(written(statement))


@pytest.mark.parametrize("code", ["S1", "S2"])
def test_long_names_wrap_inside_the_page(code: str) -> None:
    names = {"S1": LONG_NAME * 2, "S2": "W" * 200}
    example = small(names=names, participant_name=LONG_NAME * 2, network_name=LONG_NAME * 2)
    statement = example.statement(code)

    assert is_inside_the_page_and_apart(written(statement))
    assert f"November 2026 · {code} " in page_texts(statement)[0]


def test_chinese_accented_and_korean_names_are_printed() -> None:
    names = {"S1": "北京王府井旗舰店 Café", "S2": "서울 강남점"}
    text = " ".join(page_texts(small(names=names).statement()))

    assert "北京王府井旗舰店 Café" in text
    assert "서울 강남점" in text


def test_a_chinese_statement_has_no_english_left() -> None:
    example = eventful(names={"S1": "店"}, network_name="网", participant_name="主体", state="proposed")
    words = " ".join(page_texts(example.statement(), SIMPLIFIED_CHINESE))
    ours = r"USD|America/New_York|SHA-256|HQ|S\d|Shop|service|issuing|wrong terminal|goodwill|[0-9a-f]{32}"

    assert re.findall(r"[A-Za-z]{2,}", re.sub(ours, "", words)) == []
    assert "应付总部" in words and "USD 564.73" in words.replace("\xa0", " ")
    assert "2026年11月" in words and "2026年12月15日" in words


def test_letters_that_no_font_has_lose_their_mark_and_not_themselves() -> None:
    name = "Łódź Čapek i\N{LATIN SMALL LETTER DOTLESS I}ğd"

    assert "S1 · Lódz Capek iigd" in page_texts(small(names={"S1": name}).statement())[0]


def test_markup_in_a_name_is_printed_as_it_is() -> None:
    name = "<b>Fish</b> & <img src='/etc/passwd'/> &amp; Chips"

    assert name in page_texts(small(names={"S1": name}).statement())[0]


@given(name=st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_name_can_be_printed(name: str) -> None:
    example = small(names={"S1": name, "S2": name}, participant_name=name, network_name=name)

    assert 2 <= len(written(example.statement()).pages) <= 3


def test_day_that_takes_back_more_than_it_issues_is_inside_the_page_and_apart() -> None:
    statement = small().statement()
    days = (DayLine(date(2026, 11, 1), -5_000, 400, -20), *statement.days[1:])

    reader = written(replace(statement, days=days))

    assert "1 Sun -5,000 400 -20" in one_line(reader.pages[1].extract_text())
    assert is_inside_the_page_and_apart(reader)
    # The table of days takes 56 % of the width between the margins of 48 points.
    assert min(left for left, _ in bars(reader.pages[1])) > 48 + 0.56 * 499
    assert max(right for _, right in bars(reader.pages[1])) < 48 + 500


def test_longest_month_is_on_one_page() -> None:
    text = page_texts(small(month=date(2026, 12, 1)).statement())[1]

    assert "1 Tue " in text and "31 Thu " in text
    assert "Month 123,456 77,501 2,469" in text


def test_late_events_of_earlier_months_are_one_line_of_the_month() -> None:
    statement = small().statement()
    late = spread(date(2026, 9, 1), 300, 200, 100) + spread(date(2026, 10, 1), 30, 20, 10)

    on_time = page_texts(statement)
    pages = page_texts(replace(statement, days=(*late, *statement.days)))

    assert "Earlier 330 220 110 1 Sun " in pages[1]
    assert "Month 123,786 77,721 2,579" in pages[1]
    assert "Earlier: events of earlier months" in pages[1]
    assert "Earlier" not in " ".join(on_time)


@pytest.mark.parametrize("language", [ENGLISH, SIMPLIFIED_CHINESE])
def test_the_code_can_be_scanned_from_the_paper(language: str) -> None:
    statement = eventful().statement()
    content = statement_pdf(statement, LANGUAGES[language])

    page = pypdfium2.PdfDocument(content)[0].render(scale=2).to_pil()

    assert [code.text for code in zxingcpp.read_barcodes(page)] == [statement.verification_url]
    assert list(links(PdfReader(io.BytesIO(content)))) == [statement.verification_url]


def test_the_root_of_the_month_and_the_hash_of_the_lines_are_there() -> None:
    statement = small().statement()
    text = page_texts(statement)[0].replace(" ", "")
    unsealed = page_texts(replace(statement, heading=replace(statement.heading, merkle_root=None)))[0]

    assert statement.content_hash.hex() in text
    assert statement.heading.merkle_root.hex() in text
    assert "Merkle" not in unsealed


def test_metadata_names_the_statement_and_the_network() -> None:
    metadata = written(small().statement()).metadata

    assert metadata.title == "Settlement statement November 2026, S1 Shop S1"
    assert metadata.author == "Harbour Coffee"


@pytest.mark.parametrize("language", [ENGLISH, SIMPLIFIED_CHINESE])
def test_same_document_gives_same_bytes(language: str) -> None:
    statement = small(names={"S2": "北京"}).statement()

    first = statement_pdf(statement, LANGUAGES[language])
    statement_pdf(wide(30).statement(), LANGUAGES[ENGLISH])

    assert statement_pdf(statement, LANGUAGES[language]) == first


def written(statement: StatementDocument, language: str = ENGLISH) -> PdfReader:
    return PdfReader(io.BytesIO(statement_pdf(statement, LANGUAGES[language])))


def page_texts(statement: StatementDocument, language: str = ENGLISH) -> list[str]:
    return [one_line(page.extract_text()) for page in written(statement, language).pages]


def links(reader: PdfReader) -> Iterator[str]:
    for page in reader.pages:
        for annotation in page.get("/Annots", ()):
            yield annotation.get_object()["/A"]["/URI"]


def cents(shown: str) -> int:
    return int(shown.replace(",", "").replace(".", ""))


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


def is_inside_the_page_and_apart(reader: PdfReader, spans_min: int = 100) -> bool:
    """Whether text ends before the right margin, as wide as the left one, and no text runs into the next."""
    pages = [sorted(text_spans(page)) for page in reader.pages]
    spans = [span for page in pages for span in page]
    assert len(spans) > spans_min
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
        if operator == b"re" and 2.5 < float(operands[3]) < 2.7:
            left = float(operands[0]) + matrix[4]
            ends.append((min(left, left + float(operands[2])), max(left, left + float(operands[2]))))

    page.extract_text(visitor_operand_before=note)
    assert len(ends) > 28
    return ends


def width_of(encoded: bytes, font: str, size: float) -> float:
    if font.startswith("Helvetica"):
        return stringWidth(encoded.decode("cp1252"), font, size)
    return len(encoded) / 2 * size
