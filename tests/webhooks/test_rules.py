from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clearinghouse.ledger.tables import TRANSFER_KINDS
from clearinghouse.webhooks.rules import (
    GIVE_UP_AFTER,
    PAUSE_MAX,
    RETRY_WAITS,
    TRANSFER_TYPES,
    Target,
    is_public,
    next_attempt_at,
    parse_retry_after,
    parse_url,
    paused_until,
)
from tenants.foundation.errors import InvalidInput

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


def test_every_kind_of_transfer_is_told_but_the_giving_half_of_a_merge() -> None:
    assert set(TRANSFER_KINDS) - set(TRANSFER_TYPES) == {"merge_out"}
    assert len(set(TRANSFER_TYPES.values())) == len(TRANSFER_TYPES)


@pytest.mark.parametrize(
    ("retries", "jitter", "retry_after", "wait"),
    [
        (1, 0, None, 5 * SECOND),
        (1, 20, None, 6 * SECOND),
        (2, 0, None, 30 * SECOND),
        (3, 0, None, 120 * SECOND),
        (9, 0, None, 8 * HOUR),
        (10, 0, None, 12 * HOUR),
        (500, 0, None, 12 * HOUR),
        (1, 0, 60 * SECOND, 60 * SECOND),
        (3, 0, 60 * SECOND, 120 * SECOND),
    ],
)
def test_each_failure_is_followed_by_a_longer_wait(retries, jitter, retry_after, wait) -> None:
    assert next_attempt_at(NOON, NOON, retries, jitter, retry_after) == NOON + wait


def test_the_last_attempt_comes_after_three_days_and_no_other() -> None:
    assert timedelta(hours=71) < GIVE_UP_AFTER <= timedelta(days=3)
    last_at = NOON + GIVE_UP_AFTER

    assert next_attempt_at(last_at - HOUR, NOON, 12, 0) == last_at
    assert next_attempt_at(last_at, NOON, 13, 0) is None


def test_a_receiver_that_is_always_down_is_called_some_fifteen_times() -> None:
    attempts, now = 1, NOON
    while (again := next_attempt_at(now, NOON, attempts, 10)) is not None:
        attempts, now = attempts + 1, again

    assert now == NOON + GIVE_UP_AFTER
    assert len(RETRY_WAITS) < attempts <= 16


@pytest.mark.parametrize(
    ("failures", "retry_after", "pause"),
    [
        (1, None, None),
        (7, None, None),
        (8, None, 10 * SECOND),
        (15, None, 10 * SECOND),
        (16, None, 20 * SECOND),
        (80, None, PAUSE_MAX),
        (10**9, None, PAUSE_MAX),
        (1, HOUR, HOUR),
        (8, SECOND, 10 * SECOND),
    ],
)
def test_an_endpoint_that_keeps_failing_rests_longer_and_longer(failures, retry_after, pause) -> None:
    assert paused_until(NOON, failures, retry_after) == (NOON + pause if pause else None)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        (None, None),
        ("120", 120 * SECOND),
        ("0", None),
        ("999999999", HOUR),
        ("9999999999", None),
        ("-5", None),
        ("١٢", None),
        ("soon", None),
        ("Fri, 20 Nov 2026 12:00:00 GMT", None),
    ],
)
def test_retry_after_is_heeded_up_to_an_hour(header, wait) -> None:
    assert parse_retry_after(header) == wait


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com", Target("https", "example.com", 443, "/")),
        ("https://Example.COM:8443/a/b?c=d", Target("https", "example.com", 8443, "/a/b?c=d")),
        ("https://8.8.8.8/x", Target("https", "8.8.8.8", 443, "/x")),
        ("https://[2606:4700::1111]/", Target("https", "2606:4700::1111", 443, "/")),
        ("https://xn--mnchen-3ya.example/", Target("https", "xn--mnchen-3ya.example", 443, "/")),
    ],
)
def test_a_plain_https_url_is_accepted(url, target) -> None:
    assert parse_url(url, to_private=False) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "/hook",
        "https://",
        "https:///hook",
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "javascript:alert(1)",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://@example.com/",
        "https://example.com/#part",
        "https://example.com:0/",
        "https://example.com:22/",
        "https://example.com:80/",
        "https://example.com:65536/",
        "https://example.com:port/",
        "https://example.com:-1/",
        "https://example.com/a b",
        "https://example.com/\r\nHost: inside",
        "https://example.com\\@inside/",
        "https://exa mple.com/",
        "https://münchen.example/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://example.com/\x00",
        "https://[::1",
        "https://[::1%25eth0]/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.0x1/",
        "https://1.2.3.4.5/",
        "https://256.1.1.1/",
        "https://exa$mple.com/",
        "https://example.com/" + "a" * 2000,
    ],
)
def test_what_is_no_plain_https_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_url(url, to_private=False)

    assert refused.value.code == "webhook_url_invalid"


def test_http_and_any_port_pass_only_where_private_receivers_are_allowed() -> None:
    assert parse_url("http://localhost:80/", to_private=True) == Target("http", "localhost", 80, "/")
    assert parse_url("http://localhost:9/", to_private=True).port == 9
    with pytest.raises(InvalidInput):
        parse_url("ftp://localhost/", to_private=True)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_an_address_that_anybody_could_call_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.2.3",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "2002:7f00:1::",
        "2002:c0a8:101::1",
        "2002:a00:1::1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "2001::1",
        "2001:db8::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "5f00::1",
        "not an address",
        "",
    ],
)
def test_an_address_that_leads_inside_is_not_public(address: str) -> None:
    assert not is_public(address)
