from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import NetworkForTests, Till

ADA = {"reference": "M-1", "name": "Ada Lovelace"}


def register(till: Till, card: str, body: Any = ADA):  # type: ignore[no-untyped-def]
    return till.call("POST", f"/v1/cards/{card}/registration", body)


def test_a_card_handed_out_unregistered_is_registered_later_and_keeps_its_points(
    network: NetworkForTests, till: Till, card: str
) -> None:
    till.accrue(card, 5000)

    answer = register(till, card)

    assert answer.status_code == 201, answer.json
    assert (answer.json["reference"], answer.json["name"]) == ("M-1", "Ada Lovelace")
    assert answer.json["registered_at"]
    assert till.balance(card)["available"] == 50
    [member] = network.hq("GET", "/v1/members?reference=M-1").json["members"]
    assert member == answer.json


def test_head_office_may_register_too(network: NetworkForTests, card: str) -> None:
    assert network.hq("POST", f"/v1/cards/{card}/registration", {"name": "Ada"}).status_code == 201


def test_a_member_is_registered_once(network: NetworkForTests, till: Till, card: str) -> None:
    register(till, card)
    member_id = network.hq("GET", "/v1/members?reference=M-1").json["members"][0]["member_id"]
    second = network.hq("POST", f"/v1/members/{member_id}/cards").json["card"]

    for number in (card, second):
        answer = register(till, number, {"reference": "M-2"})

        assert (answer.status_code, answer.json["code"]) == (409, "already_registered")
    assert network.hq("GET", "/v1/members?reference=M-2").json["members"] == []


def test_a_registration_sent_again_is_answered_again(network: NetworkForTests, till: Till, card: str) -> None:
    first, again = (register(till, card, {"reference": "M-1", "name": "Ada"}) for _ in range(2))

    assert (again.status_code, again.json) == (201, first.json)
    changes = network.hq("GET", f"/v1/cards/{card}/changes").json["changes"]
    assert [change["action"] for change in changes].count("registered") == 1


def test_a_reference_of_another_member_is_for_head_office_to_merge(
    network: NetworkForTests, till: Till, card: str
) -> None:
    register(till, card)
    [member] = network.hq("GET", "/v1/members?reference=M-1").json["members"]
    other = network.add_card()

    answer = register(till, other)

    assert (answer.status_code, answer.json["code"]) == (409, "member_exists")
    assert "merge" in answer.json["detail"]
    assert answer.json["member_id"] == member["member_id"]
    assert register(till, other, {"reference": "M-2"}).status_code == 201


def test_tills_that_register_the_same_card_at_once_register_it_once(
    network: NetworkForTests, till: Till, card: str
) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: register(till, card, {"reference": f"M-{n}"}), range(4)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert {answer.json.get("code") for answer in answers} == {None, "already_registered"}


def test_cards_registered_at_once_with_the_same_reference_are_one_member_and_conflicts(
    network: NetworkForTests, till: Till
) -> None:
    cards = [network.add_card() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda card: register(till, card), cards))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert {answer.json.get("code") for answer in answers} <= {None, "member_exists", "already_exists"}


@pytest.mark.parametrize(("way", "code"), [("block", "card_blocked"), ("replace", "card_replaced")])
def test_a_card_out_of_use_is_not_registered(
    network: NetworkForTests, till: Till, card: str, way: str, code: str
) -> None:
    network.hq("POST", f"/v1/cards/{card}/{way}")

    answer = register(till, card)

    assert (answer.status_code, answer.json["code"]) == (403, code)


BAD = [
    ({}, 422, "nothing_to_register"),
    ({"reference": ""}, 422, "invalid_input"),
    ({"reference": None}, 422, "invalid_input"),
    ({"reference": "x" * 65}, 422, "invalid_input"),
    ({"name": "a\nb"}, 422, "invalid_input"),
    ({"phone": "+1 555 0100"}, 422, "invalid_phone"),
    ([], 422, "invalid_input"),
    ({"name": "4111 1111 1111 1111"}, 422, "payment_card_number"),
]


@pytest.mark.parametrize(("body", "status", "code"), BAD)
def test_a_registration_that_says_nothing_usable_is_refused(
    network: NetworkForTests, till: Till, card: str, body: Any, status: int, code: str
) -> None:
    answer = register(till, card, body)

    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert network.hq("GET", "/v1/members").json["members"][0]["registered_at"] is None


def test_a_card_of_nobody_or_of_another_network_is_unknown(
    till: Till, make_network: Callable[..., NetworkForTests]
) -> None:
    for number in ("79927398713", make_network().add_card()):
        assert register(till, number).json["code"] == "card_unknown"


@pytest.mark.parametrize(
    ("body", "is_registered"), [({}, False), ({"reference": "M-1"}, True), ({"name": "Ada"}, True), (ADA, True)]
)
def test_a_member_made_with_a_reference_or_a_name_is_registered(
    network: NetworkForTests, body: dict[str, str], is_registered: bool
) -> None:
    made = network.hq("POST", "/v1/members", body).json

    assert (made["registered_at"] is not None) is is_registered


def test_head_office_changes_a_member_later(network: NetworkForTests) -> None:
    made = network.hq("POST", "/v1/members", ADA).json
    path = f"/v1/members/{made['member_id']}"

    renamed = network.hq("PATCH", path, {"name": "Ada King", "reason": "married"})
    emptied = network.hq("PATCH", path, {"reference": None})

    assert renamed.status_code == 200
    assert renamed.json == {**made, "name": "Ada King"}
    assert emptied.json == {**made, "name": "Ada King", "reference": None}
    assert network.hq("PATCH", path, {}).json == emptied.json
    assert network.hq("GET", "/v1/members?reference=M-1").json["members"] == []


def test_who_gets_a_name_from_head_office_is_registered(network: NetworkForTests, till: Till, card: str) -> None:
    member_id = network.hq("GET", "/v1/members").json["members"][0]["member_id"]

    assert network.hq("PATCH", f"/v1/members/{member_id}", {"name": "Ada"}).json["registered_at"]

    assert register(till, card).json["code"] == "already_registered"


def test_a_change_does_not_take_another_members_reference(network: NetworkForTests) -> None:
    network.hq("POST", "/v1/members", ADA)
    other = network.hq("POST", "/v1/members", {"reference": "M-2"}).json

    answer = network.hq("PATCH", f"/v1/members/{other['member_id']}", {"reference": "M-1"})

    assert (answer.status_code, answer.json["code"]) == (409, "member_exists")


def test_a_till_changes_no_member(network: NetworkForTests, till: Till) -> None:
    made = network.hq("POST", "/v1/members", ADA).json

    answer = till.call("PATCH", f"/v1/members/{made['member_id']}", {"name": "Eve"})

    assert (answer.status_code, answer.json["code"]) == (403, "wrong_kind_of_key")
