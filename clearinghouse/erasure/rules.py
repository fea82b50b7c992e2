"""Why members are erased, and when the ledger lets them go."""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from tenants.foundation.errors import Conflict, InvalidInput
from tenants.foundation.months import add_months, month_of

NOT_NEEDED, RETENTION = "not_needed", "retention"

# The grounds of GDPR, article 17 (1); words of one's own could hold what is to be erased.
REASONS = {
    NOT_NEEDED: "the data are not needed any more",
    "consent_withdrawn": "the member has withdrawn the consent",
    "objection": "the member has objected",
    "unlawful": "the data should not have been kept",
    "legal_obligation": "a law asks for it",
}


def check_reason(reason: str) -> None:
    if reason not in REASONS:
        raise InvalidInput(f"Why? One of {', '.join(REASONS)}.", code="invalid_reason")


def check_confirmation(member_id: str, confirmed: str) -> None:
    if member_id != confirmed:
        raise InvalidInput(
            "Erasing can't be undone: repeat the member's id in `confirm`. Nothing was changed.", code="not_confirmed"
        )


def check_points(available: int, held: int, deficit: int, forfeit_points: bool) -> None:
    """In points. Raises `Conflict` while somebody would lose or owe something with the member."""
    if held:
        raise Conflict(
            f"The member has {held} points on hold: capture or void the holds first, or wait.",
            code="member_has_holds",
            held=held,
        )
    if deficit:
        raise Conflict(
            f"The member owes {deficit} points, and nobody could be asked for them any more: let new points repay "
            "them first, or reverse what they came from.",
            code="member_owes_points",
            deficit=deficit,
        )
    if available and not forfeit_points:
        raise Conflict(
            f"The member has {available} points: have them redeemed first, or let them expire with forfeit_points.",
            code="member_has_points",
            available=available,
        )


def retained_since(today: date, retention_months: int, time_zone: str) -> datetime:
    """Members are kept for what they have done since: the same day, so many months ago."""
    month = add_months(month_of(today), -retention_months)
    following = add_months(month, 1)
    days = (following - month).days
    return datetime.combine(month.replace(day=min(today.day, days)), time.min, ZoneInfo(time_zone))
