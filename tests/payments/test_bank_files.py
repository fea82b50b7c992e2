"""What banks tell confirms and fails legs; what is wrong, foreign or read twice is refused and changes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import func, select

from settlement.bank_files.tables import BankEntry, BankFileRow
from settlement.legs.rules import end_to_end_id
from settlement.legs.service import carry_leg, confirm_leg, fail_leg, list_receivables, retry_leg
from settlement.proposals.service import get_settlement
from settlement.states.service import history
from tenants.bank_accounts.rules import BankDetails
from tenants.bank_accounts.service import set_bank_account
from tenants.foundation import ids
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import ClearinghouseError
from tests.conftest import NetworkForTests
from tests.payments.conftest import HQ_IBAN, MONTH, Paying, make_paying, trade

INSTRUCTED = {"A": "instructed", "B": "instructed", "C": "instructed"}
FEBRUARY = date(2026, 2, 1)


@pytest.fixture
def instructed(paying: Paying) -> tuple[Paying, list[bytes]]:
    """With what the bank tells of the collection and of the payouts."""
    return paying, paying.answers(paying.instruct())


def refused(call: Callable[[], object]) -> ClearinghouseError:
    with pytest.raises(ClearinghouseError) as refusal:
        call()
    return refusal.value


def kept(network: NetworkForTests) -> tuple[int, int]:
    with unit_of_work(network.tenant_id) as session:
        counts = [session.scalar(select(func.count()).select_from(table)) for table in (BankFileRow, BankEntry)]
    return counts[0] or 0, counts[1] or 0


def test_booked_payments_confirm_their_legs_and_the_last_settles_the_month(
    instructed: tuple[Paying, list[bytes]],
) -> None:
    paying, (collection, payout) = instructed

    first = paying.read(collection)
    before = get_settlement(paying.network.tenant_id, MONTH).state
    second = paying.read(payout)

    assert [judged.outcome for judged in (*first.judged, *second.judged)] == ["confirmed"] * 3
    assert paying.states() == {"A": "confirmed", "B": "confirmed", "C": "confirmed"}
    assert (before, get_settlement(paying.network.tenant_id, MONTH).state) == ("settling", "settled")
    assert paying.state_of_month() == "settled"


def test_a_return_fails_its_leg_with_the_banks_reason_and_leaves_the_others_untouched(paying: Paying) -> None:
    collection, payout = paying.answers(paying.instruct(), {"A": "AM04"})
    paying.read(payout)

    paying.read(collection)

    assert paying.states() == {"A": "failed", "B": "confirmed", "C": "confirmed"}
    [owed] = list_receivables(paying.network.tenant_id)
    assert (owed.store_code, owed.leg.amount) == ("A", 1000)
    assert owed.change.reason == f"camt.054 {paying.network.code}-1: AM04"
    assert get_settlement(paying.network.tenant_id, MONTH).state == "settled"


def test_a_return_after_the_confirmation_fails_the_leg(paying: Paying) -> None:
    made = paying.instruct()
    [collection, payout] = paying.contents(made)
    paying.read(paying.answer(collection, booked_on=date(2026, 2, 16)))
    paying.read(paying.answer(payout))
    returned = only(paying.answer(collection, {"A": "MD06"}, date(2026, 2, 20)), "RtrInf")

    reading = paying.read(returned)

    assert [judged.outcome for judged in reading.judged] == ["failed"]
    assert paying.states()["A"] == "failed"
    leg_id = paying.leg("A").leg_id
    with unit_of_work(paying.network.tenant_id) as session:
        states = [change.to_state for change in history(session, leg_id)]
    assert states == ["pending", "instructed", "confirmed", "failed"]


def only(content: bytes, holding: str) -> bytes:
    """Of the file's entries, those that hold this."""
    text = content.decode()
    for entry in re.findall(r"<Ntry>.*?</Ntry>", text):
        if holding not in entry:
            text = text.replace(entry, "")
    return text.encode()


WRONG: list[tuple[str, str, str]] = [
    (">10.00<", ">10.01<", "is of 1001 EUR, not of 1000 EUR"),
    ('Ccy="EUR"', 'Ccy="USD"', "is of 1000 USD, not of 1000 EUR"),
    ("CRDT", "DBIT", "goes the wrong way: DBIT"),
]


@pytest.mark.parametrize(("old", "new", "said"), WRONG, ids=[row[2] for row in WRONG])
def test_an_entry_that_disagrees_refuses_the_whole_file(
    instructed: tuple[Paying, list[bytes]], old: str, new: str, said: str
) -> None:
    paying, (collection, _) = instructed

    error = refused(lambda: paying.read(collection.replace(old.encode(), new.encode())))

    assert (error.code, error.http_status) == ("bank_file_disagrees", 409)
    assert said in error.message and end_to_end_id(paying.leg("A").leg_id) in error.message
    assert (paying.states(), kept(paying.network)) == (INSTRUCTED, (0, 0))


def test_one_wrong_entry_among_right_ones_changes_nothing(instructed: tuple[Paying, list[bytes]]) -> None:
    paying, (_, payout) = instructed

    error = refused(lambda: paying.read(payout.replace(b">4.00<", b">4.50<")))

    assert len(error.details["problems"]) == 1
    assert (paying.states(), kept(paying.network)) == (INSTRUCTED, (0, 0))


def test_an_unknown_leg_among_known_ones_refuses_the_file(instructed: tuple[Paying, list[bytes]]) -> None:
    paying, (_, payout) = instructed
    known, unknown = end_to_end_id(paying.leg("B").leg_id), end_to_end_id(ids.new_id())

    error = refused(lambda: paying.read(payout.replace(known.encode(), unknown.encode())))

    assert error.code == "bank_file_disagrees"
    assert f"{unknown} is no leg of this network" in error.message
    assert paying.states() == INSTRUCTED


def test_a_file_read_again_is_refused(instructed: tuple[Paying, list[bytes]]) -> None:
    paying, (collection, _) = instructed
    paying.read(collection)
    before = kept(paying.network)

    error = refused(lambda: paying.read(collection))

    assert error.code == "bank_file_repeated"
    assert paying.treasurer.code in error.message
    assert kept(paying.network) == before


AGAIN: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("bank_file_repeated", lambda content: content + b"\n"),
    ("bank_file_repeated", lambda content: re.sub(rb"<MsgId>[^<]*", b"<MsgId>another", content)),
    (
        "bank_file_disagrees",
        lambda content: re.sub(rb"<AcctSvcrRef>[^<]*", b"<AcctSvcrRef>x", re.sub(rb"<MsgId>", b"<MsgId>x", content)),
    ),
    (
        "bank_file_disagrees",
        lambda content: re.sub(rb"<AcctSvcrRef>.*?</AcctSvcrRef>", b"", re.sub(rb"<MsgId>", b"<MsgId>x", content)),
    ),
]


@pytest.mark.parametrize(("code", "change"), AGAIN, ids=["spaces", "message id", "reference", "no reference"])
def test_the_same_booking_never_counts_twice_however_it_comes(
    instructed: tuple[Paying, list[bytes]], code: str, change: Callable[[bytes], bytes]
) -> None:
    paying, (collection, _) = instructed
    paying.read(collection)
    before = kept(paying.network)

    assert refused(lambda: paying.read(change(collection))).code == code
    assert kept(paying.network) == before


def test_a_statement_that_repeats_notices_is_read_for_what_is_new_in_it(paying: Paying) -> None:
    [_, payout] = paying.contents(paying.instruct())
    told = paying.answer(payout)
    first = only(told, end_to_end_id(paying.leg("B").leg_id))
    paying.read(first.replace(b"<MsgId>", b"<MsgId>notice-"))

    reading = paying.read(told)

    assert [judged.outcome for judged in reading.judged] == ["repeated", "confirmed"]
    assert paying.states() == {"A": "instructed", "B": "confirmed", "C": "confirmed"}


def test_two_readings_at_once_count_once(app: APIFlask, instructed: tuple[Paying, list[bytes]]) -> None:
    paying, (collection, _) = instructed

    def read(_: int) -> str:
        with app.app_context():
            try:
                paying.read(collection)
            except ClearinghouseError as error:
                return error.code
            return "read"

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(read, range(4)))

    assert sorted(outcomes) == ["bank_file_repeated"] * 3 + ["read"]
    assert kept(paying.network) == (1, 1)


def test_a_file_of_another_network_is_refused(
    instructed: tuple[Paying, list[bytes]], make_network: Callable[..., NetworkForTests]
) -> None:
    paying, (collection, _) = instructed
    other = make_paying(make_network(currency="EUR"))

    error = refused(lambda: other.read(collection))

    assert (error.code, error.http_status) == ("bank_file_foreign", 409)
    assert other.states() == {"A": "pending", "B": "pending", "C": "pending"}
    assert paying.states() == INSTRUCTED


def test_a_file_of_another_account_is_refused(instructed: tuple[Paying, list[bytes]]) -> None:
    paying, (collection, _) = instructed
    other = collection.replace(HQ_IBAN.encode(), b"NL91ABNA0417164300")

    assert refused(lambda: paying.read(other)).code == "bank_file_foreign"
    assert paying.states() == INSTRUCTED


def test_a_leg_on_another_account_in_the_same_file_refuses_it(instructed: tuple[Paying, list[bytes]]) -> None:
    paying, (collection, payout) = instructed
    [notice] = re.findall(rb"<Ntfctn>.*</Ntfctn>", payout)
    foreign = notice.replace(HQ_IBAN.encode(), b"NL91ABNA0417164300")

    error = refused(lambda: paying.read(collection.replace(b"</Ntfctn>", b"</Ntfctn>" + foreign)))

    assert error.code == "bank_file_disagrees"
    assert "is on an account that is not head office's" in error.message
    assert paying.states() == INSTRUCTED


def test_the_account_that_head_office_had_before_still_counts(instructed: tuple[Paying, list[bytes]]) -> None:
    paying, (collection, _) = instructed
    set_bank_account(paying.network.tenant_id, None, BankDetails("Corner", iban="DE02120300000000202051"), "test")

    paying.read(collection)

    assert paying.states()["A"] == "confirmed"


def test_other_business_of_the_account_is_counted_and_left_alone(instructed: tuple[Paying, list[bytes]]) -> None:
    paying, (_, payout) = instructed
    known = end_to_end_id(paying.leg("B").leg_id).encode()
    odd = payout.replace(known, b"SALARY-11").replace(b">6.00<", b">6.005<")

    reading = paying.read(odd)

    assert (len(reading.judged), reading.file.others) == (1, 1)
    assert paying.states() == {"A": "instructed", "B": "instructed", "C": "confirmed"}


def test_what_the_bank_only_announces_changes_nothing(instructed: tuple[Paying, list[bytes]]) -> None:
    paying, (collection, _) = instructed

    reading = paying.read(collection.replace(b"BOOK", b"PDNG"))

    assert (reading.judged, reading.file.not_booked) == ([], 1)
    assert paying.states() == INSTRUCTED


@pytest.fixture
def two_months(make_network: Callable[..., NetworkForTests]) -> tuple[Paying, Paying]:
    """January and February, both instructed."""
    january = make_paying(make_network(currency="EUR"))
    trade(january.network, FEBRUARY)
    january.network.settle(FEBRUARY)
    return january, Paying(january.network, january.treasurer, FEBRUARY, messages=100)


def test_a_return_file_for_another_window_is_refused(two_months: tuple[Paying, Paying]) -> None:
    january, february = two_months
    january.instruct()
    [collection, _] = february.answers(february.instruct(), {"A": "AM04"})

    error = refused(lambda: january.read(collection, MONTH))

    assert (error.code, error.details["months"]) == ("bank_file_of_another_month", ["2026-02"])
    assert (january.states(), february.states()) == (INSTRUCTED, INSTRUCTED)
    assert kept(january.network) == (0, 0)


def test_a_file_may_tell_of_several_months(two_months: tuple[Paying, Paying]) -> None:
    january, february = two_months
    [_, first], [_, second] = january.answers(january.instruct()), february.answers(february.instruct())
    [notice] = re.findall(rb"<Ntfctn>.*</Ntfctn>", second)
    both = first.replace(b"</Ntfctn>", b"</Ntfctn>" + notice)

    assert refused(lambda: january.read(both, MONTH)).code == "bank_file_of_another_month"
    january.read(both)

    assert january.states() == february.states() == {"A": "instructed", "B": "confirmed", "C": "confirmed"}


def test_files_may_be_read_out_of_turn(paying: Paying) -> None:
    [collection, _] = paying.contents(paying.instruct())
    booking = paying.answer(collection, booked_on=date(2026, 2, 16))
    returned = only(paying.answer(collection, {"A": "AM04"}, date(2026, 2, 18)), "RtrInf")

    paying.read(returned)
    late = paying.read(booking)

    assert [judged.outcome for judged in late.judged] == ["agrees"]
    assert paying.states()["A"] == "failed"


def test_a_leg_that_is_retried_is_booked_again(paying: Paying) -> None:
    made = paying.instruct()
    paying.read(paying.answers(made, {"A": "AM04"})[0])
    retry_leg(paying.network.tenant_id, paying.leg("A").leg_id, paying.treasurer)

    [again] = paying.contents(paying.instruct())
    paying.read(paying.answer(again, booked_on=date(2026, 3, 1)))

    assert paying.states()["A"] == "confirmed"


def test_what_was_confirmed_by_hand_is_confirmed_by_the_bank_once(paying: Paying) -> None:
    [_, payout] = paying.contents(paying.instruct())
    for store in "BC":
        confirm_leg(paying.network.tenant_id, paying.leg(store).leg_id, paying.treasurer, "seen online")
    told = paying.answer(payout)

    reading = paying.read(told)

    assert [judged.outcome for judged in reading.judged] == ["agrees", "agrees"]
    assert refused(lambda: paying.read(told)).code == "bank_file_repeated"


def test_money_for_a_leg_that_was_carried_is_reported(paying: Paying) -> None:
    [collection, _] = paying.contents(paying.instruct())
    leg_id = paying.leg("A").leg_id
    fail_leg(paying.network.tenant_id, leg_id, paying.treasurer, "no answer")
    carry_leg(paying.network.tenant_id, leg_id, paying.treasurer)

    reading = paying.read(paying.answer(collection))

    assert [judged.outcome for judged in reading.judged] == ["surplus"]
    assert paying.states()["A"] == "carried"


def test_a_pain_file_is_no_answer_of_a_bank(paying: Paying) -> None:
    [collection, _] = paying.contents(paying.instruct())

    error: Any = refused(lambda: paying.read(collection))

    assert (error.code, error.http_status) == ("bank_file_invalid", 422)


def test_no_file_can_be_read_before_head_office_has_an_account(
    make_network: Callable[..., NetworkForTests], instructed: tuple[Paying, list[bytes]]
) -> None:
    paying, (collection, _) = instructed
    other = Paying(make_network(), paying.treasurer)

    assert refused(lambda: other.read(collection)).code == "no_bank_account"
