"""camt.053 (statements) and camt.054 (notices) of ISO 20022 as banks send them, versions 02 to 13.

Only what tells of single payments is read; elements are found by their names, as the versions differ in their
namespaces and hardly in these. A document type declaration is refused before anything else is looked at, so there
are no entities but XML's own five.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from uuid import UUID
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers import expat

from settlement.bank_files.rules import CREDIT, DEBIT, Entry
from settlement.legs.rules import leg_of
from tenants.bank_accounts.rules import bare
from tenants.foundation.errors import InvalidInput
from tenants.foundation.money import MINOR_DIGITS_OTHER, MINOR_DIGITS_TWO

BYTES_MAX = 32 * 1024 * 1024
DEPTH_MAX = 64

NAMESPACE = re.compile(r"\{urn:iso:std:iso:20022:tech:xsd:(camt\.05[34])\.001\.(\d{2})\}Document")
# Message and statements within it, by the kind of the file.
CONTENTS = {"camt.053": ("BkToCstmrStmt", "Stmt"), "camt.054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn")}

BOOKED = "BOOK"
REASON_LENGTH = 200
# Of what identifies something; ISO 20022 allows 35 characters.
ID_LENGTH_MAX = 140
# Families of bank transactions that take a payment back: an unpaid direct debit, a returned transfer.
RETURNS = ("UPDD", "RRTN")
AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,5})?")


@dataclass(frozen=True)
class BankFile:
    """`accounts` are those that it tells of, `entries` the payments of legs, `others` how many more there are."""

    message_id: str
    kind: str
    accounts: frozenset[str]
    entries: tuple[Entry, ...]
    others: int


class NotReadable(InvalidInput):
    code = "bank_file_invalid"


def read_camt(content: bytes) -> BankFile:
    """Raises `InvalidInput` for what is no camt.053 or camt.054, or can't be read as one."""
    refuse_unsafe(content)
    document = ElementTree.fromstring(content)  # nosec B314 # what could harm has been refused
    found = NAMESPACE.fullmatch(document.tag)
    if found is None:
        raise NotReadable(
            f"This is no camt.053 or camt.054: it begins with {name_of(document)!r} of another or no namespace."
        )
    kind = found[1]
    message_name, statement_name = CONTENTS[kind]
    message = child(document, message_name)
    if message is None:
        raise NotReadable(f"This {kind} has no {message_name}.")
    message_id = text_at(message, "GrpHdr", "MsgId")
    if not message_id:
        raise NotReadable(f"This {kind} has no GrpHdr/MsgId.")
    check_length("GrpHdr/MsgId", message_id)
    statements = list(children(message, statement_name))
    accounts = frozenset(account_of(statement) for statement in statements)
    found_entries = [entry for statement in statements for entry in entries_of(statement)]
    entries = tuple(entry for entry in found_entries if entry is not None)
    return BankFile(message_id, kind, accounts, entries, len(found_entries) - len(entries))


def refuse_unsafe(content: bytes) -> None:
    """What is too large, too deep, no XML, or declares a document type, which can make entities of gigabytes."""
    if len(content) > BYTES_MAX:
        raise NotReadable(f"The file is larger than {BYTES_MAX:,} bytes.")
    depth = 0

    def refuse_doctype(*_: object) -> None:
        raise NotReadable("The file declares a document type (DOCTYPE), which no file of a bank does.")

    def go_down(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH_MAX:
            raise NotReadable("The file is nested too deep.")

    def go_up(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartDoctypeDeclHandler = refuse_doctype
    parser.StartElementHandler = go_down
    parser.EndElementHandler = go_up
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise NotReadable(f"The file is not XML: {error}.") from error


def entries_of(statement: Element) -> Iterator[Entry | None]:
    """None for each payment that is other business of the account: what is odd about it is nobody's here."""
    account = account_of(statement)
    for entry in children(statement, "Ntry"):
        details = [each for detail in children(entry, "NtryDtls") for each in children(detail, "TxDtls")]
        if not details:
            yield None
        for transaction in details:
            leg_id = leg_of(text_at(transaction, "Refs", "EndToEndId"))
            is_only = len(details) == 1
            yield read_entry(leg_id, account, entry, transaction, is_only) if leg_id is not None else None


def read_entry(leg_id: UUID, account: str, entry: Element, transaction: Element, is_only: bool) -> Entry:
    is_return = returns(entry, transaction)
    amount, currency = amount_of(entry, transaction, is_return, is_only)
    direction = text_at(transaction, "CdtDbtInd") or text_at(entry, "CdtDbtInd")
    reference = text_at(transaction, "Refs", "AcctSvcrRef") or (text_at(entry, "AcctSvcrRef") if is_only else "")
    check_length("AcctSvcrRef", reference)
    if direction not in (CREDIT, DEBIT):
        raise NotReadable(f"An entry says neither CRDT nor DBIT: {direction[:10]!r}.")
    return Entry(
        leg_id,
        account,
        amount,
        currency,
        direction,
        (text_at(entry, "Sts", "Cd") or text_at(entry, "Sts")) == BOOKED,
        is_return,
        day_of(entry),
        reference,
        reason_of(transaction),
    )


def returns(entry: Element, transaction: Element) -> bool:
    family = text_at(transaction, "BkTxCd", "Domn", "Fmly", "SubFmlyCd") or text_at(
        entry, "BkTxCd", "Domn", "Fmly", "SubFmlyCd"
    )
    is_reversal = text_at(entry, "RvslInd") in ("true", "1")
    return child(transaction, "RtrInf") is not None or is_reversal or family in RETURNS


def amount_of(entry: Element, transaction: Element, is_return: bool, is_only: bool) -> tuple[int, str]:
    """What was moved for this payment. Of a return it may hold the bank's charges, so there the amount asked for."""
    paths = [("AmtDtls", "TxAmt", "Amt"), ("Amt",)]
    if is_return:
        paths.insert(0, ("AmtDtls", "InstdAmt", "Amt"))
    for path in paths:
        found = at(transaction, *path)
        if found is not None:
            return minor_units(found)
    whole = child(entry, "Amt")
    if not is_only or whole is None:
        raise NotReadable("An entry of several payments does not say how much each of them is.")
    return minor_units(whole)


def minor_units(element: Element) -> tuple[int, str]:
    currency, text = element.get("Ccy", ""), (element.text or "").strip()
    digits = 2 if currency in MINOR_DIGITS_TWO else MINOR_DIGITS_OTHER.get(currency)
    if digits is None:
        raise NotReadable(f"An amount is in {currency[:10]!r}, which is no currency.")
    try:
        amount = Decimal(text if AMOUNT.fullmatch(text) else "").scaleb(digits)
    except InvalidOperation as error:
        raise NotReadable(f"{text[:20]!r} is not an amount.") from error
    if amount != int(amount):
        raise NotReadable(f"{text[:20]!r} is not an amount of {currency}: it has too many decimals.")
    return int(amount), currency


def day_of(entry: Element) -> date | None:
    text = text_at(entry, "BookgDt", "Dt") or text_at(entry, "BookgDt", "DtTm")
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError as error:
        raise NotReadable(f"{text[:20]!r} is not a day of booking.") from error


def reason_of(transaction: Element) -> str:
    """The bank's code of the return, like AC04, and its words for it if there are any."""
    code = text_at(transaction, "RtrInf", "Rsn", "Cd") or text_at(transaction, "RtrInf", "Rsn", "Prtry")
    words = text_at(transaction, "RtrInf", "AddtlInf")
    return ": ".join(part for part in (code, words) if part)[:REASON_LENGTH]


def account_of(statement: Element) -> str:
    """An IBAN, or what the bank calls it otherwise; without spaces."""
    number = text_at(statement, "Acct", "Id", "IBAN") or text_at(statement, "Acct", "Id", "Othr", "Id")
    return bare(number)


def check_length(name: str, text: str) -> None:
    if len(text) > ID_LENGTH_MAX:
        raise NotReadable(f"{name} is longer than {ID_LENGTH_MAX} characters.")


def name_of(element: Element) -> str:
    return element.tag.rpartition("}")[2][:40]


def children(parent: Element, name: str) -> Iterator[Element]:
    return (each for each in parent if each.tag.rpartition("}")[2] == name)


def child(parent: Element, name: str) -> Element | None:
    return next(children(parent, name), None)


def at(parent: Element, *path: str) -> Element | None:
    found: Element | None = parent
    for name in path:
        found = child(found, name) if found is not None else None
    return found


def text_at(parent: Element, *path: str) -> str:
    """On one line; empty when there is none."""
    found = at(parent, *path)
    return " ".join((found.text or "").split()) if found is not None else ""
