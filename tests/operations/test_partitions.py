from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import date

import pytest
from click.testing import Result
from sqlalchemy import Engine, text

from clearinghouse.ledger.checks import check_ledger
from clearinghouse.partitions.service import list_partitions
from settlement.serving.jobs import PERIODIC, make_partitions
from tenants.foundation import clock
from tenants.foundation.months import add_months, month_of
from tests.conftest import NetworkForTests, Till

# Every test here takes partitions away that others would miss: they are put back before it ends.


def months_ahead() -> int:
    """Whole months after this one that have their partition, without a gap."""
    there = {partition.month for partition in list_partitions()}
    this_month, ahead = month_of(clock.now().date()), 0
    while add_months(this_month, ahead + 1) in there:
        ahead += 1
    return ahead


def drop_partition(owner: Engine, month: date) -> bool:
    """Unless something is in it, that is of another test of this process."""
    name = f"ledger.postings_{month:%Y_%m}"
    with owner.begin() as connection:
        if connection.scalar(text(f"SELECT EXISTS (SELECT FROM {name})")):
            return False
        connection.execute(text(f"DROP TABLE {name}"))
        return True


def test_a_missing_partition_is_made_by_the_posting_that_needs_it(
    make_network: Callable[..., NetworkForTests], owner: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """In a month of its own, two years back, where nobody else has posted."""
    month = date(month_of(clock.now().date()).year - 2, 3, 1)
    network = make_network(opened_on=month)
    till, card = network.add_till("A"), network.add_card()
    assert drop_partition(owner, month)

    with caplog.at_level(logging.WARNING):
        answers = [till.accrue(card, 1000, occurred_at=f"{month}T12:00:00Z") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert {answer.json["settlement_month"] for answer in answers} == {f"{month:%Y-%m}"}
    assert caplog.text.count("is the scheduler running?") == 1
    assert check_ledger(network.tenant_id) == []


def test_the_scheduler_makes_months_ahead_so_that_nobody_has_to(till: Till, owner: Engine) -> None:
    assert make_partitions in [job for job, _ in PERIODIC]
    with owner.begin() as connection:
        newest = connection.scalar(text("SELECT max(inhrelid::regclass::text) FROM pg_inherits "
                                        "WHERE inhparent = 'ledger.postings'::regclass"))  # fmt: skip
        connection.execute(text(f"DROP TABLE {newest}"))
    before = months_ahead()

    assert make_partitions() == 1
    assert months_ahead() == before + 1 == 12


def test_the_list_tells_which_months_may_still_be_posted_into(
    network: NetworkForTests, command_line: Callable[..., Result]
) -> None:
    network.close(date(2026, 1, 1))

    listed = command_line("partition", "list", "--json")

    assert listed.exit_code == 0, listed.output
    by_month = {row["month"]: row for row in json.loads(listed.stdout)}
    assert by_month["2026-01"]["open_in"] < by_month["2026-02"]["open_in"]
    assert by_month["2026-01"]["bytes"] > 0
