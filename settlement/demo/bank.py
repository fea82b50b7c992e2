"""A bank that carries out what a payment file says, and tells so in a camt.054. For the demo and for tests."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from io import StringIO
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from settlement.bank_files.rules import CREDIT, DEBIT
from settlement.legs.rules import COLLECTION
from tenants.bank_accounts.rules import bare

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"

# Families of bank transactions: issued and received transfers and direct debits, by direction and whether returned.
FAMILIES = {
    (DEBIT, False): ("ICDT", "ESCT"),
    (CREDIT, True): ("ICDT", "RRTN"),
    (CREDIT, False): ("IDDT", "ESDD"),
    (DEBIT, True): ("IDDT", "UPDD"),
}


@dataclass(frozen=True)
class Order:
    """A payment as the file names it; `amount` is in major units, `direction` that of head office's account."""

    end_to_end_id: str
    account: str
    amount: str
    currency: str
    direction: str


def answer_of_bank(
    content: bytes, message_id: str, booked_on: date, returned: Mapping[str, str] | None = None
) -> bytes:
    """All of a pain.001, pain.008 or CSV booked on a day, and some taken back: `returned` has the reason by id."""
    orders = list(orders_in(content))
    document = Element("Document", xmlns=NAMESPACE)
    message = SubElement(document, "BkToCstmrDbtCdtNtfctn")
    header = SubElement(message, "GrpHdr")
    put(header, "MsgId", message_id)
    put(header, "CreDtTm", f"{booked_on}T18:00:00Z")
    notice = SubElement(message, "Ntfctn")
    put(notice, "Id", message_id)
    put(notice, "CreDtTm", f"{booked_on}T18:00:00Z")
    identification = SubElement(SubElement(notice, "Acct"), "Id")
    account = bare(orders[0].account) if orders else ""
    if account[:2].isalpha():
        put(identification, "IBAN", account)
    else:
        put(SubElement(identification, "Othr"), "Id", account)
    for number, order in enumerate(orders, start=1):
        add_entry(notice, order, f"{message_id}-{number}", booked_on)
        reason = (returned or {}).get(order.end_to_end_id)
        if reason is not None:
            add_entry(notice, order, f"{message_id}-{number}R", booked_on, reason)
    return ElementTree.tostring(document, encoding="utf-8", xml_declaration=True)


def add_entry(notice: Element, order: Order, reference: str, booked_on: date, reason: str | None = None) -> None:
    direction = order.direction if reason is None else {CREDIT: DEBIT, DEBIT: CREDIT}[order.direction]
    entry = SubElement(notice, "Ntry")
    put(entry, "Amt", order.amount, Ccy=order.currency)
    put(entry, "CdtDbtInd", direction)
    put(SubElement(entry, "Sts"), "Cd", "BOOK")
    put(SubElement(entry, "BookgDt"), "Dt", booked_on.isoformat())
    put(entry, "AcctSvcrRef", reference)
    domain = SubElement(SubElement(entry, "BkTxCd"), "Domn")
    put(domain, "Cd", "PMNT")
    family = SubElement(domain, "Fmly")
    for name, code in zip(("Cd", "SubFmlyCd"), FAMILIES[direction, reason is not None], strict=True):
        put(family, name, code)
    transaction = SubElement(SubElement(entry, "NtryDtls"), "TxDtls")
    put(SubElement(transaction, "Refs"), "EndToEndId", order.end_to_end_id)
    put(transaction, "Amt", order.amount, Ccy=order.currency)
    put(transaction, "CdtDbtInd", direction)
    if reason is not None:
        put(SubElement(SubElement(transaction, "RtrInf"), "Rsn"), "Cd", reason)


def put(parent: Element, name: str, text: str, **attributes: str) -> None:
    SubElement(parent, name, attributes).text = text


def orders_in(content: bytes) -> Iterator[Order]:
    return orders_in_pain(content) if content.lstrip().startswith(b"<") else orders_in_csv(content)


def orders_in_csv(content: bytes) -> Iterator[Order]:
    for row in csv.DictReader(StringIO(content.decode(), newline="")):
        direction = CREDIT if row["direction"] == COLLECTION else DEBIT
        yield Order(row["end_to_end_id"], row["our_account"], row["amount"], row["currency"], direction)


def orders_in_pain(content: bytes) -> Iterator[Order]:
    document = ElementTree.fromstring(content)  # nosec B314 # our own payment file
    is_collection = document.find("{*}CstmrDrctDbtInitn") is not None
    ours, direction = ("CdtrAcct", CREDIT) if is_collection else ("DbtrAcct", DEBIT)
    for batch in document.iterfind("*/{*}PmtInf"):
        account = batch.findtext(f"{{*}}{ours}/{{*}}Id/{{*}}IBAN", "")
        for payment in [*batch.iterfind("{*}CdtTrfTxInf"), *batch.iterfind("{*}DrctDbtTxInf")]:
            amount = payment.find(".//{*}InstdAmt")
            assert amount is not None
            end_to_end_id = payment.findtext("{*}PmtId/{*}EndToEndId", "")
            yield Order(end_to_end_id, account, amount.text or "", amount.get("Ccy", ""), direction)
