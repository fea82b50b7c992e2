from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped

from tenants.foundation.columns import Key, Moment, OptionalBytes, OptionalMoment, OptionalWords, Words
from tenants.foundation.database import Base


class BankAccount(Base):
    """Where a participant is paid and collected from; head office's own has no `participant_id`.

    It has an `iban`, or elsewhere an `account_number` with the `bank_code` and `bic` that its bank asks for.
    `creditor_id` is what head office collects under, the mandate what a participant lets it. An account that has
    been replaced has ended, and stays. Holder and numbers are read and written by `tenants.foundation.encryption`;
    plain ones are what the release before has written.
    """

    __tablename__ = "bank_accounts"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.networks.tenant_id"]),
        ForeignKeyConstraint(
            ["tenant_id", "participant_id"],
            ["tenants.participants.tenant_id", "tenants.participants.participant_id"],
        ),
        Index(
            "bank_accounts_present_key",
            *("tenant_id", "participant_id"),
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(
            "bank_accounts_mandate_key",
            *("tenant_id", "mandate_id"),
            unique=True,
            postgresql_where=text("ended_at IS NULL AND mandate_id IS NOT NULL"),
        ),
        {"schema": "tenants"},
    )

    tenant_id: Mapped[Key]
    bank_account_id: Mapped[Key]
    participant_id: Mapped[UUID | None]
    holder: Mapped[OptionalWords]
    iban: Mapped[OptionalWords]
    account_number: Mapped[OptionalWords]
    bank_code: Mapped[OptionalWords]
    bic: Mapped[OptionalWords]
    creditor_id: Mapped[OptionalWords]
    mandate_id: Mapped[OptionalWords]
    mandate_signed_on: Mapped[date | None]
    mandate_scheme: Mapped[OptionalWords]
    made_by: Mapped[Words]
    made_at: Mapped[Moment]
    ended_at: Mapped[OptionalMoment]
    holder_encrypted: Mapped[OptionalBytes]
    iban_encrypted: Mapped[OptionalBytes]
    account_number_encrypted: Mapped[OptionalBytes]
