"""PINs and the codes of wallets: made, checked, locked.

Neither is in the database. A wallet's secret is derived from the installation's key; of a PIN an argon2 hash is
kept, over a value derived from the same key: with the database alone the few PINs that there are can't be tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from tenants.foundation import clock
from tenants.foundation.acts import READ
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict
from tenants.foundation.secret_key import derive
from tenants.members.service import ACTIVE, find_member, list_cards, load_member
from tenants.members.tables import Card
from tenants.verification.rules import (
    PIN_TRIES,
    SECRET_BYTES,
    check_pin_choice,
    code_at,
    ends_at,
    join_scanned,
    locked_until,
    matching_step,
    next_failures,
    step_at,
)
from tenants.verification.tables import MobileWallet, Pin

# One of the settings that OWASP's Password Storage Cheat Sheet calls equally strong, the one with the least memory:
# RFC 9106's second recommended option takes 64 MiB, more than a worker has to spare.
hasher = PasswordHasher(time_cost=5, memory_cost=7 * 1024, parallelism=1)
# One thread of its own: each thread that hashes keeps the memory afterwards, and more at once are not done sooner.
hashing = ThreadPoolExecutor(1, "argon2")


class Refusal(NamedTuple):
    """Why somebody may not redeem: a code and what goes with it."""

    code: str
    detail: dict[str, Any]


class CountedTry(NamedTuple):
    """`failures` includes this one until it turns out right."""

    pin_hash: str
    failures: int


class WalletCode(NamedTuple):
    """`text` is what the phone shows as a QR code; tills accept it for one step of 30 seconds longer."""

    card: str
    code: str
    text: str
    valid_until: datetime


def member_of_card(tenant_id: UUID, card_number: str) -> UUID | None:
    with unit_of_work(tenant_id) as session:
        return session.scalar(select(Card.member_id).where(Card.number == card_number))


def hash_attempt(purpose: str, tenant_id: UUID, member_id: UUID, *parts: str) -> bytes:
    """Tells the same request sent again from any other, also from one with the same key and another PIN or code."""
    return derive(purpose, tenant_id.bytes, member_id.bytes, *(part.encode() for part in parts))


def wallet_secret(wallet: MobileWallet) -> bytes:
    generation = wallet.generation.to_bytes(4, "big")
    return derive("wallet", wallet.tenant_id.bytes, wallet.member_id.bytes, generation)[:SECRET_BYTES]


def find_wallet(tenant_id: UUID, member_id: UUID) -> MobileWallet:
    """Made when it is first asked for: until then no code of the member is right."""
    find_member(tenant_id, member_id)
    with unit_of_work(tenant_id, recorded_as=READ) as session:
        return session.get(MobileWallet, (tenant_id, member_id)) or load_wallet(session, tenant_id, member_id)


def rotate_wallet(tenant_id: UUID, member_id: UUID) -> MobileWallet:
    """A new secret: codes of the old one, on a phone that was lost, are right no more. Lifts a lock of codes."""
    find_member(tenant_id, member_id)
    with unit_of_work(tenant_id) as session:
        wallet = load_wallet(session, tenant_id, member_id)
        wallet.generation, wallet.generated_at = wallet.generation + 1, clock.now()
        forget_wrong_codes(wallet)
    return wallet


def load_wallet(session: Unit, tenant_id: UUID, member_id: UUID) -> MobileWallet:
    """Locked until the unit ends; made where there is none. Raises `Conflict` for a member who was erased."""
    load_member(session, tenant_id, member_id)
    made = {"tenant_id": tenant_id, "member_id": member_id, "generated_at": clock.now()}
    session.execute(insert(MobileWallet).values(generation=1, code_failures=0, **made).on_conflict_do_nothing())
    return session.get_one(MobileWallet, (tenant_id, member_id), with_for_update=True)


def forget_wrong_codes(wallet: MobileWallet) -> None:
    wallet.code_failures, wallet.code_failed_at, wallet.last_attempt = 0, None, None


def wallet_code(tenant_id: UUID, member_id: UUID) -> WalletCode:
    """The code of now, with the member's newest active card."""
    wallet = find_wallet(tenant_id, member_id)
    active = [card.number for card in list_cards(tenant_id, member_id) if card.status == ACTIVE]
    if not active:
        raise Conflict("The member has no active card for the code to go with: issue one.", code="no_active_card")
    step = step_at(clock.now())
    code = code_at(wallet_secret(wallet), step)
    return WalletCode(active[-1], code, join_scanned(active[-1], code), ends_at(step))


def check_code(tenant_id: UUID, member_id: UUID, code: str, attempt_key: str, now: datetime) -> int | Refusal:
    """The step of a code that is right now, by the clock here: a till could name any time of an old photograph.

    The wallet is locked while the code is compared, so that of codes guessed at once each is counted before the next.
    """
    attempt = hash_attempt("code attempt", tenant_id, member_id, attempt_key, code)
    with unit_of_work(tenant_id) as session:
        wallet = session.get(MobileWallet, (tenant_id, member_id), with_for_update=True)
        if wallet is None:
            return Refusal("code_wrong", {})
        until = locked_until(wallet.code_failures, wallet.code_failed_at, now)
        if until is not None:
            return Refusal("code_locked", {"locked_until": until.isoformat(timespec="seconds")})
        step = matching_step(wallet_secret(wallet), code, now)
        if step is not None:
            forget_wrong_codes(wallet)
            return step
        if wallet.last_attempt != attempt:
            failures = next_failures(wallet.code_failures)
            wallet.code_failures, wallet.code_failed_at, wallet.last_attempt = failures, now, attempt
        return Refusal("code_wrong", {})


def find_pin(tenant_id: UUID, member_id: UUID) -> Pin:
    """One without a hash when the member has no PIN."""
    find_member(tenant_id, member_id)
    with unit_of_work(tenant_id) as session:
        return session.get(Pin, (tenant_id, member_id)) or Pin(**no_pin(tenant_id, member_id))


def no_pin(tenant_id: UUID, member_id: UUID) -> dict[str, Any]:
    return {"tenant_id": tenant_id, "member_id": member_id, "failures": 0}


def load_pin(session: Unit, tenant_id: UUID, member_id: UUID) -> Pin:
    """Locked until the unit ends; made without a hash where there is none. Raises as `load_wallet`."""
    load_member(session, tenant_id, member_id)
    session.execute(insert(Pin).values(**no_pin(tenant_id, member_id)).on_conflict_do_nothing())
    return session.get_one(Pin, (tenant_id, member_id), with_for_update=True)


def set_pin(tenant_id: UUID, member_id: UUID, pin: str) -> Pin:
    """By head office, which needs not know the PIN before; unlocks."""
    check_pin_choice(pin)
    find_member(tenant_id, member_id)
    pin_hash = hash_pin(tenant_id, member_id, pin)
    with unit_of_work(tenant_id) as session:
        row = load_pin(session, tenant_id, member_id)
        write_pin(row, pin_hash)
    return row


def remove_pin(tenant_id: UUID, member_id: UUID) -> Pin:
    find_member(tenant_id, member_id)
    with unit_of_work(tenant_id) as session:
        row = load_pin(session, tenant_id, member_id)
        write_pin(row, None)
    return row


def unlock_pin(tenant_id: UUID, member_id: UUID) -> Pin:
    """The same PIN, with all its tries."""
    find_member(tenant_id, member_id)
    with unit_of_work(tenant_id) as session:
        row = load_pin(session, tenant_id, member_id)
        forget_tries(row)
    return row


def write_pin(row: Pin, pin_hash: str | None, change: bytes | None = None) -> None:
    forget_tries(row)
    row.pin_hash, row.last_change = pin_hash, change
    row.set_at = clock.now() if pin_hash else None


def forget_tries(row: Pin) -> None:
    row.failures, row.locked_at, row.last_attempt = 0, None, None


def forget_members(session: Unit, member_ids: Sequence[UUID]) -> list[str]:
    """No PIN any more, and no code of a phone that is right; which of the two there were."""
    pins = session.scalars(select(Pin).where(Pin.member_id.in_(member_ids), Pin.pin_hash.is_not(None))).all()
    wallets = session.scalars(select(MobileWallet).where(MobileWallet.member_id.in_(member_ids))).all()
    for row in pins:
        write_pin(row, None)
    for wallet in wallets:
        wallet.generation += 1
        forget_wrong_codes(wallet)
    return [name for name, found in (("pin", pins), ("wallet", wallets)) if found]


def change_pin(
    tenant_id: UUID, member_id: UUID, pin: str, current_pin: str | None, attempt_key: str
) -> Pin | Refusal:
    """By the member at a till: the first PIN, or another with the current one. A wrong current one is a try.

    The same request again, when no answer came, is answered as before.
    """
    check_pin_choice(pin)
    change = hash_attempt("pin change", tenant_id, member_id, attempt_key, pin, current_pin or "")
    before = find_pin(tenant_id, member_id)
    if before.last_change == change:
        return before
    if current_pin is not None:
        refused = check_pin(tenant_id, member_id, current_pin, attempt_key)
        if refused is not None:
            return refused
    elif before.pin_hash is not None:
        return Refusal("current_pin_required", {})
    pin_hash = hash_pin(tenant_id, member_id, pin)
    with unit_of_work(tenant_id) as session:
        row = load_pin(session, tenant_id, member_id)
        if row.pin_hash != before.pin_hash:
            raise Conflict("The PIN was changed at the same moment by another request.", code="pin_changed")
        write_pin(row, pin_hash, change)
    return row


def check_pin(tenant_id: UUID, member_id: UUID, pin: str, attempt_key: str) -> Refusal | None:
    """None for the right PIN. The try is counted, and that committed, before the hash is compared."""
    counted = count_try(tenant_id, member_id, hash_attempt("pin attempt", tenant_id, member_id, attempt_key, pin))
    if isinstance(counted, Refusal):
        return counted
    if is_right(counted.pin_hash, tenant_id, member_id, pin):
        forgive_tries(tenant_id, member_id, counted.pin_hash)
        return None
    tries_left = PIN_TRIES - counted.failures
    return Refusal("pin_wrong", {"tries_left": tries_left}) if tries_left else Refusal("pin_locked", {})


def count_try(tenant_id: UUID, member_id: UUID, attempt: bytes) -> CountedTry | Refusal:
    """The last try sent again is the same try: it teaches nobody anything, also when it was the third."""
    with unit_of_work(tenant_id) as session:
        row = session.get(Pin, (tenant_id, member_id), with_for_update=True)
        if row is None or row.pin_hash is None:
            return Refusal("pin_not_set", {})
        if row.last_attempt != attempt:
            if row.failures >= PIN_TRIES:
                return Refusal("pin_locked", {})
            row.failures, row.last_attempt = row.failures + 1, attempt
            row.locked_at = clock.now() if row.failures == PIN_TRIES else None
        return CountedTry(row.pin_hash, row.failures)


def forgive_tries(tenant_id: UUID, member_id: UUID, pin_hash: str) -> None:
    """Unless the PIN has been changed since it was compared."""
    with unit_of_work(tenant_id) as session:
        row = session.get_one(Pin, (tenant_id, member_id), with_for_update=True)
        if row.pin_hash == pin_hash:
            forget_tries(row)


def hash_pin(tenant_id: UUID, member_id: UUID, pin: str) -> str:
    return hashing.submit(hasher.hash, derive_pin(tenant_id, member_id, pin)).result()


def is_right(pin_hash: str, tenant_id: UUID, member_id: UUID, pin: str) -> bool:
    try:
        return hashing.submit(hasher.verify, pin_hash, derive_pin(tenant_id, member_id, pin)).result()
    except VerifyMismatchError:
        return False


def derive_pin(tenant_id: UUID, member_id: UUID, pin: str) -> bytes:
    return derive("pin", tenant_id.bytes, member_id.bytes, pin.encode())
