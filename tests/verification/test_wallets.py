from __future__ import annotations

import re
from datetime import datetime
from functools import partial
from uuid import uuid4

import numpy
import pytest
import zxingcpp
from apiflask import APIFlask
from sqlalchemy import event

from clearinghouse.verification.service import qr_code
from tenants.foundation import clock
from tenants.foundation.database import db
from tenants.verification.rules import CODES_LOCKED_FOR, WRONG_CODES_MAX, split_scanned, step_at
from tenants.verification.service import Refusal, check_code
from tests.conftest import NetworkForTests
from tests.ledger.test_concurrency import at_once
from tests.verification.conftest import CODE_FROM, PIN_FROM, Redeemer


def test_a_code_of_now_is_right_and_names_its_step(redeemer: Redeemer) -> None:
    before = step_at(clock.now())

    found = redeemer.redeem(CODE_FROM, code=redeemer.code())

    assert found.refusal is None
    assert found.code_step in (before, before + 1)


@pytest.mark.parametrize(("steps", "refusal"), [(-3, "code_wrong"), (-1, None), (1, None), (3, "code_wrong")])
def test_a_photographed_code_is_soon_worthless(
    redeemer: Redeemer, steps: int, refusal: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment)

    found = redeemer.redeem(CODE_FROM, code=redeemer.code(steps, moment))

    assert found.refusal == refusal


def test_a_code_is_of_no_use_in_another_network(redeemer: Redeemer, stranger: Redeemer) -> None:
    stranger.secret()

    assert stranger.redeem(CODE_FROM, code=redeemer.code()).refusal == "code_wrong"


def test_a_code_of_the_same_card_number_in_another_network_is_wrong(
    redeemer: Redeemer, stranger: Redeemer, card: str
) -> None:
    member = stranger.network.hq("POST", "/v1/members").json["member_id"]
    stranger.network.hq("POST", f"/v1/members/{member}/cards", {"number": card})
    namesake = Redeemer(stranger.network, card)
    namesake.secret()

    assert namesake.redeem(CODE_FROM, code=redeemer.code()).refusal == "code_wrong"
    assert namesake.redeem(CODE_FROM, code=namesake.code()).refusal is None


def test_a_code_of_another_member_is_wrong(network: NetworkForTests, redeemer: Redeemer) -> None:
    other = Redeemer(network, network.add_card())
    other.secret()

    assert other.redeem(CODE_FROM, code=redeemer.code()).refusal == "code_wrong"


def test_a_member_without_a_wallet_has_no_right_code(redeemer: Redeemer) -> None:
    assert redeemer.redeem(CODE_FROM, code="00000000").refusal == "code_wrong"


def test_rotating_a_wallet_ends_the_old_phone(redeemer: Redeemer) -> None:
    old_code, old_secret = redeemer.code(), redeemer.secret()

    rotated = redeemer.network.hq("POST", f"{redeemer.path}/wallet/rotate").json

    assert rotated["generation"] == 2
    assert redeemer.secret() != old_secret
    assert redeemer.redeem(CODE_FROM, code=old_code).refusal == "code_wrong"
    assert redeemer.redeem(CODE_FROM, code=redeemer.code()).refusal is None


def test_a_wallet_stays_the_same_until_it_is_rotated(redeemer: Redeemer) -> None:
    first, second = (redeemer.network.hq("GET", f"{redeemer.path}/wallet").json for _ in range(2))

    assert first == second
    assert (first["generation"], first["algorithm"], first["digits"], first["period"]) == (1, "SHA1", 8, 30)
    assert f"secret={first['secret']}&" in first["uri"]


def test_a_code_is_checked_though_none_was_needed(redeemer: Redeemer) -> None:
    assert redeemer.redeem(PIN_FROM - 1, code=redeemer.wrong_code()).refusal == "code_wrong"
    assert redeemer.redeem(PIN_FROM - 1, code=redeemer.code()).code_step is not None


WHAT_IS_ASKED = [
    # amount, what is given, refusal
    (PIN_FROM - 1, (), None),
    (PIN_FROM - 1, ("wrong pin",), None),
    (PIN_FROM, (), "pin_required"),
    (PIN_FROM, ("pin",), None),
    (PIN_FROM, ("wrong pin",), "pin_wrong"),
    (PIN_FROM, ("code",), None),
    (PIN_FROM, ("code", "wrong pin"), None),
    (PIN_FROM, ("wrong code", "pin"), "code_wrong"),
    (CODE_FROM, (), "code_required"),
    (CODE_FROM, ("pin",), "code_required"),
    (CODE_FROM, ("code",), None),
    (CODE_FROM, ("code", "wrong pin"), None),
    (CODE_FROM, ("wrong code", "pin"), "code_wrong"),
]


@pytest.mark.parametrize(("amount", "given", "refusal"), WHAT_IS_ASKED)
def test_what_is_asked_must_be_given_and_what_is_given_must_be_right(
    redeemer: Redeemer, amount: int, given: tuple[str, ...], refusal: str | None
) -> None:
    redeemer.set_pin("4711")
    values = {
        "pin": {"pin": "4711"},
        "wrong pin": {"pin": "4712"},
        "code": {"code": redeemer.code()},
        "wrong code": {"code": redeemer.wrong_code()},
    }

    found = redeemer.redeem(amount, **{name: value for item in given for name, value in values[item].items()})

    assert found.refusal == refusal
    assert (found.code_step is not None) == ("code" in given and refusal is None)


def test_of_a_card_that_there_is_not_the_ledger_tells(redeemer: Redeemer) -> None:
    nobody = Redeemer(redeemer.network, "79927398713")

    assert nobody.redeem(CODE_FROM, code="00000000") == (None, None, None)
    assert nobody.redeem(PIN_FROM, pin="4711") == (None, None, None)


def test_the_database_is_asked_only_when_something_has_to_be_checked(redeemer: Redeemer) -> None:
    statements = []

    def count(*arguments: object) -> None:
        statements.append(arguments)

    event.listen(db.engine, "before_cursor_execute", count)
    try:
        redeemer.redeem(PIN_FROM - 1)
        redeemer.redeem(PIN_FROM - 1, pin="4711")
        redeemer.redeem(PIN_FROM)
        redeemer.redeem(CODE_FROM)
        asked_without_need = len(statements)
        redeemer.redeem(PIN_FROM, pin="4711")
    finally:
        event.remove(db.engine, "before_cursor_execute", count)

    assert asked_without_need == 0
    assert statements, "the question itself must be able to say yes"


def guess(redeemer: Redeemer, code: str, now: datetime, attempt_key: str | None = None) -> int | Refusal:
    return check_code(redeemer.network.tenant_id, redeemer.member_id, code, attempt_key or str(uuid4()), now)


def test_wrong_codes_in_a_row_lock_codes_for_a_while(redeemer: Redeemer) -> None:
    now, wrong = clock.now(), redeemer.wrong_code()
    for _ in range(WRONG_CODES_MAX):
        assert guess(redeemer, wrong, now) == Refusal("code_wrong", {})

    locked = guess(redeemer, redeemer.code(0, now), now)
    later = now + CODES_LOCKED_FOR
    afterwards = guess(redeemer, redeemer.code(0, later), later)

    assert locked == Refusal("code_locked", {"locked_until": later.isoformat(timespec="seconds")})
    assert afterwards == step_at(later)


def test_a_right_code_ends_the_row_of_wrong_ones(redeemer: Redeemer) -> None:
    now, wrong = clock.now(), redeemer.wrong_code()
    for _ in range(2):
        for _ in range(WRONG_CODES_MAX - 1):
            guess(redeemer, wrong, now)
        assert guess(redeemer, redeemer.code(0, now), now) == step_at(now)


def test_after_a_lock_there_are_ten_tries_again(redeemer: Redeemer) -> None:
    now, wrong = clock.now(), redeemer.wrong_code()
    for moment in (now, now + CODES_LOCKED_FOR):
        codes = [guess(redeemer, wrong, moment) for _ in range(WRONG_CODES_MAX + 1)]
        assert [found.code for found in codes if isinstance(found, Refusal)] == [
            *["code_wrong"] * WRONG_CODES_MAX,
            "code_locked",
        ]


def test_a_request_sent_again_is_no_other_guess(redeemer: Redeemer) -> None:
    now, wrong = clock.now(), redeemer.wrong_code()
    for _ in range(WRONG_CODES_MAX + 5):
        guess(redeemer, wrong, now, "till:1")

    assert guess(redeemer, redeemer.code(0, now), now) == step_at(now)


def test_a_new_wallet_lifts_the_lock(redeemer: Redeemer) -> None:
    now, wrong = clock.now(), redeemer.wrong_code()
    for _ in range(WRONG_CODES_MAX):
        guess(redeemer, wrong, now)

    redeemer.network.hq("POST", f"{redeemer.path}/wallet/rotate")

    assert guess(redeemer, redeemer.code(0, now), now) == step_at(now)


def test_codes_guessed_at_once_are_each_counted(app: APIFlask, redeemer: Redeemer) -> None:
    now, wrong = clock.now(), redeemer.wrong_code()

    found = at_once(app, [partial(guess, redeemer, wrong, now) for _ in range(20)])

    codes = sorted(refused.code for refused in found)
    assert codes == ["code_locked"] * (20 - WRONG_CODES_MAX) + ["code_wrong"] * WRONG_CODES_MAX


def test_a_wallet_is_made_once_though_asked_for_at_once(app: APIFlask, redeemer: Redeemer) -> None:
    path = f"{redeemer.path}/wallet"

    answers = at_once(app, [lambda: redeemer.network.hq("GET", path) for _ in range(8)])

    assert {(answer.status_code, answer.json["secret"]) for answer in answers} == {(200, answers[0].json["secret"])}


def test_the_code_of_a_web_wallet_is_what_the_till_checks(redeemer: Redeemer) -> None:
    shown = redeemer.network.hq("GET", f"{redeemer.path}/wallet/code").json

    card, code = split_scanned(shown["text"])

    assert (card, code) == (redeemer.card, shown["code"])
    assert redeemer.redeem(CODE_FROM, code=code).refusal is None
    assert datetime.fromisoformat(shown["valid_until"]).second in (0, 30)


def test_a_web_wallet_shows_the_newest_card_that_works(redeemer: Redeemer) -> None:
    network, path = redeemer.network, f"{redeemer.path}/wallet/code"
    new = network.hq("POST", f"/v1/cards/{redeemer.card}/replace").json["card"]

    assert network.hq("GET", path).json["card"] == new

    network.hq("POST", f"/v1/cards/{new}/block")
    answer = network.hq("GET", path)
    assert (answer.status_code, answer.json["code"]) == (409, "no_active_card")


def pixels(svg: str) -> numpy.ndarray:
    """The picture, four pixels a module: of a path of lines each a module high, as segno writes it."""
    modules = int(re.findall(r'width="(\d+)"', svg)[0]) // int(re.findall(r"scale\((\d+)\)", svg)[0])
    grid = numpy.full((modules, modules), 255, dtype=numpy.uint8)
    x, y = 0.0, 0.0
    for command, values in re.findall(r"([Mmh])([-\d. ]+)", re.findall(r' d="(M[^"]+h[^"]+m[^"]+)"', svg)[-1]):
        if command == "h":
            grid[int(y), int(x) : int(x) + int(values)] = 0
            x += int(values)
        else:
            across, down = (float(value) for value in re.findall(r"-?\d*\.?\d+", values))
            x, y = (across, down) if command == "M" else (x + across, y + down)
    return grid.repeat(4, axis=0).repeat(4, axis=1)


def test_a_scanner_reads_the_picture_of_a_code(redeemer: Redeemer) -> None:
    text = f"{redeemer.card}-94287082"

    [read] = zxingcpp.read_barcodes(pixels(qr_code(text).decode()))

    assert read.text == text
