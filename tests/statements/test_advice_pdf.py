"""What whoever pays finds on the remittance advice."""

from __future__ import annotations

import io

import pypdfium2
import pytest
import zxingcpp
from pypdf import PdfReader

from settlement.languages.rules import ENGLISH, LANGUAGES, SIMPLIFIED_CHINESE
from settlement.statements.advice_pdf import advice_pdf
from settlement.statements.documents import AdviceDocument
from tests.statements.examples import small
from tests.statements.test_statement_pdf import LONG_NAME, eventful, is_inside_the_page_and_apart, sized_text


def reader_of(advice: AdviceDocument, language: str = ENGLISH) -> PdfReader:
    return PdfReader(io.BytesIO(advice_pdf(advice, LANGUAGES[language])))


def text_of(advice: AdviceDocument, language: str = ENGLISH) -> str:
    [page] = reader_of(advice, language).pages
    return " ".join(page.extract_text().split())


def test_who_pays_whom_depends_on_the_direction() -> None:
    remits, receives = small().advice("S1"), small().advice("S1", amount=-53_705)

    assert "From Northgate Foods Ltd To Head office, Harbour Coffee" in text_of(remits)
    assert "From Head office, Harbour Coffee To Northgate Foods Ltd" in text_of(receives)
    assert "Receive from head office USD 537.05" in " ".join(text for text, _ in sized_text(reader_of(receives)))


def test_reference_day_and_store_are_there() -> None:
    text = text_of(small().advice())

    assert "Reference leg-0000000000000000000000044j" in text
    assert "Due on December 15, 2026" in text
    assert "Month November 2026 · S1" in text


def test_an_account_is_told_where_there_is_one() -> None:
    assert "Into the account DE89 …3000" in text_of(small().advice(bank_account="DE89 …3000"))
    assert "Into the account" not in text_of(small().advice())


def test_what_head_office_collects_itself_nobody_is_told_to_pay() -> None:
    text = text_of(small().advice(bank_account="DE89 …3000", mandate="M-1"))

    assert "Head office collects USD 537.05" in text
    assert "From the account DE89 …3000" in text
    assert "By direct debit under the mandate M-1: nothing has to be paid." in text
    assert "Remit to head office" not in text and "Name this reference" not in text


def test_the_reasons_add_up_to_the_amount() -> None:
    text = text_of(eventful().advice())

    assert (
        "Opening balance -7.77 For points 537.05 Fees 40.43 Tax 7.68 Adjustments 7.34 Disputed -20.00 "
        "Net, to remit 564.73" in text
    )


@pytest.mark.parametrize("language", [ENGLISH, SIMPLIFIED_CHINESE])
def test_an_advice_is_one_page_with_a_code(language: str) -> None:
    advice = eventful(names={"S1": "北京店"}).advice()
    content = advice_pdf(advice, LANGUAGES[language])

    [page] = pypdfium2.PdfDocument(content)

    assert [code.text for code in zxingcpp.read_barcodes(page.render(scale=2).to_pil())] == [advice.verification_url]
    assert content == advice_pdf(advice, LANGUAGES[language])


def test_long_names_stay_inside_the_page() -> None:
    example = eventful(names={"S1": LONG_NAME * 2}, participant_name=LONG_NAME * 2, network_name=LONG_NAME * 2)

    reader = reader_of(example.advice(bank_account="W" * 60))

    assert len(reader.pages) == 1
    assert is_inside_the_page_and_apart(reader, spans_min=30)


def test_an_advice_in_chinese() -> None:
    text = text_of(small().advice(), SIMPLIFIED_CHINESE)

    assert "付款通知书" in text and "应付总部" in text and "2026年12月15日" in text
