"""What accountants' programs read: CSV, and Beancount's text, which its own checker accepts."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.accounting.beancount import quoted, write_beancount
from settlement.accounting.carrying import PointsOfMonth
from settlement.accounting.csv_files import write_csv
from settlement.accounting.documents import Journal
from settlement.accounting.rules import Party, SettlementToPost, entries_of
from settlement.accounting.service import book_through, journal_of
from settlement.proposals.rules import ADJUSTMENT, BILATERAL, FEE, FUNDING, REDEMPTION, TAX
from settlement.states.rules import CONFIRMED
from tenants.credentials.service import TERMINAL, create_credential
from tenants.foundation.money import minor_digits
from tenants.stores.service import create_participant, create_store
from tenants.terminals.service import create_terminal
from tests.accounting.settlements import HEAD_OFFICE, JANUARY, A, B, C, line
from tests.accounting.test_journals import FEBRUARY, adjust, pay, set_rate
from tests.conftest import ROOT, NetworkForTests, Till

BEAN_CHECK = Path(sys.executable).with_name("bean-check")
needs_bean_check = pytest.mark.skipif(
    not BEAN_CHECK.exists(), reason="bean-check is not installed: pip install 'clearinghouse[dev]'"
)

NAMES = {
    "1st-store": '東京 "本店" \\ 1',
    "a.b": "Ærø; * ^link #tag {cost} @@ ~ 1",
    "a_b": "'=SUM(A1)'",
    "A-b": "the name ends in a backslash \\",
}


def journal_for_tests(
    amount: int = 12345, currency: str = "EUR", title: str = "Settlement 2026-01", opening: int = 0
) -> Journal:
    parties = {A: Party("a.b", "a.b"), B: Party("1st-store", "1st-store"), C: Party("A-b", "A-b")}
    lines = [
        line(FUNDING, A, HEAD_OFFICE, amount),
        line(REDEMPTION, HEAD_OFFICE, B, amount // 3),
        line(BILATERAL, A, B, amount // 5),
        line(FEE, C, HEAD_OFFICE, 100, note='a "fee"'),
        line(TAX, C, HEAD_OFFICE, 19),
    ]
    closing = opening + amount - amount // 3 - 4
    points = PointsOfMonth(opening, closing, breakage=7, margin=-2, rate_differences=0, rounding=-1)
    entries = entries_of(SettlementToPost(JANUARY, HEAD_OFFICE, lines, parties, {}, points), "hq")
    months = ((JANUARY, points),)
    opened = date(2025, 1, 1)
    return Journal("corner", 'The "Corner"', currency, opened, title, "hq", months, tuple(entries), NAMES)


def bean_check(text: bytes, folder: Path) -> str:
    """What bean-check has to say: nothing, if it accepts the text."""
    path = folder / "journal.beancount"
    path.write_bytes(text)
    checked = subprocess.run([BEAN_CHECK, "--no-cache", path], capture_output=True, text=True, check=False)
    assert (checked.returncode == 0) == (not checked.stderr.strip())
    return checked.stderr


@needs_bean_check
@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
@pytest.mark.parametrize("amount", [12345, 1, 2**53 + 1, 9 * 10**18])
def test_bean_check_accepts_a_month(tmp_path: Path, currency: str, amount: int) -> None:
    assert bean_check(write_beancount(journal_for_tests(amount, currency)), tmp_path) == ""


@needs_bean_check
def test_bean_check_accepts_a_month_that_is_not_the_first(tmp_path: Path) -> None:
    text = write_beancount(journal_for_tests(opening=777))

    assert b'"Brought forward"' in text
    assert bean_check(text, tmp_path) == ""


@needs_bean_check
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("123.45 EUR", "123.46 EUR"),
        ("Revenue  -82.26 ~", "Revenue  -82.25 ~"),
        ("open Income:Fees", "open Income:Fee"),
    ],
    ids=["an amount", "a balance", "an account"],
)
def test_bean_check_finds_what_is_wrong(tmp_path: Path, right: str, wrong: str) -> None:
    text = write_beancount(journal_for_tests()).decode()
    assert right in text

    assert bean_check(text.replace(right, wrong, 1).encode(), tmp_path) != ""


@needs_bean_check
@pytest.mark.parametrize(
    "title",
    ["two\nlines", '"', "\\", '\\"', 'x"\n2026-01-01 open Assets:Mine EUR\n;', "\u2028next", "\x00\x1b", "😀 東京"],
    ids=ascii,
)
def test_no_text_gets_out_of_its_quotes(tmp_path: Path, title: str) -> None:
    text = write_beancount(journal_for_tests(title=title))

    assert bean_check(text, tmp_path) == ""
    assert re.findall(rb"^\S+ open Assets:Mine", text, re.MULTILINE) == []


@given(st.text())
def test_a_quoted_text_is_one_line_and_ends_where_it_ends(text: str) -> None:
    inside = re.fullmatch(r'"((?:[^"\\\n\r]|\\.)*)"', quoted(text))

    assert inside is not None
    assert len(re.sub(r"\\(.)", r"\1", inside[1])) == len(text)


def test_a_month_as_beancount() -> None:
    lines = write_beancount(journal_for_tests()).decode().splitlines()

    assert lines[:4] == [
        'option "title" "The \\"Corner\\": Settlement 2026-01"',
        'option "operating_currency" "EUR"',
        "",
        "2025-01-01 commodity EUR",
    ]
    opened = lines.index("2025-01-01 open Assets:Receivables:A-b--5 EUR")
    assert lines[opened + 1] == '  code: "a.b"'
    told = lines.index('2026-01-31 * "Settlement 2026-01 of a.b" ^2026-01-0003')
    assert lines[told + 1 : told + 3] == ["  Assets:Receivables:A-b--5  123.45 EUR", '    store: "a.b"']
    assert "2026-02-01 balance Liabilities:Clearing  0.00 ~ 0 EUR" in lines
    assert "2026-02-01 balance Liabilities:DeferredRevenue  -82.26 ~ 0 EUR" in lines


@needs_bean_check
def test_bean_check_accepts_an_empty_journal(tmp_path: Path, network: NetworkForTests) -> None:
    network.settle(JANUARY)

    assert bean_check(write_beancount(journal_of(network.tenant_id, JANUARY)), tmp_path) == ""
    assert bean_check(write_beancount(book_through(network.tenant_id, date(2025, 1, 1))), tmp_path) == ""


@needs_bean_check
def test_bean_check_accepts_months_and_payments_of_a_network_of_odd_names(
    tmp_path: Path, make_network: Callable[..., NetworkForTests]
) -> None:
    network = make_network(name='ネット "ワーク" \\', currency="JPY", funding_rate=Decimal("1.7"))
    for code, name in NAMES.items():
        create_participant(network.tenant_id, f"{code}.", name)
        store = create_store(network.tenant_id, code, name, f"{code}.")
        terminal = create_terminal(network.tenant_id, code, "1")
        _, key = create_credential(network.tenant_id, TERMINAL, "till", terminal.terminal_id)
        network.tills[code] = Till(network.app.test_client(), key, code, store.store_id, terminal.terminal_id)
    network.tills["A"], card = network.tills["a.b"], network.add_card()
    set_rate(network, date(2026, 2, 12), "1.9", "1")
    for month in (JANUARY, FEBRUARY):
        for number, till in enumerate(network.tills.values()):
            till.accrue(card, 10_100, occurred_at=f"{month.replace(day=10 + number)}T12:00:00Z")
            till.redeem(card, 7 * number + 1, occurred_at=f"{month.replace(day=20)}T12:00:00Z")
        adjust(network, month, "goodwill", 9)
        network.settle(month)
    book = book_through(network.tenant_id)
    text = write_beancount(book)

    assert bean_check(text, tmp_path) == ""
    assert bean_check(write_beancount(journal_of(network.tenant_id, FEBRUARY, "members")), tmp_path) == ""
    assert len([entry for entry in book.entries if ADJUSTMENT in str(entry)]) == 2


@needs_bean_check
def test_bean_check_accepts_payments(tmp_path: Path, network: NetworkForTests, card: str) -> None:
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.settle(JANUARY)
    pay(network, "A", CONFIRMED)

    text = write_beancount(book_through(network.tenant_id))

    assert b"Assets:Bank  1.00 USD" in text
    assert bean_check(text, tmp_path) == ""


def test_the_product_does_not_import_beancount() -> None:
    """It is under the GPL: a tool of the tests, run as a process of its own."""
    sources = [
        ROOT / "cli.py",
        *(p for name in ("tenants", "clearinghouse", "settlement") for p in (ROOT / name).rglob("*.py")),
    ]
    importing = [p for p in sources if re.search(r"^\s*(?:from|import) beancount", p.read_text(), re.MULTILINE)]

    assert len(sources) > 100
    assert importing == []


def rows(journal: Journal) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(write_csv(journal).decode(), newline="")))


def test_a_row_of_csv_is_a_posting() -> None:
    found = rows(journal_for_tests())

    assert found[2] == {
        "entry": "2026-01-0001",
        "date": "2026-01-31",
        "narration": "Settlement 2026-01 of 1st-store",
        "account": "Liabilities:Payables:1st-store",
        "participant": "1st-store",
        "store": "1st-store",
        "debit": "",
        "credit": "24.69",
        "currency": "EUR",
        "reference": f"bilateral/{A}/{B}/-",
    }


@pytest.mark.parametrize(("currency", "shown"), [("JPY", "12345"), ("EUR", "123.45"), ("KWD", "12.345")])
def test_csv_has_the_decimals_of_the_currency(currency: str, shown: str) -> None:
    found = rows(journal_for_tests(currency=currency))

    assert shown in {row["debit"] for row in found}


@pytest.mark.parametrize("amount", [12345, 2**53 + 1, 9 * 10**18])
def test_debits_are_credits_in_each_entry_and_in_all(amount: int) -> None:
    journal = journal_for_tests(amount)
    found = rows(journal)

    for entry in journal.entries:
        of_entry = [row for row in found if row["entry"] == entry.number]
        debits, credits = (sum(Decimal(row[side] or 0) for row in of_entry) for side in ("debit", "credit"))
        assert debits == credits > 0
        assert debits.scaleb(minor_digits("EUR")) == sum(p.amount for p in entry.postings if p.amount > 0)
    assert all(bool(row["debit"]) != bool(row["credit"]) for row in found)
