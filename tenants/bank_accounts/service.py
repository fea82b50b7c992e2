"""Bank accounts of head office and of participants: named, replaced, looked up."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import select

from tenants.bank_accounts.queries import accounts_of_participants, head_office_accounts, present_account
from tenants.bank_accounts.rules import DETAILS, PERSONAL, BankDetails, bare, check_details
from tenants.bank_accounts.tables import BankAccount
from tenants.foundation import clock, ids
from tenants.foundation.acts import READ
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.encryption import read_field, write_field
from tenants.foundation.errors import Conflict, NotFound
from tenants.networks.service import check_code, check_name, today_in
from tenants.stores.tables import Participant


def set_bank_account(
    tenant_id: UUID, participant_code: str | None, details: BankDetails, made_by: str
) -> BankAccount:
    """The account from now on; the one before, if it was another, has ended.

    Without `participant_code` head office's. Raises `InvalidInput` for what is no account, `Conflict` for a mandate
    of somebody else.
    """
    details = normal(details)
    check_name(details.holder)
    with unit_of_work(tenant_id) as session:
        check_details(details, participant_code is None, today_in(tenant_id))
        participant_id = participant_code and participant_id_of(session, participant_code)
        present = present_account(session, participant_id or None)
        if present is not None and details_of(present) == details:
            return present
        now = clock.now()
        if present is not None:
            present.ended_at = now
            session.flush()
        check_mandate_is_free(session, details.mandate_id)
        account = BankAccount(
            tenant_id=tenant_id,
            bank_account_id=ids.new_id(),
            participant_id=participant_id,
            made_by=made_by,
            made_at=now,
            **{name: value for name, value in vars(details).items() if name not in PERSONAL},
        )
        for name in PERSONAL:
            write_field(account, name, getattr(details, name))
        session.add(account)
    return account


def normal(details: BankDetails) -> BankDetails:
    """IBAN and BIC as banks write them, once the registers have found them right."""
    registers = importlib.import_module("tenants.bank_accounts.ibans")
    return replace(
        details,
        iban=details.iban and registers.normal_iban(details.iban),
        bic=details.bic and registers.normal_bic(details.bic),
    )


def details_of(account: BankAccount) -> BankDetails:
    values: dict[str, Any] = {
        name: read_field(account, name) if name in PERSONAL else getattr(account, name) for name in DETAILS
    }
    return BankDetails(**values)


def number_of(account: BankAccount) -> str:
    """The IBAN, or where there are none the account number."""
    return read_field(account, "iban") or read_field(account, "account_number") or ""


def participant_id_of(session: Unit, code: str) -> UUID:
    check_code(code)
    participant_id = session.scalar(select(Participant.participant_id).where(Participant.code == code))
    if participant_id is None:
        raise NotFound(f"There is no participant {code!r} in this network.", code="participant_unknown")
    return participant_id


def check_mandate_is_free(session: Unit, mandate_id: str | None) -> None:
    taken = select(BankAccount).where(BankAccount.mandate_id == mandate_id, BankAccount.ended_at.is_(None))
    if mandate_id is not None and session.scalar(taken) is not None:
        raise Conflict(f"The mandate {mandate_id!r} is another participant's.", code="mandate_exists")


def get_bank_account(tenant_id: UUID, participant_code: str | None) -> BankAccount:
    with unit_of_work(tenant_id) as session:
        participant_id = participant_id_of(session, participant_code) if participant_code is not None else None
        account = present_account(session, participant_id)
    if account is None:
        whose = f"Participant {participant_code!r}" if participant_code is not None else "Head office"
        raise NotFound(f"{whose} has no bank account yet.", code="bank_account_unknown")
    return account


def list_bank_accounts(
    tenant_id: UUID, after: str | None = None, limit: int | None = None
) -> list[tuple[BankAccount, str]]:
    """The participants', each with the participant's code, by code, those that follow the code `after`."""
    with unit_of_work(tenant_id, recorded_as=READ) as session:
        found = session.execute(accounts_of_participants(after, limit))
        return [(account, code) for account, code in found]


def head_office_account(session: Unit) -> BankAccount:
    """Raises `Conflict` while there is none."""
    account = present_account(session, None)
    if account is None:
        raise Conflict(
            "Head office has no bank account yet: name it with `clearinghouse bank-account set HQ` or "
            "PUT /v1/network/bank-account.",
            code="no_bank_account",
        )
    return account


def head_office_numbers(session: Unit) -> set[str]:
    """The bare numbers of all accounts that head office has had. Raises `Conflict` while there are none."""
    head_office_account(session)
    return {bare(number_of(account)) for account in head_office_accounts(session)}
