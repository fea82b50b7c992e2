"""The table of states, taken through `change_state` and, as the application may, past it by direct SQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg2 import errors
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from settlement.approvals.service import approve
from settlement.proposals.service import get_settlement, list_settlements, propose, reject
from settlement.states.rules import LEG, SETTLEMENT, WINDOW
from settlement.states.service import begin, change_state, history
from settlement.states.tables import Stateful
from settlement.windows.service import get_window
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import Conflict, Forbidden, InvalidInput, NotFound
from tenants.staff.rules import APPROVER, PREPARER
from tests.conftest import NetworkForTests

JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)

# subject -> state -> the states that it can become. The database's table, read in a test, is to be the same.
STEPS = {
    # A month that is postponed stays closed.
    WINDOW: {"open": {"closed"}, "closed": {"closed", "settled"}, "settled": set()},
    SETTLEMENT: {
        "none": {"proposed"},
        "proposed": {"rejected", "approved"},
        "approved": {"settling", "settled"},
        "settling": {"settled"},
        "settled": set(),
        "rejected": set(),
    },
    LEG: {
        "none": {"pending"},
        "pending": {"instructed", "confirmed", "failed"},
        "instructed": {"confirmed", "failed"},
        "confirmed": {"failed"},
        "failed": {"pending", "confirmed", "carried"},
        "carried": set(),
    },
}
FIRST = {"none", "open"}
MATRIX = [
    (subject, state, to_state, to_state in allowed)
    for subject, states in STEPS.items()
    for state, allowed in states.items()
    for to_state in states
    if state not in FIRST and to_state not in FIRST
]


def path_to(subject: str, state: str) -> list[str]:
    """Steps by which a new subject comes to `state`."""
    [start] = STEPS[subject].keys() & FIRST
    paths = [[start]]
    for path in paths:
        if path[-1] == state:
            return path[1:]
        paths += [[*path, to_state] for to_state in sorted(STEPS[subject][path[-1]]) if to_state not in path]
    raise AssertionError(f"{subject} never becomes {state}")


class Subject(Stateful):
    """A row of no table: the matrix is about its states only."""

    def __init__(self, tenant_id: UUID, subject: str, state: str) -> None:
        self.tenant_id, self.state, self.state_sequence = tenant_id, state, 1
        setattr(self, f"{subject}_id", uuid4())


def test_the_database_has_the_same_table_of_states(owner: Engine) -> None:
    with owner.connect() as connection:
        rows = connection.execute(text("SELECT subject, from_state, to_state FROM settlement.transitions"))
        found = {tuple(row) for row in rows if row.subject in STEPS}

    assert found == {(s, a, b) for s, states in STEPS.items() for a, allowed in states.items() for b in allowed}


@pytest.mark.parametrize(("subject", "state", "to_state", "is_allowed"), MATRIX)
def test_a_step_is_taken_if_and_only_if_the_table_has_it(
    network: NetworkForTests, subject: str, state: str, to_state: str, is_allowed: bool
) -> None:
    first, *steps = path_to(subject, state)
    row = Subject(network.tenant_id, subject, first)
    subject_id = getattr(row, f"{subject}_id")
    with unit_of_work(network.tenant_id) as session:
        begin(session, network.tenant_id, subject, [subject_id], first, "test")
        for step in steps:
            change_state(session, subject, row, step, "test")

        if is_allowed:
            change_state(session, subject, row, to_state, "ana", "because")
        else:
            with pytest.raises(Conflict) as refused:
                change_state(session, subject, row, to_state, "ana")
            assert refused.value.code == "illegal_state"
            assert set(refused.value.details["allowed"]) == STEPS[subject][state]
        taken = [(change.to_state, change.changed_by) for change in history(session, subject_id)]

    expected = [(step, "test") for step in [first, *steps]] + ([(to_state, "ana")] if is_allowed else [])
    assert taken == expected
    assert row.state == (to_state if is_allowed else state)


@pytest.fixture
def settled(network: NetworkForTests, card: str) -> NetworkForTests:
    """January is approved, February proposed."""
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.settle(JANUARY)
    network.propose(FEBRUARY)
    return network


@pytest.fixture
def direct(application: Engine, settled: NetworkForTests) -> Iterator[Connection]:
    """As the application's role, with the network named."""
    with application.connect() as connection:
        connection.execute(
            text("SELECT set_config('app.tenant_id', :tenant, true)"), {"tenant": str(settled.tenant_id)}
        )
        yield connection


def refused_with(connection: Connection, error: type[Exception], statement: str, **values: Any) -> None:
    with pytest.raises(DBAPIError) as refused:
        connection.execute(text(statement), values)
    assert isinstance(refused.value.orig, error), refused.value


CHANGE = """
    INSERT INTO settlement.state_changes
        (tenant_id, subject_id, sequence, subject, from_state, to_state, changed_by, changed_at, reason)
    VALUES (tenants.current_tenant(), :subject_id, :sequence, :subject, :from_state, :to_state, :by, now(), '')
"""

NEW = object()
# (subject, sequence, from, to, by): the month is 1 closed; its settlement 1 proposed, 2 approved.
ILLEGAL_CHANGES = [
    ("a step that the table does not have", SETTLEMENT, 3, "approved", "proposed", "x", errors.ForeignKeyViolation),
    ("a step of another subject", SETTLEMENT, 3, "approved", "instructed", "x", errors.ForeignKeyViolation),
    ("not from the state that it is in", SETTLEMENT, 3, "proposed", "rejected", "x", errors.ForeignKeyViolation),
    ("a number that is taken", SETTLEMENT, 2, "proposed", "rejected", "x", errors.UniqueViolation),
    ("a number left out", SETTLEMENT, 4, "approved", "settled", "x", errors.ForeignKeyViolation),
    ("a beginning in the middle", SETTLEMENT, 3, "none", "proposed", "x", errors.CheckViolation),
    ("by nobody", SETTLEMENT, 3, "approved", "settled", "", errors.CheckViolation),
    ("number nought", WINDOW, 0, "open", "closed", "x", errors.CheckViolation),
    ("what there is not", "wallet", 2, "closed", "settled", "x", errors.ForeignKeyViolation),
]


@pytest.mark.parametrize("case", [case[1:] for case in ILLEGAL_CHANGES], ids=[case[0] for case in ILLEGAL_CHANGES])
def test_the_database_refuses_a_change_that_is_no_step(
    settled: NetworkForTests, direct: Connection, case: tuple[Any, ...]
) -> None:
    subject, sequence, from_state, to_state, by, error = case
    settlement = direct.scalar(text("SELECT settlement_id FROM settlement.settlements WHERE state = 'approved'"))
    window = direct.scalar(text("SELECT window_id FROM settlement.windows WHERE month = :month"), {"month": JANUARY})

    refused_with(
        direct,
        error,
        CHANGE,
        subject_id=settlement if subject == SETTLEMENT else window,
        sequence=sequence,
        subject=subject,
        from_state=from_state,
        to_state=to_state,
        by=by,
    )


def test_a_change_can_not_begin_in_the_middle(direct: Connection) -> None:
    change = {"sequence": 1, "subject": LEG, "from_state": "pending", "to_state": "confirmed", "by": "x"}

    refused_with(direct, errors.CheckViolation, CHANGE, subject_id=uuid4(), **change)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE settlement.windows SET state = 'settled'",
        "UPDATE settlement.windows SET state = 'settled', state_sequence = 2",
        "UPDATE settlement.settlements SET state = 'settled' WHERE state = 'approved'",
        "UPDATE settlement.settlements SET state = 'settling', state_sequence = 3 WHERE state = 'approved'",
        "UPDATE settlement.legs SET state = 'confirmed'",
        "UPDATE settlement.legs SET state = 'confirmed', state_sequence = 2",
        "UPDATE settlement.legs SET state_sequence = 2",
    ],
)
def test_a_state_that_no_change_reached_can_not_be_set(direct: Connection, statement: str) -> None:
    refused_with(direct, errors.ForeignKeyViolation, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE settlement.settlements SET state = 'approved', state_sequence = 2 WHERE state = 'proposed'",
        "UPDATE settlement.settlements SET approved_by = NULL, approved_at = NULL WHERE state = 'approved'",
        "UPDATE settlement.settlements SET approved_at = NULL WHERE state = 'approved'",
        "UPDATE settlement.settlements SET approved_by = proposed_by WHERE state = 'approved'",
        "UPDATE settlement.settlements SET approved_by = proposed_by, approved_at = now() WHERE state = 'proposed'",
    ],
)
def test_nobody_approves_alone_even_by_direct_sql(direct: Connection, statement: str) -> None:
    refused_with(direct, errors.CheckViolation, statement)


@pytest.mark.parametrize(
    "table", ["lines", "state_changes", "seals", "positions", "days", "flows", "adjustments", "transitions"]
)
@pytest.mark.parametrize("command", ["UPDATE settlement.{} SET tenant_id = tenant_id", "DELETE FROM settlement.{}"])
def test_what_was_settled_can_be_neither_updated_nor_deleted(direct: Connection, table: str, command: str) -> None:
    statement = command.replace("tenant_id = tenant_id", "subject = subject") if table == "transitions" else command

    refused_with(direct, errors.InsufficientPrivilege, statement.format(table))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE settlement.settlements SET content_hash = sha256('x')",
        "UPDATE settlement.settlements SET hq_net = 0, stores_net = 0",
        "UPDATE settlement.settlements SET proposed_by = approved_by",
        "UPDATE settlement.settlements SET version = 9",
        "UPDATE settlement.legs SET amount = 1",
        "UPDATE settlement.legs SET store_id = settlement_id",
        "UPDATE settlement.windows SET closed_at = now()",
        "UPDATE tenants.stores SET participant_id = store_id",
        "DELETE FROM settlement.settlements",
        "DELETE FROM settlement.legs",
        "DELETE FROM settlement.windows",
        "INSERT INTO settlement.transitions VALUES ('settlement', 'approved', 'proposed')",
    ],
)
def test_what_an_approval_froze_is_no_column_of_the_applications(direct: Connection, statement: str) -> None:
    refused_with(direct, errors.InsufficientPrivilege, statement)


@pytest.mark.parametrize("statement", ["UPDATE tenants.stores SET name = name, status = status, code = code"])
def test_a_store_can_still_be_renamed_and_closed(direct: Connection, statement: str) -> None:
    assert direct.execute(text(statement)).rowcount == 3


def test_a_second_version_that_is_not_rejected_can_not_be_written(direct: Connection) -> None:
    columns = (
        "tenant_id, month, state_sequence, model, minimum_payout, proposed_by, proposed_at, stores_net, hq_net,"
        " rounding, identities, content_hash"
    )
    refused_with(
        direct,
        errors.UniqueViolation,
        f"INSERT INTO settlement.settlements (settlement_id, version, state, {columns}) "
        f"SELECT gen_random_uuid(), 9, 'proposed', {columns} FROM settlement.settlements WHERE state = 'proposed'",
    )


def test_whoever_proposed_can_not_approve(network: NetworkForTests) -> None:
    network.close(JANUARY)
    both = network.person(PREPARER, APPROVER)
    propose(network.tenant_id, JANUARY, both)

    with pytest.raises(Forbidden) as refused:
        approve(network.tenant_id, JANUARY, both)

    assert refused.value.code == "four_eyes"
    assert get_settlement(network.tenant_id, JANUARY).state == "proposed"


def test_whoever_proposed_an_earlier_version_may_approve_anothers(network: NetworkForTests) -> None:
    network.close(JANUARY)
    both = network.person(PREPARER, APPROVER)
    propose(network.tenant_id, JANUARY, both)
    propose(network.tenant_id, JANUARY, network.person(PREPARER))

    assert approve(network.tenant_id, JANUARY, both).version == 2


def test_an_approval_is_for_once(settled: NetworkForTests) -> None:
    with pytest.raises(Conflict) as refused:
        approve(settled.tenant_id, JANUARY, settled.person(APPROVER))

    assert refused.value.code == "settlement_approved"


@pytest.mark.parametrize("act", ["propose", "reject"])
def test_what_is_approved_is_neither_proposed_again_nor_rejected(settled: NetworkForTests, act: str) -> None:
    with pytest.raises(Conflict) as refused:
        if act == "propose":
            propose(settled.tenant_id, JANUARY, settled.person(PREPARER))
        else:
            reject(settled.tenant_id, JANUARY, settled.person(APPROVER), "wrong")

    assert refused.value.code in ("settlement_approved", "illegal_state")
    assert [s.state for s in list_settlements(settled.tenant_id, JANUARY)] == ["approved"]


def test_months_are_settled_in_turn(network: NetworkForTests) -> None:
    network.close(JANUARY)
    network.close(FEBRUARY)

    with pytest.raises(Conflict) as refused:
        propose(network.tenant_id, FEBRUARY, network.person(PREPARER))

    assert refused.value.code == "settlement_out_of_turn"


def test_a_month_that_is_not_closed_is_not_proposed(network: NetworkForTests) -> None:
    with pytest.raises(NotFound) as refused:
        propose(network.tenant_id, JANUARY, network.person(PREPARER))

    assert refused.value.code == "window_unknown"


def test_a_rejection_without_a_readable_reason_changes_nothing(network: NetworkForTests, card: str) -> None:
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.propose(JANUARY)

    with pytest.raises(InvalidInput) as refused:
        reject(network.tenant_id, JANUARY, network.person(APPROVER), "two\nlines")

    assert refused.value.code == "invalid_reason"
    assert get_settlement(network.tenant_id, JANUARY).state == "proposed"


def test_rejected_versions_stay_readable_with_who_and_why(network: NetworkForTests, card: str) -> None:
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.propose(JANUARY)
    reject(network.tenant_id, JANUARY, network.person(APPROVER), "A's rate is wrong")
    network.propose(JANUARY)
    network.propose(JANUARY)

    versions = network.hq("GET", "/v1/settlement/windows/2026-01/settlement/versions").json["settlements"]
    lines = network.hq("GET", "/v1/settlement/windows/2026-01/settlement/lines?version=1").json

    assert [(v["version"], v["state"], v["changes"][-1]["reason"]) for v in versions] == [
        (1, "rejected", "A's rate is wrong"),
        (2, "rejected", "proposed anew"),
        (3, "proposed", ""),
    ]
    assert [line["amount"] for line in lines["lines"]] == [100]


def test_a_month_without_activity_is_settled_at_once(network: NetworkForTests) -> None:
    network.settle(JANUARY)

    assert get_settlement(network.tenant_id, JANUARY).state == "settled"
    assert get_window(network.tenant_id, JANUARY).state == "settled"
