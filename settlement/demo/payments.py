"""The demo's stores pay and are paid: files for a bank, what it answers, read back in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from settlement.bank_files.service import Reading, read_bank_file
from settlement.demo.bank import answer_of_bank
from settlement.payments.service import get_payment_file, instruct, list_payment_files
from settlement.payments.tables import PaymentFile
from tenants.bank_accounts.rules import BankDetails
from tenants.bank_accounts.service import list_bank_accounts, set_bank_account
from tenants.foundation import ids
from tenants.foundation.errors import Conflict
from tenants.staff.rules import Actor
from tenants.stores.service import list_participants

MADE_BY = "demo"
HEAD_OFFICE = BankDetails("Complete Journey Grocers", account_number="100000000", bank_code="091000019")
FIRST_NUMBER = 200_000_000


def name_accounts(tenant_id: UUID) -> None:
    """Head office's, and one for each participant who has none."""
    set_bank_account(tenant_id, None, HEAD_OFFICE, MADE_BY)
    known = {code for _, code in list_bank_accounts(tenant_id)}
    for number, participant in enumerate(list_participants(tenant_id), start=FIRST_NUMBER):
        if participant.code not in known:
            details = BankDetails(participant.name, account_number=str(number), bank_code=HEAD_OFFICE.bank_code)
            set_bank_account(tenant_id, participant.code, details, MADE_BY)


def pay_month(tenant_id: UUID, month: date, treasurer: Actor) -> list[Reading]:
    """Every leg is instructed, carried out by the bank and confirmed. Again, it reads what was left unread."""
    instruct(tenant_id, month, treasurer)
    answers = [answer_to(tenant_id, file) for file in list_payment_files(tenant_id, month)]
    return [reading for answer in answers for reading in read_unless_read(tenant_id, treasurer, answer)]


def answer_to(tenant_id: UUID, file: PaymentFile) -> bytes:
    _, content, _ = get_payment_file(tenant_id, file.file_id)
    return answer_of_bank(content, ids.show(ids.PAYMENT_FILE, file.file_id), file.due_on)


def read_unless_read(tenant_id: UUID, treasurer: Actor, answer: bytes) -> Sequence[Reading]:
    try:
        return [read_bank_file(tenant_id, treasurer, answer, "camt.054.xml")]
    except Conflict as error:
        if error.code != "bank_file_repeated":
            raise
        return []
