"""To be called inside a unit of work."""

from __future__ import annotations

from dataclasses import fields
from datetime import date

from sqlalchemy import select

from settlement.terms.rules import Terms
from settlement.terms.tables import TermsRow
from tenants.foundation.database import Unit


def terms_of(session: Unit, month: date) -> Terms:
    """Those in force in `month`; the defaults as long as the network has set none."""
    row = session.scalar(
        select(TermsRow)
        .where(TermsRow.from_month <= month)
        .order_by(TermsRow.from_month.desc(), TermsRow.version.desc())
        .limit(1)
    )
    return Terms() if row is None else terms_in(row)


def terms_in(row: TermsRow) -> Terms:
    return Terms(**{field.name: getattr(row, field.name) for field in fields(Terms)})


def rows_in_force(session: Unit) -> list[TermsRow]:
    """By month, of each the newest version."""
    statement = select(TermsRow).order_by(TermsRow.from_month, TermsRow.version)
    return list({row.from_month: row for row in session.scalars(statement)}.values())
