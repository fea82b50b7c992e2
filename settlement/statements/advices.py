"""Remittance advices: what an approved settlement has a store remit or receive."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from uuid import UUID

from sqlalchemy import select

from settlement.authenticity.service import verification_url
from settlement.languages.rules import ENGLISH, language_of
from settlement.netting.rules import StorePoints
from settlement.proposals.rules import positions_of
from settlement.proposals.tables import Leg
from settlement.statements import queries
from settlement.statements.documents import AdviceDocument, StoreLine
from settlement.statements.service import file_name, load_heading, version_folder
from tenants.bank_accounts.queries import present_account
from tenants.bank_accounts.rules import mask
from tenants.bank_accounts.service import number_of
from tenants.bank_accounts.tables import BankAccount
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import Conflict, NotFound
from tenants.foundation.months import show_month
from tenants.stores.service import find_store_and_owner


def load_advice(tenant_id: UUID, month: date, store_code: str) -> AdviceDocument:
    """Raises `Conflict` before the approval, `NotFound` for a store that has nothing to remit or receive."""
    heading = load_heading(tenant_id, month)
    store, participant = find_store_and_owner(tenant_id, store_code)
    if not heading.is_final:
        raise Conflict(
            f"{show_month(month)} is not approved: nothing is to be paid before that.", code="settlement_not_approved"
        )
    with unit_of_work(tenant_id) as session:
        leg = session.scalar(
            select(Leg).where(Leg.settlement_id == heading.settlement_id, Leg.store_id == store.store_id)
        )
        lines = queries.lines_of_stores(session, heading.settlement_id, [store.store_id])
        own, head_office = present_account(session, participant.participant_id), present_account(session, None)
    if leg is None:
        raise NotFound(
            f"Store {store_code} has nothing to remit or receive for {show_month(month)}.", code="leg_unknown"
        )
    mandate = mandate_of(own, head_office) if leg.amount > 0 else None
    account = own if leg.amount < 0 or mandate else head_office
    [position] = positions_of([StorePoints(store.store_id, 0, 0, 0, 0)], lines)
    return AdviceDocument(
        heading=heading,
        line=StoreLine(store.code, store.name, participant.name, position),
        leg_id=leg.leg_id,
        amount=leg.amount,
        due_on=leg.due_on,
        bank_account=None if account is None else shown_number(account),
        verification_url=verification_url(tenant_id, heading.settlement_id, store.store_id),
        mandate=mandate,
    )


def mandate_of(own: BankAccount | None, head_office: BankAccount | None) -> str | None:
    """Under which head office collects from the store's account by direct debit; None when the store has to pay."""
    if own is None or head_office is None or head_office.creditor_id is None:
        return None
    return own.mandate_id


def shown_number(account: BankAccount) -> str:
    """Head office's in full, since stores pay into it; a participant's own hardly has to be told to it."""
    number = number_of(account)
    return number if account.participant_id is None else mask(number)


def render_advice(tenant_id: UUID, month: date, store_code: str, language: str = ENGLISH) -> Path:
    """Written anew each time: the day it is due on, and the account, can change after the approval."""
    from settlement.statements.advice_pdf import write_advice_pdf

    in_language = language_of(language)
    advice = load_advice(tenant_id, month, store_code)
    folder = "advices" if language == ENGLISH else f"advices-{language}"
    path = version_folder(advice.heading) / folder / f"{file_name(store_code)}.pdf"
    write_advice_pdf(advice, path, in_language)
    return path
