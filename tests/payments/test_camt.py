"""What is read from the files of banks, in the forms in which they come; and what is no such file."""

from __future__ import annotations

from datetime import date

import pytest

from settlement.bank_files.camt import BYTES_MAX, read_camt
from settlement.bank_files.rules import Entry
from settlement.legs.rules import end_to_end_id
from tenants.foundation import ids
from tenants.foundation.errors import InvalidInput

LEG = ids.parse(ids.LEG, "leg_01h455vb4pex5vsknk084sn02q")
ID = end_to_end_id(LEG)
IBAN = "DE89370400440532013000"


def statement(entries: str, version: str = "02", account: str = f"<IBAN>{IBAN}</IBAN>") -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"><BkToCstmrStmt>
<GrpHdr><MsgId>M-1</MsgId><CreDtTm>2026-02-16T18:00:00+01:00</CreDtTm></GrpHdr>
<Stmt><Id>S-1</Id><Acct><Id>{account}</Id><Ccy>EUR</Ccy></Acct>{entries}</Stmt>
</BkToCstmrStmt></Document>""".encode()


def notice(entries: str) -> bytes:
    content = statement(entries, "08").replace(b"camt.053", b"camt.054")
    return content.replace(b"BkToCstmrStmt", b"BkToCstmrDbtCdtNtfctn").replace(b"Stmt>", b"Ntfctn>")


# As German banks wrote it until 2025: amounts in AmtDtls, the status as text.
V02 = f"""<Ntry><Amt Ccy="EUR">12.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>
<BookgDt><Dt>2026-02-16</Dt></BookgDt><AcctSvcrRef>R1</AcctSvcrRef><NtryDtls><TxDtls>
<Refs><EndToEndId>{ID}</EndToEndId></Refs><AmtDtls><TxAmt><Amt Ccy="EUR">12.50</Amt></TxAmt></AmtDtls>
</TxDtls></NtryDtls></Ntry>"""
# Now: the status in Cd, the amount in the transaction, the time of booking.
V08 = f"""<Ntry><Amt Ccy="EUR">12.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
<BookgDt><DtTm>2026-02-16T09:30:00+01:00</DtTm></BookgDt><NtryDtls><TxDtls>
<Refs><AcctSvcrRef>R1</AcctSvcrRef><EndToEndId> {ID.upper()} </EndToEndId></Refs><Amt Ccy="EUR">12.5</Amt>
<CdtDbtInd>CRDT</CdtDbtInd></TxDtls></NtryDtls></Ntry>"""
# The one payment of an entry that alone says how much.
PLAIN = f"""<Ntry><Amt Ccy="EUR">12.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>
<BookgDt><Dt>2026-02-16</Dt></BookgDt><AcctSvcrRef>R1</AcctSvcrRef><NtryDtls><TxDtls>
<Refs><EndToEndId>{ID}</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>"""
EXPECTED = Entry(LEG, IBAN, 1250, "EUR", "CRDT", True, False, date(2026, 2, 16), "R1", "")


@pytest.mark.parametrize("content", [statement(V02), statement(V08, "08"), statement(PLAIN), notice(V08)])
def test_every_version_tells_the_same(content: bytes) -> None:
    read = read_camt(content)

    assert (read.message_id, read.accounts, read.others) == ("M-1", {IBAN}, 0)
    assert read.entries == (EXPECTED,)


# A direct debit that comes back with the banks' charges: 12.50 was collected, 17.50 is taken.
CHARGED = f"""<Ntry><Amt Ccy="EUR">17.50</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts>
<BookgDt><Dt>2026-02-18</Dt></BookgDt><NtryDtls><TxDtls><Refs><EndToEndId>{ID}</EndToEndId></Refs>
<AmtDtls><InstdAmt><Amt Ccy="EUR">12.50</Amt></InstdAmt><TxAmt><Amt Ccy="EUR">17.50</Amt></TxAmt></AmtDtls>
<RtrInf><Rsn><Cd>AM04</Cd></Rsn><AddtlInf>insufficient funds</AddtlInf></RtrInf></TxDtls></NtryDtls></Ntry>"""


def test_of_a_return_counts_what_was_asked_for_not_the_charges() -> None:
    [entry] = read_camt(statement(CHARGED)).entries

    assert (entry.amount, entry.direction, entry.is_return) == (1250, "DBIT", True)
    assert entry.reason == "AM04: insufficient funds"


UNPAID = "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>IDDT</Cd><SubFmlyCd>UPDD</SubFmlyCd></Fmly></Domn></BkTxCd>"
MARKS: list[tuple[str, str]] = [
    ("<BookgDt>", "<RvslInd>true</RvslInd><BookgDt>"),
    ("<NtryDtls>", f"{UNPAID}<NtryDtls>"),
    ("</TxDtls>", "<RtrInf><Rsn><Prtry>914</Prtry></Rsn></RtrInf></TxDtls>"),
]


@pytest.mark.parametrize("mark", MARKS)
def test_returns_are_told_in_three_ways(mark: tuple[str, str]) -> None:
    [entry] = read_camt(statement(PLAIN.replace(*mark))).entries

    assert entry.is_return


def test_payments_booked_together_are_read_one_by_one() -> None:
    second = end_to_end_id(ids.new_id())
    transactions = "".join(
        f'<TxDtls><Refs><EndToEndId>{each}</EndToEndId></Refs><AmtDtls><TxAmt><Amt Ccy="EUR">{amount}</Amt></TxAmt>'
        "</AmtDtls></TxDtls>"
        for each, amount in ((ID, "10.00"), (second, "2.50"), ("NOTPROVIDED", "1"))
    )
    entry = (
        '<Ntry><Amt Ccy="EUR">13.50</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts>'
        f"<NtryDtls>{transactions}</NtryDtls></Ntry>"
    )

    read = read_camt(statement(entry))

    assert [entry.amount for entry in read.entries] == [1000, 250]
    assert (read.others, read.entries[0].booked_on) == (1, None)


def test_minor_units_are_the_currencys() -> None:
    yen = PLAIN.replace('"EUR">12.50', '"JPY">1250')

    assert read_camt(statement(yen)).entries[0].amount == 1250


def test_accounts_without_iban_are_told_by_their_number() -> None:
    account = "<Othr><Id>12 345-678</Id></Othr>"

    assert read_camt(statement(PLAIN, account=account)).accounts == {"12345678"}


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10 if n else b"&a;" * 10) for n in range(20))
    + b"]><x>&a19;</x>"
)
EXTERNAL = b'<?xml version="1.0"?><!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>'
ENTITY = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>'
NO_FILES: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "is not XML"),
    ("text", b"hello", "is not XML"),
    ("bytes", b"\x00\xff\xfe" * 100, "is not XML"),
    ("cut off", statement(PLAIN)[:-40], "is not XML"),
    ("unknown encoding", b'<?xml version="1.0" encoding="klingon"?><x/>', "is not XML"),
    ("unknown prefix", b"<a:b/>", "is not XML"),
    ("bomb", BOMB, "DOCTYPE"),
    ("external", EXTERNAL, "DOCTYPE"),
    ("entity", ENTITY, "DOCTYPE"),
    (
        "bomb in UTF-16",
        BOMB.decode().replace('version="1.0"', 'version="1.0" encoding="UTF-16"').encode("utf-16"),
        "DOCTYPE",
    ),
    ("empty declaration", b"<!DOCTYPE Document><Document/>", "DOCTYPE"),
    ("default attribute", b'<!DOCTYPE x [<!ATTLIST x y CDATA "z">]><x/>', "DOCTYPE"),
    ("parameter entity", b'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:1/x">%p;]><x/>', "DOCTYPE"),
    ("undeclared entity", b"<x>&passwd;</x>", "is not XML"),
    ("inclusion", b'<x xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="/etc/passwd"/></x>', "no camt"),
    ("UTF-7", b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE x+AD4-<x/>', "is not XML"),
    ("deep", b"<x>" * 100_000, "nested too deep"),
    ("large", b" " * (BYTES_MAX + 1), "larger than"),
    ("other document", b"<html/>", "no camt.053 or camt.054"),
    ("no namespace", statement(PLAIN).replace(b"urn:iso:std:iso:20022:tech:xsd:", b""), "no camt.053 or camt.054"),
    ("camt.052", statement(PLAIN).replace(b"camt.053", b"camt.052"), "no camt.053 or camt.054"),
    ("no message", statement(PLAIN).replace(b"BkToCstmrStmt", b"Other"), "has no BkToCstmrStmt"),
    ("no message id", statement(PLAIN).replace(b"<MsgId>M-1</MsgId>", b""), "has no GrpHdr/MsgId"),
    ("long id", statement(PLAIN).replace(b"M-1", b"M" * 9_999), "longer than"),
    ("long reference", statement(PLAIN.replace("R1", "R" * 9_999)), "longer than"),
    ("no amount", statement(PLAIN.replace("12.50", "a lot")), "is not an amount"),
    ("negative", statement(PLAIN.replace("12.50", "-12.50")), "is not an amount"),
    ("not a number", statement(PLAIN.replace("12.50", "NaN")), "is not an amount"),
    ("exponent", statement(PLAIN.replace("12.50", "1e9")), "is not an amount"),
    ("too many decimals", statement(PLAIN.replace("12.50", "12.505")), "too many decimals"),
    ("no currency", statement(PLAIN.replace("EUR", "XXX")), "is no currency"),
    ("no day", statement(PLAIN.replace("2026-02-16", "2026-02-31")), "not a day of booking"),
    ("no direction", statement(PLAIN.replace("CRDT", "")), "neither CRDT nor DBIT"),
    (
        "no amount each",
        statement(PLAIN.replace("</NtryDtls>", "<TxDtls/></NtryDtls>")),
        "does not say how much each",
    ),
]


@pytest.mark.parametrize(("content", "said"), [row[1:] for row in NO_FILES], ids=[row[0] for row in NO_FILES])
def test_what_is_no_such_file_is_told_so(content: bytes, said: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_camt(content)

    assert refusal.value.code == "bank_file_invalid"
    assert said in refusal.value.message
    assert len(refusal.value.message) < 300
