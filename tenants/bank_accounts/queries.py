from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Select, select

from tenants.bank_accounts.tables import BankAccount
from tenants.foundation.database import Unit
from tenants.stores.tables import Participant, Store


def present_account(session: Unit, participant_id: UUID | None) -> BankAccount | None:
    """Head office's without a participant."""
    return session.scalar(present_accounts().where(BankAccount.participant_id.is_not_distinct_from(participant_id)))


def present_accounts() -> Select[BankAccount]:
    return select(BankAccount).where(BankAccount.ended_at.is_(None))


def accounts_of_stores(session: Unit, store_ids: Collection[UUID]) -> dict[UUID, BankAccount]:
    """The present account of each store's participant, by store; stores without one are left out."""
    statement = select(Store.store_id, Store.participant_id).where(Store.store_id.in_(store_ids))
    owners = {store_id: participant_id for store_id, participant_id in session.execute(statement)}
    of_owners = present_accounts().where(BankAccount.participant_id.in_(set(owners.values())))
    accounts = {account.participant_id: account for account in session.scalars(of_owners)}
    return {store_id: accounts[owner] for store_id, owner in owners.items() if owner in accounts}


def head_office_accounts(session: Unit) -> list[BankAccount]:
    """All that head office has had: banks tell of a payment also after its account has been replaced."""
    return list(session.scalars(select(BankAccount).where(BankAccount.participant_id.is_(None))))


def accounts_of_participants(after: str | None, limit: int | None) -> Select[BankAccount, str]:
    """The present ones with their participants' codes, by code, those that follow the code `after`."""
    join = (Participant.tenant_id == BankAccount.tenant_id) & (
        Participant.participant_id == BankAccount.participant_id
    )
    statement = select(BankAccount, Participant.code).join(Participant, join).where(BankAccount.ended_at.is_(None))
    if after is not None:
        statement = statement.where(Participant.code > after)
    return statement.order_by(Participant.code).limit(limit)
