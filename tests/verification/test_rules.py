from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tenants.foundation.errors import InvalidInput
from tenants.verification import rules

# RFC 6238, appendix B, the rows for SHA1: seconds since 1970, TOTP. The secret is that of RFC 4226, appendix D.
RFC_SECRET = b"12345678901234567890"
RFC_VECTORS = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]


def at(seconds: int) -> datetime:
    return rules.EPOCH + timedelta(seconds=seconds)


@pytest.mark.parametrize(("seconds", "code"), RFC_VECTORS)
def test_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    assert rules.code_at(RFC_SECRET, rules.step_at(at(seconds))) == code


@pytest.mark.parametrize(("seconds", "step"), [(0, 0), (29, 0), (30, 1), (59, 1), (60, 2), (-1, -1)])
def test_a_step_lasts_thirty_seconds(seconds: int, step: int) -> None:
    assert rules.step_at(at(seconds)) == step


def test_a_step_is_the_same_in_every_time_zone() -> None:
    assert rules.step_at(datetime.fromisoformat("2026-11-21T23:00:29+01:00")) == rules.step_at(
        datetime(2026, 11, 21, 22, 0, 0, tzinfo=UTC)
    )


DRIFTS = [
    # steps from that of the moment, whether the code is right
    (-2, False),
    (-1, True),
    (0, True),
    (1, True),
    (2, False),
]


@pytest.mark.parametrize(("drift", "is_right"), DRIFTS)
@pytest.mark.parametrize("seconds", [1234567890, 1234567919])
def test_a_code_may_be_one_step_early_or_late(seconds: int, drift: int, is_right: bool) -> None:
    step = rules.step_at(at(seconds)) + drift

    found = rules.matching_step(RFC_SECRET, rules.code_at(RFC_SECRET, step), at(seconds))

    assert found == (step if is_right else None)


@pytest.mark.parametrize("code", ["", "9428708", "942870822", "94287083", "٩٤٢٨٧٠٨٢", "9428708\n"])
def test_what_is_no_code_matches_nothing(code: str) -> None:
    assert rules.matching_step(RFC_SECRET, code, at(59)) is None


@pytest.mark.parametrize("moment", [rules.EPOCH, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_a_code_can_be_looked_for_at_any_moment(moment: datetime) -> None:
    assert rules.matching_step(RFC_SECRET, "00000000", moment) is None


NEEDED = [
    # amount, pin_from, code_from, what is asked
    (5000, None, None, "nothing"),
    (0, None, None, "nothing"),
    (999, 1000, None, "nothing"),
    (1000, 1000, None, "pin"),
    (9999999, 1000, None, "pin"),
    (999, None, 1000, "nothing"),
    (1000, None, 1000, "code"),
    (999, 1000, 5000, "nothing"),
    (4999, 1000, 5000, "pin"),
    (5000, 1000, 5000, "code"),
    (1000, 1000, 1000, "code"),
    (1000, 5000, 1000, "code"),
    (6000, 5000, 1000, "code"),
    (0, 0, None, "pin"),
    (0, None, 0, "code"),
    (0, 0, 1, "pin"),
]


@pytest.mark.parametrize(("amount", "pin_from", "code_from", "asked"), NEEDED)
def test_the_amount_decides_what_is_asked(
    amount: int, pin_from: int | None, code_from: int | None, asked: str
) -> None:
    assert rules.needed(amount, pin_from, code_from) == asked


PINS = [
    # PIN, code of the refusal
    ("4711", None),
    ("90210", None),
    ("13572468", None),
    ("1212", None),
    ("471", "pin_invalid"),
    ("471147114", "pin_invalid"),
    ("", "pin_invalid"),
    ("47a1", "pin_invalid"),
    ("4711\n", "pin_invalid"),
    ("٤٧١١", "pin_invalid"),
    ("0000", "pin_too_simple"),
    ("99999999", "pin_too_simple"),
    ("1234", "pin_too_simple"),
    ("0123", "pin_too_simple"),
    ("7890", "pin_too_simple"),
    ("4321", "pin_too_simple"),
    ("3210", "pin_too_simple"),
    ("23456789", "pin_too_simple"),
]


@pytest.mark.parametrize(("pin", "refusal"), PINS)
def test_which_pins_may_be_chosen(pin: str, refusal: str | None) -> None:
    if refusal is None:
        rules.check_pin_choice(pin)
        return
    with pytest.raises(InvalidInput) as refused:
        rules.check_pin_choice(pin)
    assert refused.value.code == refusal
    assert not pin or pin not in refused.value.message.replace("1234", "")


SCANNED = [
    ("6290000000000014", ("6290000000000014", None)),
    ("6290000000000014-94287082", ("6290000000000014", "94287082")),
    # Whether it is a card's number, the card's own check tells.
    ("x-00000000", ("x", "00000000")),
    ("", ("", None)),
]


@pytest.mark.parametrize(("text", "parts"), SCANNED)
def test_a_scanned_wallet_is_a_card_and_a_code(text: str, parts: tuple[str, str | None]) -> None:
    assert rules.split_scanned(text) == parts


@pytest.mark.parametrize(
    "code", ["", "1234567", "123456789", "1234567a", "1234-5678", " 12345678", "12345678\n", "٩٤٢٨٧٠٨٢"]
)
def test_a_scanned_wallet_with_half_a_code_is_refused(code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        rules.split_scanned(f"6290000000000014-{code}")
    assert refused.value.code == "scanned_text_invalid"


NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LOCKS = [
    # wrong codes in a row, minutes since the last, whether codes are locked
    (0, None, False),
    (9, 0, False),
    (10, 0, True),
    (10, 14, True),
    (10, 15, False),
]


@pytest.mark.parametrize(("failures", "minutes", "is_locked"), LOCKS)
def test_ten_wrong_codes_lock_codes_for_a_quarter_of_an_hour(
    failures: int, minutes: int | None, is_locked: bool
) -> None:
    failed_at = None if minutes is None else NOON - timedelta(minutes=minutes)

    assert (rules.locked_until(failures, failed_at, NOON) is not None) == is_locked


@pytest.mark.parametrize(("before", "after"), [(0, 1), (9, 10), (10, 1)])
def test_wrong_codes_are_counted_anew_after_a_lock(before: int, after: int) -> None:
    assert rules.next_failures(before) == after


def test_authenticator_apps_are_told_all_they_need() -> None:
    uri = urlsplit(rules.provisioning_uri(RFC_SECRET, "Käse & Brot: Berlin/Mitte", "mem_1"))

    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert unquote(uri.path) == "/Käse & Brot: Berlin/Mitte:mem_1"
    # A colon or slash of the name would be read as the end of the issuer or of the label.
    assert (uri.path.count(":"), uri.path.count("/")) == (1, 1)
    assert parse_qs(uri.query, strict_parsing=True) == {
        "secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"],
        "issuer": ["Käse & Brot: Berlin/Mitte"],
        "algorithm": ["SHA1"],
        "digits": ["8"],
        "period": ["30"],
    }
