"""pain.001 (payouts) and pain.008 (collections) by `sepaxml`, checked against the schemas it brings.

The versions are those of the SEPA rulebooks of 2025. Loaded by whoever makes a file: the schemas cost 30 megabytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sepaxml import SepaDD, SepaTransfer
from sepaxml.validation import ValidationError, try_valid_xml
from text_unidecode import unidecode

from settlement.legs.rules import end_to_end_id
from settlement.payments.rules import SEPA_CURRENCY, Account, Payment
from tenants.foundation.errors import InvalidInput

PAYOUT_SCHEMA = "pain.001.001.09"
COLLECTION_SCHEMA = "pain.008.001.08"

# The characters that every bank of SEPA takes.
OTHERS = re.compile(r"[^A-Za-z0-9/?:().,'+ -]+")
NAME_LENGTH, TEXT_LENGTH = 70, 140
# Mandates have been used in any order of first and recurrent collections since 2016.
RECURRENT = "RCUR"


def payout_file(head_office: Account, payments: Sequence[Payment], message_id: str, made_at: datetime) -> bytes:
    """pain.001: head office's bank pays the stores. The same arguments give the same bytes."""
    transfer = SepaTransfer(party(head_office), schema=PAYOUT_SCHEMA)
    for payment in payments:
        transfer.add_payment({**common(payment), "execution_date": payment.due_on})
    return finished(transfer.export(validate=False), PAYOUT_SCHEMA, message_id, made_at)


def collection_file(
    head_office: Account, payments: Sequence[Payment], scheme: str, message_id: str, made_at: datetime
) -> bytes:
    """pain.008: head office's bank collects from the stores, all under mandates of one scheme."""
    config = {**party(head_office), "creditor_id": head_office.creditor_id, "instrument": scheme}
    debit = SepaDD(config, schema=COLLECTION_SCHEMA)
    for payment in payments:
        mandate = {
            "type": RECURRENT,
            "collection_date": payment.due_on,
            "mandate_id": payment.account.mandate_id,
            "mandate_date": payment.account.mandate_signed_on,
        }
        debit.add_payment({**common(payment), **mandate})
    return finished(debit.export(validate=False), COLLECTION_SCHEMA, message_id, made_at)


def party(head_office: Account) -> dict[str, Any]:
    name = sepa_text(head_office.holder, NAME_LENGTH)
    return {"name": name, "batch": True, "currency": SEPA_CURRENCY, **account_of(head_office)}


def common(payment: Payment) -> dict[str, Any]:
    return {
        "name": sepa_text(payment.account.holder, NAME_LENGTH),
        "amount": payment.amount,
        "description": sepa_text(payment.text, TEXT_LENGTH),
        "endtoend_id": end_to_end_id(payment.leg_id),
        **account_of(payment.account),
    }


def account_of(account: Account) -> dict[str, str]:
    return {"IBAN": account.number, **({"BIC": account.bic} if account.bic else {})}


def sepa_text(text: str, length: int) -> str:
    """In the characters of SEPA, others by what comes nearest to them."""
    nearest = " ".join(OTHERS.sub(" ", unidecode(text).replace("&", "+")).split())
    return nearest[:length].strip() or "NOTPROVIDED"


def finished(content: bytes, schema: str, message_id: str, made_at: datetime) -> bytes:
    """With our ids in place of the ones that `sepaxml` draws by lot, and the given time instead of its clock's."""
    moment = made_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    batches = content.count(b"<PmtInfId>")
    content = put_texts(content, "MsgId", [message_id])
    content = put_texts(content, "CreDtTm", [moment])
    content = put_texts(content, "PmtInfId", [f"{message_id}-{number}" for number in range(1, batches + 1)])
    try:
        try_valid_xml(content, schema)
    except ValidationError as error:
        raise InvalidInput(
            f"The payment file does not follow {schema}: {error.__cause__ or error}", code="payment_file_invalid"
        ) from error
    return content


def put_texts(content: bytes, tag: str, texts: Iterable[str]) -> bytes:
    """Each element of this name gets the next text. `content` is markup that `sepaxml` has just written."""
    waiting = iter(texts)
    made = re.sub(rf"<{tag}>[^<]*</{tag}>", lambda _: f"<{tag}>{next(waiting)}</{tag}>", content.decode())
    assert next(waiting, None) is None, tag
    return made.encode()
