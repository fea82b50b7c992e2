from __future__ import annotations

import getpass
from datetime import date

import click

from clearinghouse.bank_accounts.show import show_bank_account
from tenants.bank_accounts.rules import SCHEMES, BankDetails
from tenants.bank_accounts.service import get_bank_account, list_bank_accounts, set_bank_account
from tenants.foundation.console import DAY, json_option, network_option, print_fields, print_rows, with_app
from tenants.networks.service import find_network_id
from tenants.stores.rules import HEAD_OFFICE

LISTED_FIELDS = ("participant", "holder", "iban", "account_number", "bank_code", "bic", "mandate_id", "made_at")


@click.group("bank-account")
def bank_account() -> None:
    """Bank accounts of head office and of participants."""


@bank_account.command("list")
@network_option
@json_option
@with_app
def list_accounts(network: str, as_json: bool) -> None:
    """List the participants' accounts, by their codes, with the end of each number."""
    shown = [
        show_bank_account(row, code, in_full=False) for row, code in list_bank_accounts(find_network_id(network))
    ]
    print_rows(shown if as_json else [{name: row[name] for name in LISTED_FIELDS} for row in shown], as_json)


@bank_account.command("show")
@click.argument("code")
@network_option
@json_option
@with_app
def show_account(code: str, network: str, as_json: bool) -> None:
    """Show the account of the participant with this CODE, or of HQ."""
    print_account(code, network, as_json)


@bank_account.command("set")
@click.argument("code")
@click.option("--holder", required=True, help="In whose name the account is.")
@click.option("--iban", help="The account, where accounts have IBANs; without spaces.")
@click.option("--account-number", help="The account, where there are no IBANs.")
@click.option("--bank-code", help="What names the bank there: a routing number, a sort code.")
@click.option("--bic", help="BIC of the bank, where payments need it.")
@click.option("--creditor-id", help="Of HQ: SEPA creditor identifier, under which it collects.")
@click.option("--mandate-id", help="Of a participant: mandate for SEPA direct debits.")
@click.option("--mandate-signed-on", type=DAY, help="When it was signed, like 2026-11-30.")
@click.option("--mandate-scheme", type=click.Choice(SCHEMES), help="B2B is between businesses.")
@network_option
@json_option
@with_app
def set_account(code: str, network: str, as_json: bool, **details: str | date | None) -> None:
    """Name the account of the participant with this CODE, or of HQ.

    It takes the place of the one before, which stays in the books.
    """
    made_by = f"command line: {getpass.getuser()}"
    set_bank_account(find_network_id(network), whose(code), BankDetails(**details), made_by)  # type: ignore[arg-type]
    print_account(code, network, as_json)


def print_account(code: str, network: str, as_json: bool) -> None:
    account = get_bank_account(find_network_id(network), whose(code))
    print_fields(show_bank_account(account, whose(code), in_full=True), as_json)


def whose(code: str) -> str | None:
    return None if code.upper() == HEAD_OFFICE else code
