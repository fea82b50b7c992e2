"""What a key may do, and how often: roles, scopes and request rates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from tenants.foundation.errors import InvalidInput
from tenants.foundation.rate_limits import Limit

TERMINAL, HQ, STAFF = "terminal", "hq", "staff"

ACCRUE, REDEEM, REVERSE, READ = "accrue", "redeem", "reverse", "read"
CLOSE, REGISTER = "close", "register"
DIRECTORY, SETTLEMENT, KEYS, WEBHOOKS = "directory", "settlement", "keys", "webhooks"
PREPARE, APPROVE, PAY, OWN, AUDIT = "prepare", "approve", "pay", "own", "audit"

# The one place that says which scopes there are, for keys of which role, and what each allows.
SCOPES: dict[str, dict[str, str]] = {
    TERMINAL: {
        ACCRUE: "issue points for purchases",
        REDEEM: "redeem points, hold them and capture holds",
        REVERSE: "reverse accruals and redemptions",
        READ: "see a card's balance, quotes, and the transfers of its store",
        CLOSE: "close the till's day",
        REGISTER: "give out cards, bind payment tokens, set PINs",
    },
    HQ: {
        READ: "see everything but keys and webhooks, and change nothing",
        DIRECTORY: "see and change the network, participants, stores, terminals, members, cards and programme",
        SETTLEMENT: "see and close months, make their documents",
        KEYS: "list, make, change, rotate and revoke keys; add people who settle and say what they may do; "
        "see the audit log",
        WEBHOOKS: "see and change webhooks",
    },
    # A person's keys have those that come with the person's roles (`tenants.staff.rules.ROLES`).
    STAFF: {
        READ: "see everything but keys and webhooks, and change nothing",
        PREPARE: "close months, make their documents, accept days, propose settlements",
        APPROVE: "approve settlements, or reject them",
        PAY: "have settlements paid, and book what the bank did",
        OWN: "see what concerns the stores of one's own participant, and dispute it",
        AUDIT: "see the audit log and prove it",
    },
}

# Requests per second of a key that has no rate of its own.
RATES = {TERMINAL: 50, HQ: 20, STAFF: 20}
RATE_MAX = 1_000
# A key that was silent this long may send what it saved up at once: a till that gets its network back.
BURST_SECONDS = {TERMINAL: 2, HQ: 5, STAFF: 5}

EXPIRES_WITHIN = timedelta(days=3650)
OVERLAP_DEFAULT = timedelta(hours=24)
OVERLAP_MAX = timedelta(days=7)


def scopes_of(role: str) -> list[str]:
    return list(SCOPES[role])


def all_scopes() -> list[str]:
    return list(dict.fromkeys(scope for role in SCOPES for scope in SCOPES[role]))


def choose_scopes(role: str, chosen: Iterable[str] | None) -> list[str]:
    """In the order of the table, each once; all of the role's when none were chosen (`None`).

    A person's key has none of its own.
    """
    if role == STAFF:
        if chosen:
            raise InvalidInput(
                "A person's key may do what the person's roles allow: name no scopes.", code="invalid_scope"
            )
        return []
    if chosen is None:
        return scopes_of(role)
    wanted = set(chosen)
    unknown = sorted(wanted - set(SCOPES[role]))
    if unknown or not wanted:
        what = ", ".join(unknown) or "no scope"
        raise InvalidInput(
            f"A key of role {role} can't have {what}: choose from {', '.join(SCOPES[role])}.", code="invalid_scope"
        )
    return [scope for scope in SCOPES[role] if scope in wanted]


def check_rate_limit(rate: int | None) -> None:
    """`rate` is requests per second; None stands for the role's own."""
    if rate is not None and not 1 <= rate <= RATE_MAX:
        raise InvalidInput(
            f"rate_limit must lie between 1 and {RATE_MAX:,} requests per second.", code="invalid_rate_limit"
        )


def check_expiry(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and not now < expires_at <= now + EXPIRES_WITHIN:
        raise InvalidInput(
            f"expires_at must lie in the future, within {EXPIRES_WITHIN.days:,} days.", code="invalid_expires_at"
        )


def check_overlap(overlap: timedelta) -> None:
    if not timedelta() <= overlap <= OVERLAP_MAX:
        raise InvalidInput(
            f"The overlap must lie between 0 and {OVERLAP_MAX // timedelta(hours=1)} hours.", code="invalid_overlap"
        )


def end_of_overlap(expires_at: datetime | None, now: datetime, overlap: timedelta) -> datetime:
    """When a key that is replaced stops: after the overlap, or earlier if it was to end anyway."""
    end = now + overlap
    return end if expires_at is None else min(end, expires_at)


def limit_of(role: str, rate: int | None) -> Limit:
    seconds = BURST_SECONDS[role]
    return Limit((rate or RATES[role]) * seconds, seconds)


def missing_scopes(scopes: Sequence[str], held: frozenset[str], role: str) -> list[str]:
    """Of the `scopes` of a new key of `role`, those that whoever makes it may not hand on.

    A terminal's scopes are for anybody to give who may make keys; head office's only for who has them: otherwise
    a key that may make keys could do everything. Who makes people's keys has given the people their roles already.
    """
    return [] if role == TERMINAL else [scope for scope in scopes if scope not in held]
