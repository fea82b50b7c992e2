"""Statements of real months: over HTTP, at the command line, and by workers that are killed."""

from __future__ import annotations

import csv
import hashlib
import io
from datetime import date
from decimal import Decimal
from pathlib import Path

import pypdfium2
import pytest
import zxingcpp
from pypdf import PdfReader
from sqlalchemy import text as sql
from werkzeug.test import TestResponse

from settlement.approvals.service import approve
from settlement.languages.rules import SIMPLIFIED_CHINESE
from settlement.proposals.service import propose, reject
from settlement.statements.documents import StatementDocument
from settlement.statements.items import render_items
from settlement.statements.service import (
    load_heading,
    load_settlement,
    load_statements,
    output_folder,
    render_statements,
    statement_path,
)
from settlement.terms.service import set_terms
from tenants.bank_accounts.rules import BankDetails
from tenants.bank_accounts.service import set_bank_account
from tenants.credentials.rules import STAFF
from tenants.credentials.service import create_credential
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import NotFound
from tenants.staff.rules import APPROVER, OWNER, PREPARER
from tenants.staff.service import create_staff
from tests.conftest import NetworkForTests

JANUARY = date(2026, 1, 1)
WINDOW = "/v1/settlement/windows/2026-01"


@pytest.fixture
def busy(network: NetworkForTests, card: str) -> NetworkForTests:
    """January: A issues 100 of which 20 come back, B recovers 30 and gives back 5, A recovers 10 of its own."""
    a, b = network.tills["A"], network.tills["B"]
    sale = a.accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z").json
    used = b.redeem(card, 30, occurred_at="2026-01-11T12:00:00Z").json
    a.reverse(sale["transfer_id"], amount=2000, occurred_at="2026-01-12T12:00:00Z")
    b.reverse(used["transfer_id"], points=5, occurred_at="2026-01-13T12:00:00Z")
    a.redeem(card, 10, occurred_at="2026-01-14T12:00:00Z")
    return network


def download(network: NetworkForTests, path: str, key: str | None = None) -> TestResponse:
    headers = {"Authorization": f"Bearer {key or network.hq_key}"}
    answer = network.app.test_client().get(f"{WINDOW}/{path}", headers=headers)
    answer.get_data()
    answer.close()
    return answer


def statement_of(network: NetworkForTests, code: str) -> StatementDocument:
    [statement] = load_statements(load_heading(network.tenant_id, JANUARY), [code])
    return statement


def test_a_statement_tells_what_reversals_took_back(busy: NetworkForTests) -> None:
    busy.propose(JANUARY)

    a, b = statement_of(busy, "A"), statement_of(busy, "B")

    assert (a.line.position.issued, a.issued_reversed, a.line.position.recovered, a.recovered_reversed) == (
        80,
        20,
        10,
        0,
    )
    assert (b.line.position.issued, b.issued_reversed, b.line.position.recovered, b.recovered_reversed) == (
        0,
        0,
        25,
        5,
    )
    assert (a.own_points_recovered, a.closing_outstanding) == (35, 45)


def test_opening_is_the_closing_of_the_month_before(busy: NetworkForTests) -> None:
    busy.settle(JANUARY)
    busy.propose(date(2026, 2, 1))

    [february] = load_statements(load_heading(busy.tenant_id, date(2026, 2, 1)), ["A"])

    assert february.opening_outstanding == statement_of(busy, "A").closing_outstanding == 45


def test_the_amount_of_a_statement_is_the_settlements(busy: NetworkForTests) -> None:
    document = busy.propose(JANUARY)

    for line in document.stores:
        assert statement_of(busy, line.store_code).line == line


def test_a_store_without_anything_has_a_statement(busy: NetworkForTests) -> None:
    busy.propose(JANUARY)

    answer = download(busy, "statements/C")

    assert answer.status_code == 200
    assert "Nothing to settle" in PdfReader(io.BytesIO(answer.data)).pages[0].extract_text()


def test_a_statement_comes_in_the_language_that_is_asked_for(busy: NetworkForTests) -> None:
    busy.propose(JANUARY)

    english, chinese = (
        PdfReader(io.BytesIO(download(busy, f"statements/A{query}").data)).pages[0].extract_text()
        for query in ("", "?language=zh-Hans")
    )

    assert "Remit to head office" in english
    assert "应付总部" in chinese


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("statements/X", 404, "store_unknown"),
        ("statements/A?language=fr", 422, "invalid_input"),
        ("statements/A?version=7", 404, "settlement_unknown"),
        ("statements/A?version=0", 422, "invalid_input"),
        ("statements/X/items", 404, "store_unknown"),
        ("advices/X", 404, "store_unknown"),
        ("advices/A", 409, "settlement_not_approved"),
        ("advices/A?language=", 422, "invalid_input"),
    ],
)
def test_what_can_not_be_given_is_refused_with_a_code(
    busy: NetworkForTests, path: str, status: int, code: str
) -> None:
    busy.propose(JANUARY)

    answer = busy.hq("GET", f"{WINDOW}/{path}")

    assert (answer.status_code, answer.json["code"]) == (status, code)


@pytest.mark.parametrize("path", ["statements/A", "statements/A/items", "advices/A"])
def test_a_month_without_a_proposal_has_no_documents(busy: NetworkForTests, path: str) -> None:
    busy.close(JANUARY)

    answer = busy.hq("GET", f"{WINDOW}/{path}")

    assert (answer.status_code, answer.json["code"]) == (404, "settlement_unknown")


def test_an_owner_gets_what_is_of_his_own_stores_only(busy: NetworkForTests) -> None:
    busy.settle(JANUARY)
    owner = create_staff(busy.tenant_id, "owner-a", "Ada", [OWNER], "A")
    _, key = create_credential(busy.tenant_id, STAFF, "owner", staff_id=owner.staff_id)

    for path in ("statements/{}", "statements/{}/items", "advices/{}"):
        assert [download(busy, path.format(code), key).status_code for code in "AB"] == [200, 404], path


def test_draft_and_final_statements_stand_apart(busy: NetworkForTests) -> None:
    folder = output_folder(busy.code, JANUARY)
    first = busy.propose(JANUARY)
    render_statements(first, ["A"])
    busy.settle(JANUARY)
    final = load_settlement(busy.tenant_id, JANUARY)
    render_statements(final, ["A"])
    render_statements(load_heading(busy.tenant_id, JANUARY, 1), ["A"])

    found = {str(path.relative_to(folder)) for path in folder.rglob("*.pdf")}

    assert found == {"v1-draft/statements/A.pdf", "v1-rejected/statements/A.pdf", "statements/A.pdf"}
    texts = {name: PdfReader(folder / name).pages[0].extract_text() for name in found}
    assert "DRAFT" in texts["v1-draft/statements/A.pdf"]
    assert "REJECTED" in texts["v1-rejected/statements/A.pdf"]
    assert "Version 2, approved" in texts["statements/A.pdf"]


def test_what_is_written_stays_as_it_is(busy: NetworkForTests) -> None:
    document = busy.settle(JANUARY)
    [path] = render_statements(document, ["A"])
    written_at = path.stat().st_mtime_ns

    render_statements(document, ["A", "B"])

    assert path.stat().st_mtime_ns == written_at


def test_a_code_of_no_store_stops_before_anything_of_its_part_is_written(busy: NetworkForTests) -> None:
    document = busy.settle(JANUARY)

    with pytest.raises(NotFound, match="No store X, Y in 2026-01"):
        render_statements(document, ["A", "Y", "X"])
    assert not statement_path(document, "A").exists()


def test_languages_have_files_of_their_own(busy: NetworkForTests) -> None:
    document = busy.settle(JANUARY)

    [english] = render_statements(document, ["A"])
    [chinese] = render_statements(document, ["A"], language=SIMPLIFIED_CHINESE)

    assert english != chinese
    assert english.read_bytes() != chinese.read_bytes()


def test_an_advice_names_payer_payee_day_and_reference(busy: NetworkForTests) -> None:
    busy.settle(JANUARY)

    remit, receive = (PdfReader(io.BytesIO(download(busy, f"advices/{code}").data)) for code in ("A", "B"))

    text = remit.pages[0].extract_text()
    assert len(remit.pages) == 1
    assert "Remit to head office" in text and "USD 0.70" in text
    assert f"From\nStore A\nTo\nHead office, Network {busy.code}" in text
    assert "February 15, 2026" in text and "leg-" in text
    assert f"From\nHead office, Network {busy.code}\nTo\nStore B" in receive.pages[0].extract_text()


def test_an_advice_shows_head_offices_account_in_full_and_the_end_of_a_stores(busy: NetworkForTests) -> None:
    set_bank_account(busy.tenant_id, None, BankDetails("Head office", iban="DE89370400440532013000"), "test")
    set_bank_account(busy.tenant_id, "B", BankDetails("Bea", iban="FR1420041010050500013M02606"), "test")
    busy.settle(JANUARY)

    remit, receive = (
        PdfReader(io.BytesIO(download(busy, f"advices/{code}").data)).pages[0].extract_text() for code in "AB"
    )

    assert "Into the account\nDE89370400440532013000" in remit
    assert "Into the account\nFR…2606" in receive


def test_an_advice_of_a_store_with_a_mandate_says_that_head_office_collects(busy: NetworkForTests) -> None:
    head_office = BankDetails("Head office", iban="DE89370400440532013000", creditor_id="DE98ZZZ09999999999")
    mandate = {"mandate_id": "M-A", "mandate_signed_on": date(2026, 1, 5), "mandate_scheme": "CORE"}
    set_bank_account(busy.tenant_id, None, head_office, "test")
    set_bank_account(busy.tenant_id, "A", BankDetails("Ada", iban="FR1420041010050500013M02606", **mandate), "test")
    busy.settle(JANUARY)

    text = PdfReader(io.BytesIO(download(busy, "advices/A").data)).pages[0].extract_text()

    assert "Head office collects" in text and "From the account\nFR…2606" in text
    assert "under the mandate M-A" in text


def test_there_is_no_advice_of_nothing(busy: NetworkForTests) -> None:
    busy.settle(JANUARY)

    answer = busy.hq("GET", f"{WINDOW}/advices/C")

    assert (answer.status_code, answer.json["code"]) == (404, "leg_unknown")


def items_of(network: NetworkForTests, code: str) -> list[dict[str, str]]:
    content = render_items(network.tenant_id, JANUARY, code).read_text()
    return list(csv.DictReader(io.StringIO(content, newline="")))


def test_items_are_every_transfer_that_moves_a_stores_points(busy: NetworkForTests, card: str) -> None:
    busy.propose(JANUARY)

    rows = items_of(busy, "A")

    moved = [
        (row["kind"], row["store"], row["flow"], row["counter_store"], row["points"], row["amount"]) for row in rows
    ]
    assert moved == [
        ("accrual", "A", "issued", "", "100", "1"),
        ("redemption", "B", "own_recovered", "B", "30", ""),
        ("accrual_reversal", "A", "issued", "", "-20", "-0.2"),
        ("redemption_reversal", "B", "own_recovered", "B", "-5", ""),
        ("redemption", "A", "own_recovered", "A", "10", ""),
        ("redemption", "A", "recovered", "A", "10", "-0.1"),
        ("", "", "issued", "", "80", "0.8"),
        ("", "", "own_recovered", "", "35", "0"),
        ("", "", "recovered", "", "10", "-0.1"),
    ]
    assert {row["card"] for row in rows[:-3]} == {f"…{card[-4:]}"}
    assert not any(card in value for row in rows for value in row.values())


def test_items_of_a_store_are_what_the_seal_is_made_of(busy: NetworkForTests) -> None:
    busy.propose(JANUARY)
    own = {row["transfer_id"]: row["transfer_hash"] for row in items_of(busy, "A") if row["store"] == "A"}
    with unit_of_work(busy.tenant_id) as session:
        hashes = session.scalars(
            sql("SELECT hash FROM ledger.transfers WHERE store_id = :store ORDER BY transfer_id"),
            {"store": busy.tills["A"].store_id},
        ).all()

    digest = hashlib.sha256(b"".join(bytes.fromhex(each) for each in own.values())).digest()

    assert digest == hashlib.sha256(b"".join(hashes)).digest()


def test_holds_are_items_without_points(busy: NetworkForTests, card: str) -> None:
    a = busy.tills["A"]
    hold = a.post(
        "/v1/holds", {"card": card, "order_ref": "h", "points": 5, "occurred_at": "2026-01-20T12:00:00Z"}
    ).json
    a.post(f"/v1/holds/{hold['hold_id']}/void", {"occurred_at": "2026-01-20T12:01:00Z"})
    busy.propose(JANUARY)

    rows = {row["kind"]: row for row in items_of(busy, "A")}

    assert rows["hold"]["points"] == rows["hold"]["amount"] == rows["hold"]["flow"] == ""


MONEY_OF_POINTS = {"funding", "redemption", "bilateral", "margin", "borne"}


@pytest.mark.parametrize("model", ["pooled", "on_redemption"])
@pytest.mark.parametrize("charged_to", ["store", "member"])
def test_items_come_to_what_the_statement_says(make_network, model: str, charged_to: str) -> None:
    network = make_network(
        funding_rate=Decimal("1.25"),
        redemption_rate=Decimal("0.9"),
        return_policy="clamp",
        offline_limit=100,
        offline_charged_to=charged_to,
    )
    set_model(network, model)
    a, b, c = (network.add_till(code) for code in "ABC")
    card, other = network.add_card(), network.add_card()
    sale = a.accrue(card, 10100, occurred_at="2026-01-10T12:00:00Z").json
    b.redeem(card, 90, occurred_at="2026-01-11T12:00:00Z")
    used = a.redeem(card, 5, occurred_at="2026-01-11T13:00:00Z").json
    a.reverse(sale["transfer_id"], amount=5000, occurred_at="2026-01-12T12:00:00Z")
    b.accrue(other, 3300, occurred_at="2026-01-12T12:00:00Z")
    c.redeem(other, 50, occurred_at="2026-01-13T12:00:00Z", offline=True)
    a.reverse(used["transfer_id"], points=2, occurred_at="2026-01-14T12:00:00Z")
    network.propose(JANUARY)

    for code in "ABC":
        statement = statement_of(network, code)
        store_id = statement.store_id
        rows = items_of(network, code)
        totals = {row["flow"]: row for row in rows if row["transfer_id"] == "total"}
        signs = [(1 if line.payer_id == store_id else -1, line) for line in statement.lines]
        exact = sum((sign * line.exact for sign, line in signs if line.kind in MONEY_OF_POINTS), Decimal(0))
        assert sum(Decimal(row["amount"]) for row in totals.values()) == exact.scaleb(-2)
        position = statement.line.position
        assert points_in(totals, "issued") == position.issued
        assert points_in(totals, "recovered") == position.recovered
        assert points_in(totals, "borne") == position.borne
        assert points_in(totals, "expired") == position.expired
        assert points_in(totals, "own_recovered") == statement.own_points_recovered


def points_in(totals: dict[str, dict[str, str]], flow: str) -> int:
    return int(totals[flow]["points"]) if flow in totals else 0


def set_model(network: NetworkForTests, model: str) -> None:
    set_terms(network.tenant_id, JANUARY, "test", model=model)


def test_items_of_a_final_version_are_written_once_and_of_a_draft_anew(busy: NetworkForTests) -> None:
    busy.propose(JANUARY)
    draft = render_items(busy.tenant_id, JANUARY, "A")
    first = draft.stat().st_ino
    assert render_items(busy.tenant_id, JANUARY, "A").stat().st_ino != first

    approve(busy.tenant_id, JANUARY, busy.person(APPROVER))
    final = render_items(busy.tenant_id, JANUARY, "A")

    assert final != draft
    inode = final.stat().st_ino
    assert render_items(busy.tenant_id, JANUARY, "A").stat().st_ino == inode
    assert final.read_bytes() == draft.read_bytes()


def test_the_code_of_a_statement_leads_to_what_head_office_published(busy: NetworkForTests) -> None:
    busy.settle(JANUARY)
    url = code_on(render_statements(load_heading(busy.tenant_id, JANUARY), ["B"])[0])
    assert url.startswith("http://127.0.0.1:8080/verify/")

    answer = busy.app.test_client().get(url.removeprefix("http://127.0.0.1:8080"))

    assert answer.status_code == 200
    for said in (
        f"Network {busy.code}",
        "B · Store B",
        "January 2026",
        "Receive from head office",
        "USD 0.25",
        "approved",
    ):
        assert said in answer.text, said


def code_on(path: Path) -> str:
    page = pypdfium2.PdfDocument(path)[0].render(scale=2).to_pil()
    [code] = zxingcpp.read_barcodes(page)
    return code.text


def test_a_rejected_version_is_told_as_such(busy: NetworkForTests) -> None:
    document = busy.propose(JANUARY)
    url = statement_of(busy, "A").verification_url
    reject(busy.tenant_id, JANUARY, busy.person(APPROVER), "wrong")
    propose(busy.tenant_id, JANUARY, busy.person(PREPARER))

    answer = busy.app.test_client().get(url.removeprefix("http://127.0.0.1:8080"))

    assert document.version == 1
    assert "This version was rejected" in answer.text
    assert "rejected: this version does not count" in answer.text
