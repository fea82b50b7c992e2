"""The one way to change a state. The database keeps the table of states and holds every change to it:
a state is what the last change reached, and each change goes on from the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm.attributes import set_committed_value

from settlement.states.rules import NEW
from settlement.states.tables import StateChange, Stateful, Transition
from tenants.foundation import clock
from tenants.foundation.database import Unit
from tenants.foundation.errors import Conflict


def begin(
    session: Unit, tenant_id: UUID, subject: str, subject_ids: Iterable[UUID], state: str, by: str, reason: str = ""
) -> None:
    """The first state of subjects whose rows are about to be written, with `state_sequence` 1."""
    rows = [
        {
            "tenant_id": tenant_id,
            "subject_id": subject_id,
            "sequence": 1,
            "subject": subject,
            "from_state": NEW[subject],
            "to_state": state,
            "changed_by": by,
            "changed_at": clock.now(),
            "reason": reason,
        }
        for subject_id in subject_ids
    ]
    if rows:
        session.execute(insert(StateChange), rows)


def change_state(session: Unit, subject: str, row: Stateful, to_state: str, by: str, reason: str = "") -> None:
    """Take a step, whose row the caller has locked. Raises `Conflict` when the table of states has no such step."""
    record_steps(session, subject, [row], to_state, by, reason)
    row.state, row.state_sequence = to_state, row.state_sequence + 1


def change_states(
    session: Unit, subject: str, rows: Sequence[Stateful], to_state: str, by: str, reason: str = ""
) -> None:
    """The same step of many rows of one table, all or none, written in one statement."""
    if not rows:
        return
    record_steps(session, subject, rows, to_state, by, reason)
    model = type(rows[0])
    is_one_of_them = getattr(model, f"{subject}_id").in_([subject_id_of(subject, row) for row in rows])
    step = {"state": to_state, "state_sequence": model.state_sequence + 1}
    session.execute(update(model).where(is_one_of_them).values(step).execution_options(synchronize_session=False))
    for row in rows:
        set_committed_value(row, "state_sequence", row.state_sequence + 1)
        set_committed_value(row, "state", to_state)


def record_steps(session: Unit, subject: str, rows: Sequence[Stateful], to_state: str, by: str, reason: str) -> None:
    for state in {row.state for row in rows}:
        check_step(session, subject, state, to_state)
    session.execute(insert(StateChange), [change_of(subject, row, to_state, by, reason) for row in rows])


def check_step(session: Unit, subject: str, state: str, to_state: str) -> None:
    allowed = next_states(session, subject, state)
    if to_state not in allowed:
        can = f"can become {' or '.join(allowed)}" if allowed else "can't change any more"
        raise Conflict(
            f"This {subject} is {state} and {can}, not {to_state}.",
            code="illegal_state",
            state=state,
            allowed=list(allowed),
        )


def change_of(subject: str, row: Stateful, to_state: str, by: str, reason: str) -> dict[str, object]:
    return {
        "tenant_id": row.tenant_id,
        "subject_id": subject_id_of(subject, row),
        "sequence": row.state_sequence + 1,
        "subject": subject,
        "from_state": row.state,
        "to_state": to_state,
        "changed_by": by,
        "changed_at": clock.now(),
        "reason": reason,
    }


def subject_id_of(subject: str, row: Stateful) -> UUID:
    subject_id: UUID = getattr(row, f"{subject}_id")
    return subject_id


def next_states(session: Unit, subject: str, state: str) -> Sequence[str]:
    return session.scalars(
        select(Transition.to_state)
        .where(Transition.subject == subject, Transition.from_state == state)
        .order_by(Transition.to_state)
    ).all()


def history(session: Unit, subject_id: UUID) -> list[StateChange]:
    """Oldest first."""
    statement = select(StateChange).where(StateChange.subject_id == subject_id).order_by(StateChange.sequence)
    return list(session.scalars(statement))
