"""Bank accounts as head office sees and names them."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from clearinghouse.bank_accounts.schemas import (
    BankAccountPageSchema,
    BankAccountSchema,
    HeadOfficeDetailsSchema,
    ParticipantDetailsSchema,
)
from clearinghouse.bank_accounts.show import show_bank_account
from clearinghouse.directory.schemas import CodePageQuerySchema
from tenants.bank_accounts.rules import BankDetails
from tenants.bank_accounts.service import get_bank_account, list_bank_accounts, set_bank_account
from tenants.credentials.rules import DIRECTORY, HQ, PAY, READ, STAFF
from tenants.credentials.service import Principal, show_caller
from tenants.credentials.web import authenticated
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer, answer_page, body, query

bank_accounts = APIBlueprint("bank_accounts", __name__, url_prefix="/v1", tag="Payments")


def sees_in_full(principal: Principal) -> bool:
    """Who pays has to compare the numbers with what the bank shows."""
    return PAY in principal.scopes


@bank_accounts.get("/bank-accounts")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@query(CodePageQuerySchema)
@bank_accounts.output(BankAccountPageSchema)
@refusals(also={500})
def get_bank_accounts(principal: Principal, query: dict[str, Any]) -> Response:
    """List the participants' accounts, by their codes"""
    limit, in_full = query["limit"], sees_in_full(principal)
    rows = list_bank_accounts(principal.tenant_id, query.get("cursor"), limit + 1)
    shown = [show_bank_account(account, code, in_full) for account, code in rows]
    return answer_page("bank_accounts", shown, limit, "participant")


@bank_accounts.get("/network/bank-account")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@bank_accounts.output(BankAccountSchema)
@refusals(also={404, 500})
def get_own_account(principal: Principal) -> Response:
    """Head office's own account"""
    return answer_account(principal, None)


@bank_accounts.put("/network/bank-account")
@authenticated(HQ, STAFF, scope=(DIRECTORY, PAY))
@body(HeadOfficeDetailsSchema)
@bank_accounts.output(BankAccountSchema)
@refusals(also={500})
def put_own_account(principal: Principal, body: dict[str, Any]) -> Response:
    """Name head office's own account, from which payouts go and to which collections come

    What replaces an account counts for the payment files made from then on.
    """
    set_bank_account(principal.tenant_id, None, BankDetails(**body), show_caller(principal))
    return answer_account(principal, None)


@bank_accounts.get("/participants/<code>/bank-account")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@bank_accounts.output(BankAccountSchema)
@refusals(also={500})
def get_account(principal: Principal, code: str) -> Response:
    """A participant's account"""
    return answer_account(principal, code)


@bank_accounts.put("/participants/<code>/bank-account")
@authenticated(HQ, STAFF, scope=(DIRECTORY, PAY))
@body(ParticipantDetailsSchema)
@bank_accounts.output(BankAccountSchema)
@refusals(also={500})
def put_account(principal: Principal, code: str, body: dict[str, Any]) -> Response:
    """Name a participant's account

    What replaces an account counts for the payment files made from then on. Without a mandate the participant can be
    paid, but is not collected from by SEPA direct debit.
    """
    set_bank_account(principal.tenant_id, code, BankDetails(**body), show_caller(principal))
    return answer_account(principal, code)


def answer_account(principal: Principal, code: str | None) -> Response:
    account = get_bank_account(principal.tenant_id, code)
    return answer(show_bank_account(account, code, sees_in_full(principal)))
