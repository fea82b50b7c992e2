"""Nothing is undone silently: whatever is done to a card leaves a row that says what, by whom, when and why."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from psycopg2 import errors
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from tenants.credentials.service import list_credentials
from tenants.foundation import ids
from tenants.foundation.config import Settings
from tenants.foundation.database import connect_arguments, normal_url, unit_of_work
from tenants.members.service import CARD_TRANSITIONS, MERGED, create_members_with_cards, find_card, record_change
from tests.conftest import NetworkForTests, Till, a_card_number

WAYS_INTO = {"active": [], "blocked": ["block"], "replaced": ["replace"]}
ACTIONS = {"block": "blocked", "unblock": "unblocked", "replace": "replaced"}


def changes(network: NetworkForTests, card: str) -> list[dict[str, Any]]:
    answer = network.hq("GET", f"/v1/cards/{card}/changes")
    assert answer.status_code == 200, answer.json
    return answer.json["changes"]


def hq_key_id(network: NetworkForTests) -> str:
    [credential] = [c for c in list_credentials(network.tenant_id) if c.role == "hq"]
    return ids.show(ids.KEY, credential.credential_id)


@pytest.mark.parametrize(("action", "state"), list(product(ACTIONS, WAYS_INTO)))
def test_each_action_on_each_state_is_recorded_with_both_states_or_refused_without_a_trace(
    network: NetworkForTests, card: str, action: str, state: str
) -> None:
    for way in WAYS_INTO[state]:
        network.hq("POST", f"/v1/cards/{card}/{way}")
    before = changes(network, card)

    answer = network.hq("POST", f"/v1/cards/{card}/{action}", {"reason": "lost"})

    added = changes(network, card)[len(before) :]
    following = CARD_TRANSITIONS.get((action, state))
    if following is None:
        assert (answer.status_code, added) == (409, [])
        return
    [change] = added
    assert (change["action"], change["from_status"], change["to_status"]) == (ACTIONS[action], state, following)
    assert (change["reason"], change["changed_by"]) == ("lost", hq_key_id(network))
    assert network.hq("GET", f"/v1/cards/{card}").json["status"] == following


def test_every_transition_has_a_state_that_it_starts_from() -> None:
    assert {state for _, state in CARD_TRANSITIONS} <= WAYS_INTO.keys()
    assert {action for action, _ in CARD_TRANSITIONS} == ACTIONS.keys()


def test_a_card_and_the_one_that_takes_its_place_name_each_other(network: NetworkForTests, card: str) -> None:
    new = network.hq("POST", f"/v1/cards/{card}/replace", {"reason": "damaged"}).json["card"]

    [old_issued, replaced] = changes(network, card)
    [new_issued] = changes(network, new)
    assert (old_issued["action"], old_issued["other_card"]) == ("issued", None)
    assert (replaced["action"], replaced["other_card"], replaced["reason"]) == ("replaced", new, "damaged")
    assert (new_issued["action"], new_issued["other_card"], new_issued["to_status"]) == ("issued", card, "active")
    assert new_issued["reason"] == "damaged"


def test_the_life_of_a_card_is_told_in_order(network: NetworkForTests, till: Till, card: str) -> None:
    till.call("POST", f"/v1/cards/{card}/registration", {"reference": "M-1"})
    till.call("POST", f"/v1/cards/{card}/payment-tokens", {"token": "tok_12345678"})
    till.call("POST", f"/v1/cards/{card}/payment-tokens", {"token": "tok_12345678"})
    till.call("POST", f"/v1/cards/{card}/payment-tokens/unbind", {"token": "tok_12345678"})
    member_id = network.hq("GET", "/v1/members").json["members"][0]["member_id"]
    network.hq("PATCH", f"/v1/members/{member_id}", {"name": "Ada", "reason": "on request"})
    network.hq("PATCH", f"/v1/members/{member_id}", {"name": "Ada"})

    told = changes(network, card)

    assert [change["action"] for change in told] == ["issued", "registered", "bound", "unbound", "updated"]
    till_key = next(c for c in list_credentials(network.tenant_id) if c.terminal_id == till.terminal_id)
    by_till = ids.show(ids.KEY, till_key.credential_id)
    assert [change["changed_by"] for change in told] == [
        "command line",
        by_till,
        by_till,
        by_till,
        hq_key_id(network),
    ]
    assert told[-1]["reason"] == "on request"
    assert "Ada" not in str(told) and "M-1" not in str(told) and "tok_" not in str(told)


def test_cards_are_issued_with_a_record_whichever_way(network: NetworkForTests) -> None:
    member_id = network.hq("POST", "/v1/members").json["member_id"]
    single = network.hq("POST", f"/v1/members/{member_id}/cards").json["card"]
    imported = a_card_number()
    create_members_with_cards(network.tenant_id, {"M-1": imported})
    headers = {"Authorization": f"Bearer {network.hq_key}", "Idempotency-Key": str(uuid4())}
    network.app.test_client().post("/v1/card-batches", json={"count": 2, "label": "x"}, headers=headers)

    with unit_of_work(network.tenant_id) as session:
        cards = dict(session.execute(text("SELECT number, card_id FROM tenants.cards")).all())
        recorded = session.execute(
            text("SELECT card_id, changed_by FROM tenants.card_changes WHERE action = 'issued'")
        ).all()

    assert len(cards) == 4
    assert sorted(row.card_id for row in recorded) == sorted(cards.values())
    who = dict(recorded)
    assert who[cards[single]] == hq_key_id(network)
    assert who[cards[imported]] == "command line"


def test_the_record_is_read_page_by_page(network: NetworkForTests, card: str) -> None:
    for action in ("block", "unblock") * 2:
        network.hq("POST", f"/v1/cards/{card}/{action}")
    whole = changes(network, card)

    first = network.hq("GET", f"/v1/cards/{card}/changes?limit=3").json
    rest = network.hq("GET", f"/v1/cards/{card}/changes?limit=3&cursor={first['next_cursor']}").json

    assert first["changes"] + rest["changes"] == whole
    assert rest["next_cursor"] is None


def test_a_till_does_not_read_the_record(till: Till, card: str) -> None:
    answer = till.call("GET", f"/v1/cards/{card}/changes")

    assert (answer.status_code, answer.json["code"]) == (403, "wrong_kind_of_key")


def test_the_record_of_another_networks_card_is_not_found(
    network: NetworkForTests, make_network: Callable[..., NetworkForTests]
) -> None:
    answer = network.hq("GET", f"/v1/cards/{make_network().add_card()}/changes")

    assert (answer.status_code, answer.json["code"]) == (404, "card_unknown")


@pytest.mark.parametrize("action", ["block", "replace"])
@pytest.mark.parametrize("reason", ["", " ", "x" * 201, "a\nb", 1, None, "4111111111111111"])
def test_a_reason_that_can_not_be_kept_is_refused_and_nothing_is_done(
    network: NetworkForTests, card: str, action: str, reason: Any
) -> None:
    answer = network.hq("POST", f"/v1/cards/{card}/{action}", {"reason": reason})

    assert answer.status_code == 422, answer.json
    assert network.hq("GET", f"/v1/cards/{card}").json["status"] == "active"
    assert len(changes(network, card)) == 1


def test_a_merge_is_recorded_with_both_members(network: NetworkForTests, card: str) -> None:
    kept, gone = (find_card(network.tenant_id, number) for number in (card, network.add_card()))

    with unit_of_work(network.tenant_id) as session:
        record_change(
            session,
            network.tenant_id,
            kept.member_id,
            MERGED,
            "command line",
            other_member_id=gone.member_id,
            reason="the same person",
        )

    merged = changes(network, card)[-1]
    assert (merged["action"], merged["reason"]) == ("merged", "the same person")
    assert merged["other_member_id"] == ids.show(ids.MEMBER, gone.member_id)


def test_what_is_not_committed_leaves_no_record(network: NetworkForTests, card: str) -> None:
    taken = network.add_card()

    network.hq("POST", f"/v1/cards/{card}/replace", {"number": taken})

    assert [change["action"] for change in changes(network, card)] == ["issued"]


@pytest.mark.parametrize(
    "command", ["UPDATE {} SET reason = 'x'", "DELETE FROM {}", "TRUNCATE {}", "UPDATE {} SET changed_by = 'me'"]
)
def test_the_application_can_not_change_the_record(
    network: NetworkForTests, card: str, settings: Settings, command: str
) -> None:
    engine = create_engine(normal_url(settings.database_url), connect_args=connect_arguments())
    with engine.connect() as connection, pytest.raises(ProgrammingError) as failure:
        connection.execute(text(command.format("tenants.card_changes")))
    engine.dispose()

    assert isinstance(failure.value.orig, errors.InsufficientPrivilege)


IMPOSSIBLE = [
    {"action": "blocked"},
    {"action": "blocked", "from_status": "active", "to_status": "active"},
    {"action": "issued"},
    {"action": "issued", "from_status": "blocked", "to_status": "active"},
    {"action": "replaced", "from_status": "active", "to_status": "replaced"},
    {"action": "merged"},
    {"action": "registered", "to_status": "active"},
    {"action": "forgotten"},
    {"action": "registered", "reason": ""},
    {"action": "registered", "changed_by": ""},
]


@pytest.mark.parametrize("row", IMPOSSIBLE)
def test_the_database_takes_no_record_of_what_can_not_be(
    network: NetworkForTests, card: str, row: dict[str, str]
) -> None:
    found = find_card(network.tenant_id, card)
    fields = {"changed_by": "test", **row}

    with pytest.raises(IntegrityError), unit_of_work(network.tenant_id) as session:
        action, changed_by = fields.pop("action"), fields.pop("changed_by")
        record_change(
            session, network.tenant_id, found.member_id, action, changed_by, card_id=found.card_id, **fields
        )
