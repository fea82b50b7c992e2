"""From what a till says to an event for the ledger: who, what, when, under which terms, and what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from clearinghouse.ledger import service as posting
from clearinghouse.ledger.service import Event, Grant, PurchaseLine, Refusal
from clearinghouse.pos.refusals import refusal
from clearinghouse.pos.schemas import INTEGER_MAX
from clearinghouse.programme.rules import Programme
from clearinghouse.programme.service import programme_at
from clearinghouse.sequences.rules import CLOCK_SKEW
from clearinghouse.verification.service import verify
from tenants.credentials.service import Principal
from tenants.foundation import clock, ids
from tenants.foundation.database import compact_json, unit_of_work
from tenants.foundation.errors import InvalidInput
from tenants.payment_tokens.service import hash_token
from tenants.stores.rules import BLOCKED, HQ_FUNDED
from tenants.stores.tables import Store

Body = dict[str, Any]

# What proves who is there, or says that nobody could be asked, is no part of what was asked for: neither kept, nor
# compared when a request comes again. So a redemption that got no answer can be queued as offline under its key.
NOT_COMPARED = ("pin", "code", "offline")


def event_of(principal: Principal, kind: str, body: Body, key: str, was_queued: bool = False) -> Event:
    """`body` has passed the schema of its kind. `was_queued`: the till could not ask when it happened."""
    assert principal.store_id is not None and principal.terminal_id is not None
    # Read once: a clock that is set back between two readings would find what happens now to lie in the future.
    now = clock.now()
    occurred_at = body.get("occurred_at") or now
    wrong = what_is_wrong(principal, body, occurred_at, now)
    if wrong is not None:
        # It won't be posted, and its day may lie beyond any calendar.
        occurred_at = now
    body = with_token_hashed(principal, body)
    common = posting.common_fields(
        occurred_at,
        clock.business_date(occurred_at, principal.time_zone),
        principal.terminal_id,
        principal.store_id,
        body.get("order_ref"),
        key,
        hash_request(kind, body),
        wrong,
    )
    programme = programme_at(principal.tenant_id, occurred_at)
    event = BUILDERS[kind](principal, programme, body, common)
    return event if was_queued else refuse(event, blocked_issue(principal, event))


def with_token_hashed(principal: Principal, body: Body) -> Body:
    """Nothing that is kept of a request, its hash included, is made of the payment token itself."""
    if "payment_token" not in body:
        return body
    return {**body, "payment_token": hash_token(principal.tenant_id, body["payment_token"]).hex()}


def what_is_wrong(principal: Principal, body: Body, occurred_at: datetime, now: datetime) -> Refusal | None:
    """A refusal, which the ledger gives unless the event has been posted already."""
    if body.get("currency", principal.currency) != principal.currency:
        return "wrong_currency", {}
    if occurred_at > now + CLOCK_SKEW:
        return "occurred_at_in_future", {}
    if occurred_at < now - timedelta(days=principal.days_accepted_late):
        return "occurred_at_too_old", {}
    return None


def blocked_issue(principal: Principal, event: Event) -> Refusal | None:
    """What earns nothing is recorded all the same."""
    issues = event["kind"] == "accrual" and event["points"] > 0
    return ("issuing_blocked", {}) if issues and principal.issuing == BLOCKED else None


def hash_request(kind: str, body: Body) -> bytes:
    asked_for = {name: value for name, value in body.items() if name not in NOT_COMPARED}
    return hashlib.sha256(compact_json([kind, asked_for]).encode()).digest()


def refuse(common: Event, wrong: Refusal | None) -> Event:
    """`common` with what is wrong, unless something has been found before."""
    if wrong is None or common["refusal"]:
        return common
    code, detail = wrong
    return {**common, "refusal": code, "refusal_detail": detail}


def accrual_event(principal: Principal, programme: Programme, body: Body, common: Event) -> Event:
    assert principal.store_id is not None
    lines = purchase_lines(programme, body)
    funder_id = principal.tenant_id if principal.issuing == HQ_FUNDED else principal.store_id
    event = purchase_accrual(funder_id, programme, body.get("card"), body["amount"], common, lines)
    if "payment_token" in body:
        event["payment_token_hash"] = "\\x" + body["payment_token"]
    return event


def purchase_lines(programme: Programme, body: Body) -> list[PurchaseLine]:
    rate = programme.points_per_minor_unit()
    return [
        PurchaseLine(line["line"], line["amount"], rate if line["earns"] else Decimal(0))
        for line in body.get("lines", ())
    ]


def purchase_accrual(
    funder_id: UUID,
    programme: Programme,
    card: str | None,
    amount: int,
    common: Event,
    lines: Sequence[PurchaseLine] = (),
) -> Event:
    """What a purchase of `amount` minor units earns, or of those of its lines that earn."""
    day = clock.date_of(common["business_date"])
    grants = [Grant(funder_id, earned(programme, amount, lines), programme.expires_on(day))]
    return posting.accrual(grants, amount, programme.version, card, lines, **common)


def earned(programme: Programme, amount: int, lines: Sequence[PurchaseLine] = ()) -> int:
    earning = sum(line.amount for line in lines if line.rate) if lines else amount
    return check_size(programme.points_earned(earning))


def check_size(number: int) -> int:
    if number > INTEGER_MAX:
        raise InvalidInput(f"This event comes to {number}, more than 2^53: it can't be right.", code="too_large")
    return number


def tender(programme: Programme, body: Body) -> tuple[int, int]:
    """(points, minor units that they pay for), from whichever of the two the till has named."""
    if "amount" in body:
        return check_size(programme.points_to_pay(body["amount"])), body["amount"]
    return body["points"], check_size(programme.amount_redeemed(body["points"]))


def redemption_event(principal: Principal, programme: Programme, body: Body, common: Event) -> Event:
    points, amount = tender(programme, body)
    if body.get("offline"):
        conditions = offline_conditions(programme)
    else:
        conditions, common = online_conditions(principal, programme, body, common, points, amount)
    return posting.redemption(points, amount, programme.version, body["card"], **conditions, **common)


def purchase_redemption(programme: Programme, card: str, points: int, common: Event, at_most: bool = False) -> Event:
    """A redemption that has happened, whatever the programme says of redemptions."""
    amount = check_size(programme.amount_redeemed(points))
    return posting.redemption(points, amount, programme.version, card, at_most, **common)


def hold_event(principal: Principal, programme: Programme, body: Body, common: Event) -> Event:
    points, amount = tender(programme, body)
    conditions, common = online_conditions(principal, programme, body, common, points, amount)
    until = expiry_of_hold(datetime.fromisoformat(common["occurred_at"]), body["expires_in"])
    return posting.hold(points, amount, programme.version, body["card"], until, **conditions, **common)


def expiry_of_hold(occurred_at: datetime, expires_in: int) -> datetime:
    """Counted from when it occurred, so that the answer to a repeated request is the same."""
    return occurred_at + timedelta(seconds=expires_in)


def offline_conditions(programme: Programme) -> Event:
    """The goods are gone: what the network honours is honoured, and nobody is there to be asked for a PIN."""
    return {
        "beyond_limit": programme.terms.offline_limit,
        "beyond_charged_to": programme.terms.offline_charged_to,
        "grace_days": programme.terms.return_grace_days,
    }


def online_conditions(
    principal: Principal, programme: Programme, body: Body, common: Event, points: int, amount: int
) -> tuple[Event, Event]:
    """Conditions for the ledger, and `common` with what is wrong with the redemption by itself."""
    terms = programme.terms
    conditions = {"velocity_limits": terms.velocity_limits or None, "grace_days": terms.return_grace_days}
    common = refuse(common, programme.wrong_with_redemption(points, amount, body.get("bill")))
    if common["refusal"]:
        return conditions, common
    verified = verify(
        principal.tenant_id,
        body["card"],
        amount,
        terms.pin_from,
        terms.code_from,
        body.get("pin"),
        body.get("code"),
        f"{principal.terminal_id}:{common['idempotency_key']}",
    )
    wrong = (verified.refusal, verified.detail or {}) if verified.refusal else None
    return {**conditions, "code_step": verified.code_step}, refuse(common, wrong)


def capture_event(principal: Principal, programme: Programme, body: Body, common: Event) -> Event:
    hold_id = ids.parse(ids.HOLD, body["hold_id"])
    grace_days = programme.terms.return_grace_days
    return posting.capture(hold_id, grace_days, body.get("points"), body.get("amount"), **common)


def void_event(principal: Principal, programme: Programme, body: Body, common: Event) -> Event:
    return posting.void(ids.parse(ids.HOLD, body["hold_id"]), programme.terms.return_grace_days, **common)


def reversal_event(principal: Principal, programme: Programme, body: Body, common: Event) -> Event:
    return posting.reversal(
        programme.terms.return_policy,
        programme.terms.return_grace_days,
        programme.expires_on(clock.date_of(common["business_date"])),
        body.get("points"),
        body.get("amount"),
        body.get("lines", ()),
        **original_of(principal, body),
        **common,
    )


def original_of(principal: Principal, body: Body) -> Event:
    if "transfer_id" in body:
        return {"original_transfer_id": str(ids.parse(ids.TRANSFER, body["transfer_id"]))}
    return {
        "original_store_id": str(original_store_id(principal, body.get("original_store"))),
        "original_order_ref": body["original_order_ref"],
        "original_kind": body.get("original_kind"),
    }


def original_store_id(principal: Principal, code: str | None) -> UUID | None:
    if code is None or code == principal.store_code:
        return principal.store_id
    with unit_of_work(principal.tenant_id) as session:
        store_id = session.scalar(select(Store.store_id).where(Store.code == code))
    if store_id is None:
        raise refusal("store_unknown", None)
    return store_id


BUILDERS = {
    "accrual": accrual_event,
    "redemption": redemption_event,
    "hold": hold_event,
    "capture": capture_event,
    "void": void_event,
    "reversal": reversal_event,
}
