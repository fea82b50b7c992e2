from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from apiflask import APIFlask
from sqlalchemy import create_engine, text

from clearinghouse.verification.service import Verification
from tenants.foundation.config import Settings
from tenants.foundation.database import db, normal_url
from tenants.verification import service
from tenants.verification.service import change_pin
from tests.conftest import Till
from tests.ledger.test_concurrency import at_once
from tests.verification.conftest import CODE_FROM, PIN_FROM, Redeemer

RIGHT, WRONG = "4711", "4712"


@pytest.fixture
def member(redeemer: Redeemer) -> Redeemer:
    redeemer.set_pin(RIGHT)
    return redeemer


@pytest.fixture
def comparisons(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The PINs that have been compared with a hash."""
    compared: list[str] = []
    compare = service.is_right

    def is_right(pin_hash: str, tenant_id: Any, member_id: Any, pin: str) -> bool:
        compared.append(pin)
        return compare(pin_hash, tenant_id, member_id, pin)

    monkeypatch.setattr(service, "is_right", is_right)
    return compared


def try_pin(member: Redeemer, pin: str, attempt_key: str | None = None) -> Verification:
    return member.redeem(PIN_FROM, pin=pin, attempt_key=attempt_key or str(uuid4()))


def test_the_third_wrong_try_locks_a_pin(member: Redeemer) -> None:
    answers = [try_pin(member, pin) for pin in (WRONG, WRONG, WRONG, RIGHT)]

    assert [(answer.refusal, answer.detail) for answer in answers] == [
        ("pin_wrong", {"tries_left": 2}),
        ("pin_wrong", {"tries_left": 1}),
        ("pin_locked", {}),
        ("pin_locked", {}),
    ]
    assert member.pin_state() == ("locked", 0)


def test_a_right_pin_gives_all_tries_back(member: Redeemer) -> None:
    for _ in range(2):
        assert [try_pin(member, pin).refusal for pin in (WRONG, WRONG, RIGHT)] == ["pin_wrong", "pin_wrong", None]
    assert member.pin_state() == ("set", 3)


def test_a_member_without_a_pin_is_told_so(redeemer: Redeemer) -> None:
    assert try_pin(redeemer, RIGHT).refusal == "pin_not_set"


def test_a_code_is_accepted_though_the_pin_is_locked(member: Redeemer) -> None:
    for _ in range(3):
        try_pin(member, WRONG)

    assert member.redeem(CODE_FROM, code=member.code()).refusal is None


def test_a_pin_is_the_members_own(member: Redeemer, stranger: Redeemer) -> None:
    stranger.set_pin("90210")

    assert try_pin(stranger, RIGHT).refusal == "pin_wrong"


def test_guesses_at_once_get_three_comparisons(app: APIFlask, member: Redeemer, comparisons: list[str]) -> None:
    guesses = [f"{n:04d}" for n in range(5000, 5020)]

    answers = at_once(app, [partial(try_pin, member, guess) for guess in guesses])

    assert len(comparisons) == 3
    assert {answer.refusal for answer in answers} == {"pin_wrong", "pin_locked"}
    assert member.pin_state() == ("locked", 0)
    assert try_pin(member, RIGHT).refusal == "pin_locked"


def test_a_request_sent_again_is_counted_once_and_answered_the_same(member: Redeemer) -> None:
    answers = [try_pin(member, WRONG, "till:1") for _ in range(5)]

    assert {(answer.refusal, answer.detail["tries_left"]) for answer in answers} == {("pin_wrong", 2)}
    assert member.pin_state() == ("set", 2)


def test_the_third_wrong_try_sent_again_stays_locked(member: Redeemer) -> None:
    answers = [try_pin(member, WRONG, key) for key in ("till:1", "till:2", "till:3", "till:3", "till:2")]

    assert [answer.refusal for answer in answers[2:]] == ["pin_locked"] * 3


def test_another_pin_with_the_same_key_is_another_try(member: Redeemer) -> None:
    assert [try_pin(member, pin, "till:1").refusal for pin in (WRONG, "4713", "4714", RIGHT)] == [
        "pin_wrong",
        "pin_wrong",
        "pin_locked",
        "pin_locked",
    ]


def test_a_mistyped_pin_is_put_right_with_the_same_key(member: Redeemer) -> None:
    assert [try_pin(member, pin, "till:1").refusal for pin in (WRONG, RIGHT, RIGHT)] == ["pin_wrong", None, None]
    assert member.pin_state() == ("set", 3)


def test_the_same_request_twice_at_once_is_one_try(app: APIFlask, member: Redeemer) -> None:
    answers = at_once(app, [partial(try_pin, member, WRONG, "till:1") for _ in range(8)])

    assert {answer.refusal for answer in answers} == {"pin_wrong"}
    assert member.pin_state() == ("set", 2)


def test_no_connection_is_held_while_a_pin_is_compared(member: Redeemer, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    compare = service.is_right

    def is_right(*arguments: Any) -> bool:
        held.append(db.engine.pool.checkedout())  # type: ignore[attr-defined]
        return compare(*arguments)

    monkeypatch.setattr(service, "is_right", is_right)
    try_pin(member, RIGHT)
    try_pin(member, WRONG)

    assert held == [0, 0]


def test_a_try_that_overlaps_a_new_pin_does_not_unlock_it(member: Redeemer, monkeypatch: pytest.MonkeyPatch) -> None:
    compare = service.is_right

    def is_right(*arguments: Any) -> bool:
        monkeypatch.setattr(service, "is_right", compare)
        member.set_pin("90210")
        for _ in range(3):
            try_pin(member, WRONG)
        return compare(*arguments)

    monkeypatch.setattr(service, "is_right", is_right)
    try_pin(member, RIGHT)

    assert member.pin_state() == ("locked", 0)


UNLOCKING = [
    # method, path after the member's, body, status and tries afterwards
    ("PUT", "/pin", {"pin": RIGHT}, ("set", 3)),
    ("POST", "/pin/unlock", None, ("set", 3)),
    ("DELETE", "/pin", None, ("not_set", 0)),
]


@pytest.mark.parametrize(("method", "path", "body", "state"), UNLOCKING)
def test_head_office_can_end_a_lock(
    member: Redeemer, method: str, path: str, body: Any, state: tuple[str, int]
) -> None:
    for _ in range(3):
        try_pin(member, WRONG)

    answer = member.network.hq(method, f"{member.path}{path}", body)

    assert answer.status_code == 200
    assert (answer.json["status"], answer.json["tries_left"]) == state
    assert member.pin_state() == state
    assert try_pin(member, RIGHT).refusal == (None if state[0] == "set" else "pin_not_set")


@pytest.mark.parametrize(("method", "path"), [("POST", "/pin/unlock"), ("DELETE", "/pin")])
def test_a_member_without_a_pin_has_none_afterwards(redeemer: Redeemer, method: str, path: str) -> None:
    assert redeemer.network.hq(method, f"{redeemer.path}{path}").json["status"] == "not_set"
    assert redeemer.pin_state() == ("not_set", 0)


def choose(till: Till, member: Redeemer, key: str | None = None, **body: str) -> tuple[int, str | None]:
    answer = till.post(f"/v1/cards/{member.card}/pin", body, key)
    return answer.status_code, answer.json.get("code")


def test_the_first_pin_is_set_with_the_card_alone(till: Till, redeemer: Redeemer) -> None:
    assert choose(till, redeemer, pin=RIGHT) == (200, None)
    assert try_pin(redeemer, RIGHT).refusal is None


def test_another_pin_needs_the_current_one(till: Till, member: Redeemer) -> None:
    assert choose(till, member, pin="90210") == (403, "current_pin_required")
    assert choose(till, member, pin="90210", current_pin=WRONG) == (403, "pin_wrong")
    assert try_pin(member, RIGHT).refusal is None
    assert choose(till, member, pin="90210", current_pin=RIGHT) == (200, None)
    assert [try_pin(member, pin).refusal for pin in (RIGHT, "90210")] == ["pin_wrong", None]


def test_a_wrong_current_pin_counts_as_a_try(till: Till, member: Redeemer) -> None:
    answers = [choose(till, member, pin="90210", current_pin=pin)[1] for pin in (WRONG, WRONG, WRONG, RIGHT)]

    assert answers == ["pin_wrong", "pin_wrong", "pin_locked", "pin_locked"]


def test_the_current_pin_of_a_member_without_one_is_refused(till: Till, redeemer: Redeemer) -> None:
    assert choose(till, redeemer, pin=RIGHT, current_pin=WRONG) == (403, "pin_not_set")


def test_a_change_sent_again_is_answered_as_before(till: Till, redeemer: Redeemer) -> None:
    for _ in range(4):
        assert choose(till, redeemer, "k1", pin=RIGHT) == (200, None)
    for _ in range(4):
        assert choose(till, redeemer, "k2", pin="90210", current_pin=RIGHT) == (200, None)

    assert redeemer.pin_state() == ("set", 3)
    assert try_pin(redeemer, "90210").refusal is None


def test_a_key_opens_nothing_with_another_pin(till: Till, member: Redeemer) -> None:
    choose(till, member, "k1", pin="90210", current_pin=RIGHT)

    assert choose(till, member, "k1", pin="80085", current_pin=RIGHT) == (403, "pin_wrong")
    assert choose(till, member, "k1", pin="80085") == (403, "current_pin_required")


def test_of_two_first_pins_at_once_one_is_set(app: APIFlask, redeemer: Redeemer) -> None:
    tenant_id, member_id = redeemer.network.tenant_id, redeemer.member_id
    pins = [f"{n}" for n in range(5005, 5013)]

    answers = at_once(app, [partial(change_pin, tenant_id, member_id, pin, None, pin) for pin in pins])

    made = [pin for pin, answer in zip(pins, answers, strict=True) if isinstance(answer, service.Pin)]
    assert len(made) == 1
    assert {getattr(answer, "code", None) for answer in answers} <= {None, "pin_changed", "current_pin_required"}
    assert try_pin(redeemer, made[0]).refusal is None


@pytest.mark.parametrize(("action", "code"), [("block", "card_blocked"), ("replace", "card_replaced")])
def test_a_card_that_does_not_work_sets_no_pin(till: Till, redeemer: Redeemer, action: str, code: str) -> None:
    redeemer.network.hq("POST", f"/v1/cards/{redeemer.card}/{action}")

    assert choose(till, redeemer, pin=RIGHT) == (403, code)
    assert redeemer.pin_state() == ("not_set", 0)


@pytest.fixture
def kept(settings: Settings) -> Callable[[Redeemer], str]:
    """All that the database has in the tables of this noun and in the members', as text."""

    def read(member: Redeemer) -> str:
        engine = create_engine(normal_url(settings.database_url))
        with engine.connect() as connection:
            rows = [
                row
                for table in ("pins", "mobile_wallets", "members", "cards")
                for row in connection.scalars(
                    text(f"SELECT t::text FROM tenants.{table} t WHERE tenant_id = :tenant"),
                    {"tenant": member.network.tenant_id},
                )
            ]
        engine.dispose()
        assert len(rows) == 4
        return "\n".join(rows)

    return read


def test_no_secret_is_in_the_database(member: Redeemer, till: Till, kept: Callable[[Redeemer], str]) -> None:
    pin = "83650274"
    choose(till, member, pin=pin, current_pin=RIGHT)
    shown = member.network.hq("GET", f"{member.path}/wallet").json["secret"]
    wrong_code = member.wrong_code()
    member.redeem(CODE_FROM, code=wrong_code)
    try_pin(member, "83650275")

    found = kept(member).lower()

    assert "$argon2id$v=19$m=7168,t=5,p=1$" in found
    for secret in (pin, pin[:-1], wrong_code, member.code(), shown, member.secret().hex()):
        assert secret.lower() not in found


def test_a_hash_is_of_no_use_for_another_member(member: Redeemer) -> None:
    row = service.find_pin(member.network.tenant_id, member.member_id)

    assert row.pin_hash is not None
    assert service.is_right(row.pin_hash, row.tenant_id, row.member_id, RIGHT)
    assert not service.is_right(row.pin_hash, row.tenant_id, uuid4(), RIGHT)
    with pytest.raises(service.VerifyMismatchError):
        service.hasher.verify(row.pin_hash, RIGHT)


def test_no_answer_and_no_log_tells_a_pin(member: Redeemer, till: Till, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    hq, path = member.network.hq, f"{member.path}/pin"
    pin, bad = "83650274", "8365027x"
    answers = [
        hq("PUT", path, {"pin": pin}),
        hq("PUT", path, {"pin": bad}),
        hq("PUT", path, {"pin": int(pin)}),
        hq("GET", path),
        hq("GET", member.path),
        till.post(f"/v1/cards/{member.card}/pin", {"pin": "90210553", "current_pin": pin}),
        till.post(f"/v1/cards/{member.card}/pin", {"pin": pin, "current_pin": "12399407"}),
        till.post(f"/v1/cards/{member.card}/pin", {"pin": bad}),
        hq("POST", f"{path}/unlock"),
        hq("DELETE", path),
    ]

    told = "\n".join([answer.text for answer in answers] + [caplog.text])
    for secret in (pin, bad, "90210553", "12399407", "argon2"):
        assert secret not in told
