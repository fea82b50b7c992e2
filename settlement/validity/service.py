"""Rates and fees are set, ended and withdrawn alike: for no day that an approved month has settled, never two at
once.

To be called inside a unit of work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

import psycopg2
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from settlement.proposals.tables import Settlement
from settlement.states.rules import FINAL
from settlement.windows.tables import Window
from tenants.foundation import clock
from tenants.foundation.database import Unit
from tenants.foundation.errors import Conflict, NotFound
from tenants.foundation.months import last_day, month_of, show_month
from tenants.networks.service import show_rate
from tenants.networks.tables import Network
from tenants.stores.tables import Participant
from tenants.validity.rules import CHANGE_MAX, check_days, is_large_change, overlap, show_days
from tenants.validity.tables import Effective

Row = TypeVar("Row", bound=Effective)


def refuse_settled_days(session: Unit, valid_from: date) -> None:
    """Raises `Conflict` when a month with this day, or one after it, is approved: it may have settled the day.

    Takes turns with all that changes the settlements of the months from that day on, so that none is approved
    before this change is there to be seen.
    """
    months = select(Window.month).where(Window.month >= month_of(valid_from)).order_by(Window.month)
    session.execute(months.with_for_update()).all()
    approved = session.scalar(select(func.max(Settlement.month)).where(Settlement.state.in_(FINAL)))
    if approved is not None and valid_from <= last_day(approved):
        raise Conflict(
            f"{show_month(approved)} is approved: rates and fees can change from "
            f"{last_day(approved) + timedelta(days=1)} on. What was wrong before is put right by an adjustment.",
            code="settlement_approved",
            changes_from=(last_day(approved) + timedelta(days=1)).isoformat(),
        )


def participant_of(session: Unit, code: str | None) -> UUID | None:
    if code is None:
        return None
    participant_id = session.scalar(select(Participant.participant_id).where(Participant.code == code))
    if participant_id is None:
        raise NotFound(f"There is no participant {code!r}.", code="participant_unknown")
    return participant_id


def codes_of(session: Unit) -> dict[UUID, str]:
    """Of the participants."""
    return {each.participant_id: each.code for each in session.scalars(select(Participant))}


def lock_one(session: Unit, model: type[Row], row_id: UUID, name: str) -> tuple[Row, str | None]:
    """With its participant's code. Raises `NotFound`."""
    tenant_id = session.scalars(select(Network.tenant_id)).one()
    row = session.get(model, (tenant_id, row_id), with_for_update=True)
    if row is None:
        raise NotFound(f"There is no such {name} in this network.", code=f"{name}_unknown")
    return row, None if row.participant_id is None else codes_of(session)[row.participant_id]


def lock_those_of(session: Unit, model: type[Row], participant_id: UUID | None) -> Sequence[Row]:
    """The participant's, or everybody's, that are not withdrawn: two who end the same one take turns."""
    return session.scalars(
        select(model)
        .where(model.participant_id.is_not_distinct_from(participant_id), model.withdrawn_at.is_(None))
        .order_by(model.valid_from)
        .with_for_update()
    ).all()


def find_all(
    session: Unit, model: type[Row], participant_code: str | None, withdrawn: bool
) -> list[tuple[Row, str | None]]:
    """Everybody's first, then by participant; of one participant only, if its code is given."""
    statement = select(model).order_by(model.valid_from, model.made_at)
    if participant_code is not None:
        statement = statement.where(model.participant_id == participant_of(session, participant_code))
    if not withdrawn:
        statement = statement.where(model.withdrawn_at.is_(None))
    codes = codes_of(session)
    found = [(row, codes[row.participant_id] if row.participant_id else None) for row in session.scalars(statement)]
    return sorted(found, key=lambda pair: pair[1] or "")


def check_change(present: Decimal | None, new: Decimal) -> None:
    """Raises `Conflict` for what is unlike the one before it."""
    if present is not None and is_large_change(present, new):
        raise Conflict(
            f"{show_rate(new)} after {show_rate(present)} is a change by more than {CHANGE_MAX} times: if it is "
            "meant, confirm it (`confirm` in a request, --yes at the command line).",
            code="confirmation_needed",
            present=show_rate(present),
        )


def make_room(session: Unit, new: Effective, others: Iterable[Effective], refusal: str) -> None:
    """What has no end yet and began before `new` ends the day before it; whatever else holds on its days refuses it.

    `others` are those of the same participant that are not withdrawn, locked.
    """
    for other in others:
        if overlap(other.valid_from, other.valid_until, new.valid_from, new.valid_until):
            if other.valid_until is not None or other.valid_from >= new.valid_from:
                raise overlaps(other, refusal)
            put_end(other, new.valid_from - timedelta(days=1), new.made_by)
    session.flush()


def put_end(row: Effective, valid_until: date, by: str) -> None:
    row.valid_until, row.ended_by, row.ended_at = valid_until, by, clock.now()


def overlaps(other: Effective, refusal: str) -> Conflict:
    days = show_days(other.valid_from, other.valid_until)
    return Conflict(
        f"There is one {days} already: withdraw it, or choose days before or after it.",
        code=refusal,
        valid_from=other.valid_from.isoformat(),
        valid_until=other.valid_until and other.valid_until.isoformat(),
    )


def add(session: Unit, new: Effective, refusal: str) -> None:
    """The database holds that two never overlap, when two are set at the same moment too."""
    session.add(new)
    try:
        session.flush()
    except IntegrityError as error:
        if isinstance(error.orig, psycopg2.errors.ExclusionViolation):
            raise Conflict(
                "Another one was set for some of these days at the same moment: look at the list.", code=refusal
            ) from error
        raise


def withdraw(session: Unit, row: Effective, by: str) -> None:
    """For good; withdrawing again changes nothing. What it had ended stays ended."""
    if row.withdrawn_at is None:
        refuse_settled_days(session, row.valid_from)
        row.withdrawn_by, row.withdrawn_at = by, clock.now()
        session.flush()


def end(session: Unit, row: Effective, valid_until: date, by: str) -> None:
    """What has no end gets one. Ending it again on the same day changes nothing."""
    if row.valid_until == valid_until and row.withdrawn_at is None:
        return
    if row.valid_until is not None or row.withdrawn_at is not None:
        what = f"ends on {row.valid_until}" if row.withdrawn_at is None else "is withdrawn"
        raise Conflict(f"This one {what} already.", code="ended_already")
    check_days(row.valid_from, valid_until)
    refuse_settled_days(session, valid_until + timedelta(days=1))
    put_end(row, valid_until, by)
    session.flush()
