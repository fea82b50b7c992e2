"""An approved settlement stays what it is, to the byte, whatever becomes of its disputes: no clock is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import permutations
from uuid import UUID

import pytest
from sqlalchemy import Engine, create_engine, text

from settlement.disputes.rules import DECIDED_WITHIN
from settlement.disputes.service import accept, expire_disputes, reject
from settlement.proposals.queries import live_settlement
from settlement.proposals.rules import BILATERAL, FUNDING
from settlement.proposals.service import derive
from settlement.windows.tables import Window
from tenants.foundation.config import Settings
from tenants.foundation.database import normal_url, unit_of_work
from tests.disputes.month import FEBRUARY, HQ, JANUARY, Month


def derived(month: Month, is_frozen: bool = True) -> bytes:
    with unit_of_work(month.tenant_id) as session:
        settlement = live_settlement(session, JANUARY)
        window = session.get_one(Window, (month.tenant_id, JANUARY))
        return derive(session, window, settlement if is_frozen else None).content


def expire(month: Month) -> None:
    long_after = month.let_dispute_until(-1) + DECIDED_WITHIN + timedelta(days=1)
    expire_disputes(month.tenant_id, "scheduler", long_after)


@pytest.fixture
def database(settings: Settings, month: Month) -> Iterator[Engine]:
    """As its owner, who may change what the application can't."""
    engine = create_engine(normal_url(settings.database_url))
    yield engine
    engine.dispose()


def test_decisions_after_the_approval_leave_it_as_it_is(month: Month) -> None:
    line = month.line(FUNDING, "A", HQ)
    rejected_before, accepted_before, accepted_after, rejected_after, _ = (
        month.dispute(line, amount=amount) for amount in (1, 2, 4, 8, 16)
    )
    reject(month.tenant_id, rejected_before, month.preparer, "no")
    accept(month.tenant_id, accepted_before, month.preparer, "yes")
    month.propose()
    month.approve()
    content = derived(month)
    assert month.legs()["A"] == 100 - 2 - 4 - 8 - 16

    steps: list[Callable[[], None]] = [
        lambda: accept(month.tenant_id, accepted_after, month.preparer, "yes"),
        lambda: reject(month.tenant_id, rejected_after, month.preparer, "no"),
        lambda: expire(month),
        lambda: month.network.close(FEBRUARY),
    ]
    for step in steps:
        step()
        assert derived(month) == content

    assert derived(month, is_frozen=False) != content, "the question itself must be able to say no"


@pytest.mark.parametrize("before", [None, "accept", "reject"])
@pytest.mark.parametrize("after", [None, "accept", "reject", "expire"])
def test_it_depends_on_no_clock(month: Month, database: Engine, before: str | None, after: str | None) -> None:
    """All at one moment, or backwards: what came first is told by what is written, not by when."""
    decide = {"accept": accept, "reject": reject}
    line = month.line(FUNDING, "A", HQ)
    first, second = month.dispute(line, amount=10), month.dispute(line, amount=20)
    if before:
        decide[before](month.tenant_id, first, month.preparer, "before")
    month.propose()
    month.approve()
    content = derived(month)
    for dispute_id in (first, second):
        if after == "expire":
            expire(month)
        elif after and not (before and dispute_id == first):
            decide[after](month.tenant_id, dispute_id, month.preparer, "after")

    for moment in ("'2026-11-22T12:00:00Z'", "timestamptz '2026-11-22T12:00:00Z' - make_interval(secs => sequence)"):
        set_moments(database, month.tenant_id, moment)
        assert derived(month) == content


def set_moments(database: Engine, tenant_id: UUID, moment: str) -> None:
    """Of every change of a state; the approval is at noon."""
    changes = f"UPDATE settlement.state_changes SET changed_at = {moment} WHERE tenant_id = :tenant"
    approval = """
        UPDATE settlement.settlements SET approved_at = '2026-11-22T12:00:00Z'
        WHERE tenant_id = :tenant AND approved_at IS NOT NULL
    """
    with database.begin() as connection:
        for statement in (changes, approval):
            connection.execute(text(statement), {"tenant": tenant_id})


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_whatever_the_order_of_the_decisions(on_redemption: Month, order: tuple[int, ...]) -> None:
    month = on_redemption
    line = month.line(BILATERAL, "A", "B")
    disputes = [month.dispute(line, store, 10) for store in ("A", "B", "A")]
    month.propose()
    month.approve()
    content = derived(month)

    decide = (accept, reject, reject)
    for number in order:
        decide[number](month.tenant_id, disputes[number], month.preparer, "so be it")

    assert derived(month) == content
    assert sum(row.amount for row in month.adjustments()) == 20


def test_what_was_approved_is_what_is_derived_again(month: Month) -> None:
    month.dispute(month.line(FUNDING, "A", HQ), amount=30)
    month.propose()
    month.approve()

    with unit_of_work(month.tenant_id) as session:
        settlement = live_settlement(session, JANUARY)
        window = session.get_one(Window, (month.tenant_id, JANUARY))
        assert derive(session, window, settlement).content_hash == settlement.content_hash
