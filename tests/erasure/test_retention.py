"""Members whom nobody has seen for as long as the network wants to remember are forgotten; others are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Engine, text

from clearinghouse.erasure.jobs import erase_inactive_of
from clearinghouse.erasure.rules import check_points, retained_since
from clearinghouse.erasure.service import erase_if_inactive, erase_inactive, list_inactive
from tenants.foundation import ids
from tenants.foundation.errors import Conflict
from tenants.members.service import create_member, issue_card
from tests.conftest import NetworkForTests, a_card_number

AGE = """
UPDATE tenants.members SET created_at = created_at - :age, registered_at = registered_at - :age
WHERE tenant_id = :tenant AND member_id = ANY (:members);
UPDATE tenants.card_changes SET changed_at = changed_at - :age
WHERE tenant_id = :tenant AND member_id = ANY (:members);
UPDATE ledger.transfers SET posted_at = posted_at - :age
WHERE tenant_id = :tenant AND member_id = ANY (:members)
"""


@pytest.fixture
def let_years_pass(owner: Engine, network: NetworkForTests) -> Callable[..., None]:
    """As if what these members did had been two years ago. Hash chains of theirs are wrong then."""

    def age(*members: Any) -> None:
        values = {"age": "2 years", "tenant": network.tenant_id, "members": list(members)}
        with owner.begin() as connection:
            for statement in AGE.split(";"):
                connection.execute(text(statement.replace(":age", "CAST(:age AS interval)")), values)

    return age


def add(network: NetworkForTests, name: str | None = "Ada") -> tuple[Any, str]:
    member = create_member(network.tenant_id, name=name)
    return member.member_id, issue_card(network.tenant_id, member.member_id, a_card_number()).number


def test_members_without_points_and_activity_are_forgotten(
    network: NetworkForTests, let_years_pass: Callable[..., None], command_line: Callable[..., Result]
) -> None:
    till = network.tills["A"]
    gone, gone_card = add(network)
    anonymous, anonymous_card = add(network, None)
    rich, rich_card = add(network)
    owing, owing_card = add(network)
    back, back_card = add(network)
    drawer, _ = add(network, None)
    for each in (gone_card, anonymous_card, rich_card, back_card, owing_card):
        sale = till.accrue(each, 1000).json["transfer_id"]
        if each != rich_card:
            till.redeem(each, 10)
        if each == owing_card:
            till.reverse(sale)
    let_years_pass(gone, anonymous, rich, owing, back, drawer)
    till.accrue(back_card, 100)
    till.redeem(back_card, 1)
    young, _ = add(network)

    assert erase_inactive(network.tenant_id) == 0, "off until the network wants it"
    network.hq("PATCH", "/v1/network", {"retention_months": 12})
    words = ("member", "erase-inactive", "-n", network.code, "--json")
    told = json.loads(command_line(*words, "--dry-run").stdout)
    assert (told["members"], told["erased"]) == (2, 0)
    assert list_inactive(network.tenant_id).member_ids == [gone, anonymous]
    assert json.loads(command_line(*words).stdout)["erased"] == 2

    erased = {
        row["member_id"] for row in network.hq("GET", "/v1/members").json["members"] if row["erased_at"] is not None
    }
    assert erased == {ids.show(ids.MEMBER, member_id) for member_id in (gone, anonymous)}
    certificate = network.hq("GET", f"/v1/members/{ids.show(ids.MEMBER, gone)}/erasure").json
    assert (certificate["reason"], certificate["erased_by"]) == ("retention", "retention")
    assert erase_inactive_of(str(network.tenant_id)) == 0
    assert young not in erased


def test_who_comes_back_between_the_list_and_the_erasure_is_kept(
    network: NetworkForTests, let_years_pass: Callable[..., None]
) -> None:
    member_id, card = add(network)
    let_years_pass(member_id)
    network.hq("PATCH", "/v1/network", {"retention_months": 12})
    assert list_inactive(network.tenant_id).member_ids == [member_id]

    network.tills["A"].accrue(card, 1000)

    assert not erase_if_inactive(network.tenant_id, member_id)
    assert network.tills["A"].balance(card)["available"] == 10


def test_a_rule_that_was_lifted_meanwhile_erases_nobody(
    network: NetworkForTests, let_years_pass: Callable[..., None]
) -> None:
    member_id, _ = add(network)
    let_years_pass(member_id)
    network.hq("PATCH", "/v1/network", {"retention_months": 12})
    network.hq("PATCH", "/v1/network", {"retention_months": None})

    assert not erase_if_inactive(network.tenant_id, member_id)


SINCE = [
    (date(2026, 11, 22), 12, "2025-11-22T00:00:00+00:00"),
    (date(2026, 3, 31), 1, "2026-02-28T00:00:00+00:00"),
    (date(2024, 3, 31), 1, "2024-02-29T00:00:00+00:00"),
    (date(2026, 1, 31), 2, "2025-11-30T00:00:00+00:00"),
]


@pytest.mark.parametrize(("today", "months", "expected"), SINCE)
def test_months_are_counted_by_the_calendar(today: date, months: int, expected: str) -> None:
    assert retained_since(today, months, "UTC").isoformat() == expected


POINTS = [
    (0, 0, 0, False, None),
    (0, 0, 0, True, None),
    (5, 0, 0, True, None),
    (5, 0, 0, False, "member_has_points"),
    (5, 3, 0, True, "member_has_holds"),
    (0, 0, 2, True, "member_owes_points"),
    (5, 3, 2, False, "member_has_holds"),
]


@pytest.mark.parametrize(("available", "held", "deficit", "forfeit", "code"), POINTS)
def test_points_holds_and_debts_keep_a_member(
    available: int, held: int, deficit: int, forfeit: bool, code: str | None
) -> None:
    if code is None:
        check_points(available, held, deficit, forfeit)
        return
    with pytest.raises(Conflict) as refused:
        check_points(available, held, deficit, forfeit)
    assert refused.value.code == code
