"""What anybody sees who scans a statement, and that nobody sees more."""

from __future__ import annotations

import base64
import re
from datetime import date

import pytest
from sqlalchemy import create_engine, text
from werkzeug.test import TestResponse

from settlement.authenticity.rules import Claim, read_token, write_token
from settlement.authenticity.service import verification_url
from settlement.authenticity.web import STYLE_HASH
from settlement.proposals.tables import Settlement
from settlement.states.rules import SETTLING
from settlement.states.service import change_state
from settlement.windows.tables import Window
from tenants.foundation import ids
from tenants.foundation.config import Settings, public_url
from tenants.foundation.database import normal_url, unit_of_work
from tenants.foundation.errors import InvalidInput
from tests.conftest import NetworkForTests

JANUARY = date(2026, 1, 1)


@pytest.fixture
def settled(network: NetworkForTests, card: str) -> NetworkForTests:
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 30, occurred_at="2026-01-11T12:00:00Z")
    network.settle(JANUARY)
    return network


def token_of(network: NetworkForTests, store_code: str = "A") -> str:
    with unit_of_work(network.tenant_id) as session:
        settlement = session.query(Settlement).filter_by(month=JANUARY).one()
    url = verification_url(network.tenant_id, settlement.settlement_id, network.tills[store_code].store_id)
    return url.rpartition("/")[2]


def page_of(network: NetworkForTests, token: str, **headers: str) -> TestResponse:
    return network.app.test_client().get(f"/verify/{token}", headers=headers)


def test_the_page_shows_what_is_on_the_statement(settled: NetworkForTests) -> None:
    answer = page_of(settled, token_of(settled))

    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    with unit_of_work(settled.tenant_id) as session:
        content_hash = session.query(Settlement).one().content_hash.hex()
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", answer.text))
    assert facts["Network"] == f"Network {settled.code}"
    assert facts["Store"] == "A · Store A"
    assert facts["Month"] == "January 2026"
    assert (facts["Version"], facts["State"]) == ("1", "approved")
    assert facts["SHA-256 of all lines of this version"] == content_hash
    assert "<strong>USD 1.00</strong>" in answer.text
    assert "Remit to head office" in answer.text


def test_the_page_follows_the_state(settled: NetworkForTests) -> None:
    token = token_of(settled)
    with unit_of_work(settled.tenant_id) as session:
        change_state(session, "settlement", session.query(Settlement).one(), SETTLING, "test")

    assert "being settled" in page_of(settled, token).text


def test_a_sealed_month_shows_its_root_the_number_of_transfers_and_that_they_are_in_it(
    settled: NetworkForTests,
) -> None:
    with unit_of_work(settled.tenant_id) as session:
        root = session.query(Window).one().merkle_root.hex()

    answer = page_of(settled, token_of(settled)).text

    assert f"""<dd class="hash">{root}</dd>""" in answer
    assert "<dt>Transfers under the seal</dt><dd>1</dd>" in answer
    assert """<dt>Inclusion in the month&#39;s seal</dt><dd class="good">proven</dd>""" in answer


@pytest.mark.parametrize(
    ("tampering", "said"),
    [
        ("UPDATE settlement.windows SET merkle_root = sha256('other') WHERE tenant_id = :tenant", "NOT PROVEN"),
        ("UPDATE settlement.seals SET leaf = sha256('x') WHERE tenant_id = :tenant", "NOT PROVEN"),
        ("UPDATE settlement.windows SET merkle_root = NULL WHERE tenant_id = :tenant", "Not sealed"),
    ],
)
def test_a_seal_that_does_not_hold_is_told(
    settled: NetworkForTests, settings: Settings, tampering: str, said: str
) -> None:
    token = token_of(settled)
    owner = create_engine(normal_url(settings.database_url))
    with owner.begin() as connection:
        connection.execute(text(tampering), {"tenant": settled.tenant_id})
    owner.dispose()

    answer = page_of(settled, token)

    assert answer.status_code == 200
    assert said in answer.text
    assert ">proven<" not in answer.text


@pytest.mark.parametrize(
    ("language", "header", "said"),
    [
        ("", {}, "This statement is genuine"),
        ("?language=zh-Hans", {}, "此结算单真实有效"),
        ("", {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}, "此结算单真实有效"),
        ("?language=en", {"Accept-Language": "zh-CN"}, "This statement is genuine"),
        ("", {"Accept-Language": "fr"}, "This statement is genuine"),
    ],
)
def test_the_page_is_in_the_readers_language(
    settled: NetworkForTests, language: str, header: dict[str, str], said: str
) -> None:
    assert said in page_of(settled, token_of(settled) + language, **header).text


def test_names_are_never_markup(make_network) -> None:
    network = make_network(name="<script>alert(1)</script>")
    network.add_till("A")
    network.settle(JANUARY)

    answer = page_of(network, token_of(network))

    assert "<script" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text


def tampered(token: str, place: int) -> str:
    content = bytearray(base64.urlsafe_b64decode(token + "=="))
    content[place] ^= 1
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@pytest.mark.parametrize("place", [0, 15, 16, 31, 32, 47, 48, 63])
def test_a_code_with_one_bit_changed_opens_nothing(settled: NetworkForTests, place: int) -> None:
    answer = page_of(settled, tampered(token_of(settled), place))

    assert (answer.status_code, answer.mimetype) == (404, "text/html")


@pytest.mark.parametrize(
    "token", ["x", "a" * 85, "a" * 86, "a" * 87, "ä" * 86, "%00", "=" * 86, "a" * 4000, "-_" * 43]
)
def test_whatever_is_no_code_is_not_found_and_told_nothing(settled: NetworkForTests, token: str) -> None:
    answer = page_of(settled, token)
    other = page_of(settled, "y")

    assert (answer.status_code, answer.text) == (404, other.text)
    assert settled.code not in answer.text


def test_a_code_of_our_own_for_what_is_not_there_is_not_found(settled: NetworkForTests) -> None:
    store_id = settled.tills["A"].store_id
    for claim in (
        (settled.tenant_id, ids.new_id(), store_id),
        (ids.new_id(), ids.new_id(), store_id),
    ):
        token = verification_url(*claim).rpartition("/")[2]
        assert page_of(settled, token).status_code == 404


def test_another_networks_settlement_is_not_found(settled: NetworkForTests, make_network) -> None:
    other = make_network()
    other.add_till("A")
    other.settle(JANUARY)
    claim, _ = read_token(token_of(settled)) or pytest.fail()

    mixed = verification_url(other.tenant_id, claim.settlement_id, claim.store_id).rpartition("/")[2]

    assert page_of(settled, mixed).status_code == 404


@pytest.mark.parametrize("is_there", [True, False])
def test_the_page_loads_nothing_and_can_not_be_framed(settled: NetworkForTests, is_there: bool) -> None:
    answer = page_of(settled, token_of(settled) if is_there else "x")

    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ") and "frame-ancestors 'none'" in policy
    assert f"style-src 'sha256-{STYLE_HASH}'" in policy and "unsafe" not in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert not re.search(r"""(src|href)=|<script|url[(]|https?://""", answer.text)


def test_a_code_is_read_as_it_was_written() -> None:
    claim = Claim(ids.new_id(), ids.new_id(), ids.new_id())

    token = write_token(claim, b"0123456789abcdef")

    assert re.fullmatch(r"[A-Za-z0-9_-]{86}", token)
    assert read_token(token) == (claim, b"0123456789abcdef")


def test_where_the_code_leads_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert public_url() == "http://127.0.0.1:8080"

    monkeypatch.setenv("CLEARINGHOUSE_PUBLIC_URL", "https://points.example.com/loyalty/")

    assert public_url() == "https://points.example.com/loyalty"


@pytest.mark.parametrize(
    "url", ["points.example.com", "ftp://points.example.com", "https://", "https://x/?a=b", "/x"]
)
def test_a_setting_that_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CLEARINGHOUSE_PUBLIC_URL", url)

    with pytest.raises(InvalidInput, match="CLEARINGHOUSE_PUBLIC_URL must be like"):
        public_url()
