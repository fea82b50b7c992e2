"""What is told to whom, when a failed call is tried again, and which addresses may be called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from tenants.foundation.errors import InvalidInput

TRANSFER_TYPES = {
    "accrual": "accrual.posted",
    "redemption": "redemption.posted",
    "accrual_reversal": "accrual.reversed",
    "redemption_reversal": "redemption.reversed",
    "expiry": "points.expired",
    "hold": "hold.placed",
    "capture": "hold.captured",
    "void": "hold.voided",
    "hold_expiry": "hold.expired",
    # The other half of a merge, merge_out, is not told: this one names it.
    "merge_in": "members.merged",
}
WINDOW_CLOSED = "window.closed"
# What a store has issued and not settled came to 80% of its cap, to all of it, or back below.
EXPOSURE_TYPES = {"warning": "exposure.warning", "reached": "exposure.reached", "normal": "exposure.normal"}
# Whoever has copied a member's data has to erase it too.
MEMBER_ERASED = "member.erased"
TYPES = (*TRANSFER_TYPES.values(), WINDOW_CLOSED, *EXPOSURE_TYPES.values(), MEMBER_ERASED)
# Only sent when asked for, and whatever an endpoint has chosen.
PING = "webhook.ping"

ENDPOINTS_MAX = 20
SECRET_OVERLAP = timedelta(hours=24)

RETRY_WAITS = (
    *(timedelta(seconds=5), timedelta(seconds=30)),
    *(timedelta(minutes=2), timedelta(minutes=10), timedelta(minutes=30)),
    *(timedelta(hours=1), timedelta(hours=2), timedelta(hours=4), timedelta(hours=8), timedelta(hours=12)),
)
# Receivers that failed together are not called again together.
JITTER_PERCENT_MAX = 20
GIVE_UP_AFTER = timedelta(days=3)
RETRY_AFTER_MAX = timedelta(hours=1)

# After so many failures in a row the endpoint as a whole rests, whoever's events are due.
FAILURES_UNTIL_PAUSE = 8
PAUSE_FIRST = timedelta(seconds=10)
PAUSE_MAX = timedelta(minutes=5)

URL_CHARACTERS_MAX = 2000
PORTS_LOW = {"https": 443, "http": 80}
PORT_FREE_MIN = 1024

NAT64 = IPv6Network("64:ff9b::/96")
GLOBAL_UNICAST = IPv6Network("2000::/3")


@dataclass(frozen=True)
class Target:
    """Where a URL leads. `path` holds its query too."""

    scheme: str
    host: str
    port: int
    path: str


def next_attempt_at(
    now: datetime, queued_at: datetime, retries: int, jitter_percent: int, retry_after: timedelta | None = None
) -> datetime | None:
    """When to try again after the failure number `retries` (from 1); None to give up.

    The last attempt comes three days after the first could have been made.
    """
    last_at = queued_at + GIVE_UP_AFTER
    if now >= last_at:
        return None
    wait = RETRY_WAITS[min(retries, len(RETRY_WAITS)) - 1] * (100 + jitter_percent) / 100
    return min(now + max(wait, retry_after or wait), last_at)


def paused_until(now: datetime, failures_in_row: int, retry_after: timedelta | None = None) -> datetime | None:
    """Until when nobody's events are tried: longer with each round of failures, or as long as the receiver asks."""
    rounds = failures_in_row // FAILURES_UNTIL_PAUSE
    pause = min(PAUSE_FIRST * 2 ** min(rounds - 1, 10), PAUSE_MAX) if rounds else None
    longest = max(filter(None, (pause, retry_after)), default=None)
    return now + longest if longest else None


def parse_retry_after(header: str | None) -> timedelta | None:
    """`Retry-After` in seconds, at most an hour; its other form, a date, is not heeded."""
    if header is None or not re.fullmatch(r"[0-9]{1,9}", header):
        return None
    return min(timedelta(seconds=int(header)), RETRY_AFTER_MAX) or None


def parse_url(url: str, to_private: bool) -> Target:
    """Raises `InvalidInput` unless it is a plain https URL; `to_private` lets http and every port pass."""
    if len(url) > URL_CHARACTERS_MAX or not re.fullmatch(r"[!-\[\]-~]+", url):
        raise invalid_url(f"1 to {URL_CHARACTERS_MAX} ASCII characters, no spaces; international names as xn--…")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise invalid_url(str(error)) from error
    if parts.scheme != "https" and not (to_private and parts.scheme == "http"):
        raise invalid_url("it must begin with https://")
    if not host or "@" in parts.netloc or parts.fragment:
        raise invalid_url("it names a host, and neither a user nor a fragment")
    port = port if port is not None else PORTS_LOW[parts.scheme]
    if not to_private and port != PORTS_LOW["https"] and port < PORT_FREE_MIN:
        raise invalid_url(f"its port must be 443, or {PORT_FREE_MIN} or higher")
    check_host(host)
    return Target(parts.scheme, host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def check_host(host: str) -> None:
    """A name or an address. Numbers in other spellings (2130706433, 0x7f.1, 127.1) are what attacks are made of."""
    last_label = host.rstrip(".").rpartition(".")[2]
    is_address = ":" in host or re.fullmatch(r"0x[0-9a-f]*|[0-9]+", last_label)
    if not (is_plain_address(host) if is_address else re.fullmatch(r"[a-z0-9._-]{1,253}", host)):
        raise invalid_url(f"{host!r} is neither the name of a host nor an address in its usual form")


def is_plain_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def invalid_url(reason: str) -> InvalidInput:
    return InvalidInput(f"This is not a URL for webhooks: {reason}.", code="webhook_url_invalid")


def is_public(address: str) -> bool:
    """Whether anybody on the internet could call it: no loopback, private, link-local, reserved or multicast one.

    An IPv6 address that stands for an IPv4 one is judged by that.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        embedded = found.ipv4_mapped or found.sixtofour or nat64(found)
        if embedded is not None:
            return is_public(str(embedded))
        if found not in GLOBAL_UNICAST:
            return False
    return found.is_global and not found.is_multicast


def nat64(address: IPv6Address) -> IPv4Address | None:
    return IPv4Address(address.packed[12:]) if address in NAT64 else None
