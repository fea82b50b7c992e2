"""Who is redeeming: what is asked, the codes of wallets (RFC 6238) and which PINs may be chosen."""

from __future__ import annotations

import base64
import hmac
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import quote, urlencode

from tenants.foundation.errors import InvalidInput

NOTHING, PIN, CODE = "nothing", "pin", "code"

# What every authenticator app computes: the default algorithm of RFC 6238. Some ignore any other that is asked for.
ALGORITHM = "SHA1"
SECRET_BYTES = 20
CODE_DIGITS = 8
STEP = timedelta(seconds=30)
DRIFT_STEPS = 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CODE_PATTERN = r"[0-9]{8}"
PIN_PATTERN = r"[0-9]{4,8}"

PIN_TRIES = 3
WRONG_CODES_MAX = 10
CODES_LOCKED_FOR = timedelta(minutes=15)


def needed(amount: int, pin_from: int | None, code_from: int | None) -> str:
    """What a redemption worth `amount` asks for; all in minor units, `None`: never asked."""
    if code_from is not None and amount >= code_from:
        return CODE
    if pin_from is not None and amount >= pin_from:
        return PIN
    return NOTHING


def step_at(moment: datetime) -> int:
    """Steps of 30 seconds since 1970 (RFC 6238, 4.2)."""
    return (moment - EPOCH) // STEP


def ends_at(step: int) -> datetime:
    return EPOCH + (step + 1) * STEP


def code_at(secret: bytes, step: int) -> str:
    """RFC 4226, 5.3, with the step as its counter."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), ALGORITHM)
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**CODE_DIGITS:0{CODE_DIGITS}d}"


def matching_step(secret: bytes, code: str, moment: datetime) -> int | None:
    """The step whose code this is, at most one step from that of `moment`; the later one of two.

    Takes as long for a wrong code as for a right one.
    """
    now, found = step_at(moment), None
    for step in range(max(0, now - DRIFT_STEPS), now + DRIFT_STEPS + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            found = step
    return found


def split_scanned(text: str) -> tuple[str, str | None]:
    """What a till has scanned: `6290000000000014-12345678` is a card number and a code; a card alone has no code."""
    card, dash, code = text.partition("-")
    if dash and not re.fullmatch(CODE_PATTERN, code):
        raise InvalidInput(
            "After the dash of a scanned wallet come the 8 digits of its code: scan it again.",
            code="scanned_text_invalid",
        )
    return card, code or None


def join_scanned(card_number: str, code: str) -> str:
    return f"{card_number}-{code}"


def locked_until(failures: int, failed_at: datetime | None, now: datetime) -> datetime | None:
    """Until when no code of a wallet is accepted after `failures` wrong ones in a row; None: one is."""
    if failed_at is None or failures < WRONG_CODES_MAX:
        return None
    until = failed_at + CODES_LOCKED_FOR
    return until if now < until else None


def next_failures(failures: int) -> int:
    """One more wrong code; those before a lock that has passed count no more."""
    return 1 if failures >= WRONG_CODES_MAX else failures + 1


def check_pin_choice(pin: str) -> None:
    """The messages don't repeat the PIN: they may be logged."""
    if not re.fullmatch(PIN_PATTERN, pin):
        raise InvalidInput("A PIN has 4 to 8 digits.", code="pin_invalid")
    if is_simple(pin):
        raise InvalidInput(
            "This PIN is guessed first: not all digits the same, nor in order like 1234 or 9876.",
            code="pin_too_simple",
        )


def is_simple(pin: str) -> bool:
    """All digits the same, or each one more or one less than that before it; 0 follows 9."""
    differences = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    return len(differences) == 1 and differences <= {0, 1, 9}


def show_secret(secret: bytes) -> str:
    return base64.b32encode(secret).decode()


def provisioning_uri(secret: bytes, issuer: str, account: str) -> str:
    """What authenticator apps read (github.com/google/google-authenticator/wiki/Key-Uri-Format)."""
    parameters = {
        "secret": show_secret(secret),
        "issuer": issuer,
        "algorithm": ALGORITHM,
        "digits": CODE_DIGITS,
        "period": STEP.seconds,
    }
    label = f"{quote(issuer, safe='')}:{quote(account, safe='')}"
    return f"otpauth://totp/{label}?{urlencode(parameters, quote_via=quote)}"
