from __future__ import annotations

import pytest

from tenants.foundation.luhn import is_card_number
from tests.conftest import NetworkForTests, Till, a_card_number

# What brings a new card into each state.
WAYS_INTO = {"active": [], "blocked": ["block"], "replaced": ["replace"]}

TRANSITIONS = [
    # state, action, status code, code of the refusal, state afterwards
    ("active", "block", 200, None, "blocked"),
    ("active", "unblock", 409, "card_active", "active"),
    ("active", "replace", 201, None, "replaced"),
    ("blocked", "block", 409, "card_blocked", "blocked"),
    ("blocked", "unblock", 200, None, "active"),
    ("blocked", "replace", 201, None, "replaced"),
    ("replaced", "block", 409, "card_replaced", "replaced"),
    ("replaced", "unblock", 409, "card_replaced", "replaced"),
    ("replaced", "replace", 409, "card_replaced", "replaced"),
]


@pytest.mark.parametrize(("state", "action", "status_code", "refusal", "state_afterwards"), TRANSITIONS)
def test_each_action_on_a_card_leads_to_one_state_or_is_refused(
    network: NetworkForTests,
    card: str,
    state: str,
    action: str,
    status_code: int,
    refusal: str | None,
    state_afterwards: str,
) -> None:
    for way in WAYS_INTO[state]:
        network.hq("POST", f"/v1/cards/{card}/{way}")

    answer = network.hq("POST", f"/v1/cards/{card}/{action}")

    assert answer.status_code == status_code, answer.json
    assert answer.json.get("code") == refusal
    assert network.hq("GET", f"/v1/cards/{card}").json["status"] == state_afterwards


LUHN_EXAMPLES = [
    ("79927398713", True),  # the example of the Wikipedia article
    ("49927398716", True),  # Rosetta Code, as the next three
    ("49927398717", False),
    ("1234567812345678", False),
    ("1234567812345670", True),
    ("4111111111111111", True),  # test numbers of payment processors
    ("378282246310005", True),
    ("5555555555554444", True),
    ("79927398710", False),
    ("18", False),  # right digit, too short
    ("٧٩٩٢٧٣٩٨٧١٣", False),  # digits, but not those of ASCII
    ("", False),
]


@pytest.mark.parametrize(("number", "is_valid"), LUHN_EXAMPLES)
def test_a_card_number_ends_in_its_luhn_digit(number: str, is_valid: bool) -> None:
    assert is_card_number(number) is is_valid


def test_a_replaced_card_leaves_the_points_with_the_member(network: NetworkForTests, till: Till, card: str) -> None:
    till.accrue(card, 5000)

    new = network.hq("POST", f"/v1/cards/{card}/replace").json["card"]

    assert till.balance(new)["available"] == 50
    assert till.redeem(new, 20).status_code == 201
    assert till.redeem(card, 20).json["code"] == "card_replaced"
    assert till.balance(new)["available"] == 30


def test_a_replaced_card_names_the_card_that_took_its_place(network: NetworkForTests, card: str) -> None:
    number = a_card_number()

    new = network.hq("POST", f"/v1/cards/{card}/replace", {"number": number}).json
    cards = network.hq("GET", f"/v1/members/{new['member_id']}").json["cards"]

    assert new["card"] == number
    assert [(c["card"], c["status"], c["replaced_by"]) for c in cards] == [
        (card, "replaced", number),
        (number, "active", None),
    ]


def test_a_card_can_not_be_replaced_by_one_that_exists(network: NetworkForTests, card: str) -> None:
    for number in (card, network.add_card()):
        answer = network.hq("POST", f"/v1/cards/{card}/replace", {"number": number})

        assert (answer.status_code, answer.json["code"]) == (409, "card_exists")
    assert network.hq("GET", f"/v1/cards/{card}").json["status"] == "active"


def test_a_card_number_is_made_up_when_none_is_given(network: NetworkForTests) -> None:
    member_id = network.hq("POST", "/v1/members").json["member_id"]

    numbers = {network.hq("POST", f"/v1/members/{member_id}/cards").json["card"] for _ in range(3)}

    assert len(numbers) == 3
    assert all(is_card_number(number) and len(number) == 16 for number in numbers)


def test_every_card_of_a_member_spends_from_the_same_points(network: NetworkForTests, till: Till) -> None:
    member_id = network.hq("POST", "/v1/members").json["member_id"]
    first, second = (network.hq("POST", f"/v1/members/{member_id}/cards").json["card"] for _ in range(2))

    till.accrue(first, 1000)

    assert till.redeem(second, 10).status_code == 201


def test_two_networks_may_use_the_same_card_number(network: NetworkForTests, make_network) -> None:  # type: ignore[no-untyped-def]
    number, other = a_card_number(), make_network()

    for owner in (network, other):
        member_id = owner.hq("POST", "/v1/members").json["member_id"]
        answer = owner.hq("POST", f"/v1/members/{member_id}/cards", {"number": number})

        assert answer.status_code == 201
