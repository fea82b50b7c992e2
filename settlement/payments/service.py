"""Payment files: what banks are told to pay and to collect.

They are made under the lock of the window's row, as whatever changes a settlement, so that two files never tell a
bank the same.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from uuid import UUID

from settlement.legs.queries import pending_legs
from settlement.legs.rules import COLLECTION
from settlement.legs.service import approved_settlement
from settlement.payments import queries
from settlement.payments.csv_files import payments_csv
from settlement.payments.rules import (
    CSV,
    Account,
    LegToPay,
    Payment,
    Waiting,
    choose_format,
    days_from,
    split_legs,
)
from settlement.payments.tables import PaymentFile, PaymentOrder
from settlement.proposals.service import lock_window
from settlement.proposals.tables import Leg, Settlement
from settlement.statements.service import output_folder
from settlement.states.rules import APPROVED, INSTRUCTED, LEG, SETTLEMENT, SETTLING
from settlement.states.service import change_state, change_states
from tenants.bank_accounts.queries import accounts_of_stores
from tenants.bank_accounts.service import details_of, head_office_account
from tenants.bank_accounts.tables import BankAccount
from tenants.foundation import clock, ids
from tenants.foundation.acts import READ
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.encryption import write_field
from tenants.foundation.errors import NotFound
from tenants.foundation.files import put_in_place
from tenants.foundation.months import show_month
from tenants.networks.service import get_network, today_in
from tenants.networks.tables import Network
from tenants.staff.rules import Actor

NETWORK_NAME_LENGTH = 80


@dataclass(frozen=True)
class Instruction:
    """The files made now, and the legs that wait, each with what it lacks."""

    format: str
    files: list[PaymentFile]
    waiting: list[Waiting]


def instruct(tenant_id: UUID, month: date, actor: Actor, format: str | None = None) -> Instruction:
    """Payment files for the legs that are pending and can be paid; those legs are instructed then.

    `format` is sepa or csv, by default sepa where it can be. Again, it makes files only of what has become pending
    since. Raises `Conflict` before the settlement is approved, and while head office has no bank account.
    """
    with unit_of_work(tenant_id) as session:
        window = lock_window(session, month)
        settlement = approved_settlement(session, month)
        network = get_network(tenant_id)
        own_account = head_office_account(session)
        head_office = account_of(own_account)
        chosen = choose_format(format, network.currency, head_office)
        legs = pending_legs(session, settlement.settlement_id)
        accounts = accounts_of_stores(session, [leg.store_id for leg, _ in legs])
        days = days_from(today_in(tenant_id), window.collect_on, window.pay_on)
        to_pay = [leg_to_pay(leg, code, accounts.get(leg.store_id), own_account, actor) for leg, code in legs]
        text = f"{network.name[:NETWORK_NAME_LENGTH]} {show_month(month)}"
        batches, waiting = split_legs(to_pay, head_office, chosen, days, text)
        making = Making(session, settlement, network, head_office, chosen, actor)
        by_id = {leg.leg_id: (leg, accounts[leg.store_id]) for leg, _ in legs if leg.store_id in accounts}
        files = [
            write_file(making, scheme or None, payments, [by_id[payment.leg_id] for payment in payments])
            for (_, scheme), payments in sorted(batches.items())
        ]
        if files and settlement.state == APPROVED:
            change_state(session, SETTLEMENT, settlement, SETTLING, actor.shown)
        session.flush()
    return Instruction(chosen, files, waiting)


def account_of(row: BankAccount) -> Account:
    registers = importlib.import_module("tenants.bank_accounts.ibans")
    details = details_of(row)
    return Account(
        details.holder,
        details.iban or details.account_number or "",
        details.iban is not None,
        details.bank_code or "",
        details.bic or "",
        details.iban is not None and registers.in_sepa_zone(details.iban),
        details.creditor_id or "",
        details.mandate_id or "",
        details.mandate_signed_on,
        details.mandate_scheme or "",
    )


def leg_to_pay(
    leg: Leg, store_code: str, account: BankAccount | None, own_account: BankAccount, actor: Actor
) -> LegToPay:
    if account is None:
        return LegToPay(leg.leg_id, store_code, leg.amount, None)
    is_named_by_payer = actor.code in (account.made_by, own_account.made_by)
    return LegToPay(leg.leg_id, store_code, leg.amount, account_of(account), is_named_by_payer)


@dataclass(frozen=True)
class Making:
    """What all files of one instruction share."""

    session: Unit
    settlement: Settlement
    network: Network
    head_office: Account
    format: str
    actor: Actor


def write_file(
    making: Making, scheme: str | None, payments: Sequence[Payment], legs: Sequence[tuple[Leg, BankAccount]]
) -> PaymentFile:
    """The file, its orders, and the legs instructed; `legs` are those of `payments`, in their order."""
    session, tenant_id, file_id = making.session, making.settlement.tenant_id, ids.new_id()
    shown = ids.show(ids.PAYMENT_FILE, file_id)
    made_at = clock.now()
    format, content = content_of(making, scheme, payments, shown.replace("_", "-"), made_at)
    change_states(session, LEG, [leg for leg, _ in legs], INSTRUCTED, making.actor.shown, shown)
    file = PaymentFile(
        tenant_id=tenant_id,
        file_id=file_id,
        settlement_id=making.settlement.settlement_id,
        direction=payments[0].direction,
        format=format,
        scheme=scheme,
        due_on=payments[0].due_on,
        payments=len(payments),
        total=sum(payment.amount for payment in payments),
        made_by=making.actor.shown,
        made_at=made_at,
        sha256=hashlib.sha256(content).digest(),
    )
    write_field(file, "content", content)
    session.add(file)
    session.flush()
    session.add_all([order_of(file, leg, account) for leg, account in legs])
    return file


def content_of(
    making: Making, scheme: str | None, payments: Sequence[Payment], message_id: str, made_at: datetime
) -> tuple[str, bytes]:
    """The file's format, as its row names it, and the file."""
    if making.format == CSV:
        return CSV, payments_csv(making.head_office, payments, making.network.currency)
    pain = importlib.import_module("settlement.payments.pain")
    if payments[0].direction == COLLECTION:
        return pain.COLLECTION_SCHEMA, pain.collection_file(making.head_office, payments, scheme, message_id, made_at)
    return pain.PAYOUT_SCHEMA, pain.payout_file(making.head_office, payments, message_id, made_at)


def order_of(file: PaymentFile, leg: Leg, account: BankAccount) -> PaymentOrder:
    return PaymentOrder(
        tenant_id=file.tenant_id,
        file_id=file.file_id,
        leg_id=leg.leg_id,
        state_sequence=leg.state_sequence,
        state=leg.state,
        bank_account_id=account.bank_account_id,
        amount=abs(leg.amount),
    )


def list_payment_files(tenant_id: UUID, month: date) -> list[PaymentFile]:
    """Oldest first. Raises as `instruct` for a month that has no approved settlement."""
    with unit_of_work(tenant_id) as session:
        return queries.files_of_settlement(session, approved_settlement(session, month).settlement_id)


def get_payment_file(tenant_id: UUID, file_id: UUID) -> tuple[PaymentFile, bytes, date]:
    """The file, its bytes, and the month that it pays for."""
    with unit_of_work(tenant_id, recorded_as=READ) as session:
        found = queries.file_and_month(session, file_id)
    if found is None:
        raise NotFound(
            f"There is no payment file {ids.show(ids.PAYMENT_FILE, file_id)}.", code="payment_file_unknown"
        )
    return found


def export_payment_files(tenant_id: UUID, network_code: str, month: date) -> list[Path]:
    """All of a month, written to the folder of its documents."""
    paths = []
    for file in list_payment_files(tenant_id, month):
        _, content, _ = get_payment_file(tenant_id, file.file_id)
        path = output_folder(network_code, month) / "payments" / file_name(file, month)
        put_in_place(path, content)
        paths.append(path)
    return paths


def file_name(file: PaymentFile, month: date) -> str:
    suffix = "csv" if file.format == CSV else "xml"
    kind = "-".join(part for part in (file.direction, file.scheme) if part)
    return f"{show_month(month)}-{kind}-{ids.show(ids.PAYMENT_FILE, file.file_id)}.{suffix}"
