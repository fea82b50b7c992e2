"""Bank accounts as they are answered and as `--json` prints them."""

from __future__ import annotations

from typing import Any

from clearinghouse.directory.service import show_moment
from tenants.bank_accounts.rules import mask
from tenants.bank_accounts.service import details_of
from tenants.bank_accounts.tables import BankAccount


def show_bank_account(account: BankAccount, participant_code: str | None, in_full: bool) -> dict[str, Any]:
    """Without `in_full` only the end of its number, which tells it apart from another."""
    shown = str if in_full else mask
    details = details_of(account)
    return {
        "participant": participant_code,
        "holder": details.holder,
        "iban": details.iban and shown(details.iban),
        "account_number": details.account_number and shown(details.account_number),
        "bank_code": account.bank_code,
        "bic": account.bic,
        "creditor_id": account.creditor_id,
        "mandate_id": account.mandate_id,
        "mandate_signed_on": account.mandate_signed_on and account.mandate_signed_on.isoformat(),
        "mandate_scheme": account.mandate_scheme,
        "made_by": account.made_by,
        "made_at": show_moment(account.made_at),
    }
