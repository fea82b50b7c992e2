"""Payments for banks elsewhere: CSV in UTF-8, RFC 4180 with CRLF, one header row, money in major units (`1234.56`).

`end_to_end_id` has to stand on what the bank books, so that it can be told which leg was paid.
"""

from __future__ import annotations

from collections.abc import Sequence

from settlement.legs.rules import end_to_end_id
from settlement.payments.rules import Account, Payment
from tenants.foundation.csv_text import csv_bytes, text_cell
from tenants.foundation.money import plain_money

COLUMNS = [
    "end_to_end_id",
    "direction",
    "due_on",
    "amount",
    "currency",
    "name",
    "iban",
    "account_number",
    "bank_code",
    "bic",
    "text",
    "store_code",
    "our_name",
    "our_account",
]


def payments_csv(head_office: Account, payments: Sequence[Payment], currency: str) -> bytes:
    """`direction` is payout (to `name`) or collection (from `name`); `our_account` is head office's."""
    return csv_bytes(COLUMNS, [row(head_office, payment, currency) for payment in payments])


def row(head_office: Account, payment: Payment, currency: str) -> list[str]:
    account = payment.account
    return [
        end_to_end_id(payment.leg_id),
        payment.direction,
        payment.due_on.isoformat(),
        plain_money(payment.amount, currency),
        currency,
        text_cell(account.holder),
        account.number if account.is_iban else "",
        "" if account.is_iban else text_cell(account.number),
        text_cell(account.bank_code),
        account.bic,
        text_cell(payment.text),
        text_cell(payment.store_code),
        text_cell(head_office.holder),
        text_cell(head_office.number),
    ]
