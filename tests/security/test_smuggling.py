"""A request is where the server says it is, and nothing in its headers or path becomes another or an answer's header.

Each attempt hides a posting that would succeed if the server, or a proxy before it, took it for a request.
"""

from __future__ import annotations

import json
import re

import pytest
from apiflask import APIFlask

from tests.conftest import NetworkForTests, Till, new_network
from tests.security.conftest import Server

ORDER = "smuggled"


@pytest.fixture(scope="module")
def network(app: APIFlask) -> NetworkForTests:
    with app.app_context():
        network = new_network(app)
        network.add_till("A")
    return network


@pytest.fixture(scope="module")
def card(app: APIFlask, network: NetworkForTests) -> str:
    with app.app_context():
        return network.add_card()


@pytest.fixture(scope="module")
def hidden(network: NetworkForTests, card: str) -> bytes:
    """A whole request that posts, as the till itself would send it."""
    return a_request(network.tills["A"], card, ORDER)


def a_request(till: Till, card: str, order_ref: str, *headers: bytes, framing: bytes | None = None) -> bytes:
    body = json.dumps({"card": card, "order_ref": order_ref, "amount": 100}).encode()
    lines = [
        b"POST /v1/accruals HTTP/1.1",
        b"Host: here",
        b"Connection: close",
        f"Authorization: Bearer {till.key}".encode(),
        f"Idempotency-Key: {order_ref}".encode(),
        b"Content-Length: %d" % len(body) if framing is None else framing,
        *headers,
    ]
    return b"\r\n".join([*lines, b"", body])


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"(?:^|\r\n|\})HTTP/1\.1 (\d{3}) ", answer)]


def nothing_was_smuggled(till: Till) -> bool:
    return till.call("GET", f"/v1/transfers?order_ref={ORDER}").json["transfers"] == []


# Headers before an inner request; {n} is its length. What is refused is answered before anything is looked at.
CONFLICTS = {
    "both lengths": (b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"0\r\n\r\n", {401}),
    "both lengths, the other way round": (b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"0\r\n\r\n", {401}),
    "two lengths": (b"Content-Length: {n}\r\nContent-Length: 0", b"", {400}),
    "two lengths in one": (b"Content-Length: 0, {n}", b"", {400}),
    "a length with a sign": (b"Content-Length: +{n}", b"", {400}),
    "a negative length": (b"Content-Length: -1", b"", {400}),
    "a length in hexadecimal": (b"Content-Length: 0x0", b"", {400}),
    "a length with a space in it": (b"Content-Length: 0 {n}", b"", {400}),
    "a coding that is none": (b"Transfer-Encoding: xchunked", b"0\r\n\r\n", {400}),
    "a coding after chunked": (b"Transfer-Encoding: chunked, identity", b"0\r\n\r\n", {400}),
    "a space before the colon": (b"Transfer-Encoding : chunked", b"0\r\n\r\n", {400}),
    "a vertical tab": (b"Transfer-Encoding: \x0bchunked", b"0\r\n\r\n", {400}),
    "a folded line": (b"Transfer-Encoding:\r\n chunked", b"0\r\n\r\n", {400}),
    "a bare carriage return": (b"X: x\rTransfer-Encoding: chunked", b"0\r\n\r\n", {400}),
    "a NUL": (b"X: \x00\r\nTransfer-Encoding: chunked", b"0\r\n\r\n", {400}),
    "a size that overflows": (b"Transfer-Encoding: chunked", b"fffffffffffffffff\r\n", {400, 401}),
    "a size with a sign": (b"Transfer-Encoding: chunked", b"-1\r\n", {400, 401}),
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_no_body_ends_where_it_should_not(server: Server, network: NetworkForTests, hidden: bytes, name: str) -> None:
    framing, begin, expected = CONFLICTS[name]
    head = b"POST /v1/accruals HTTP/1.1\r\nHost: here\r\n" + framing.replace(b"{n}", b"%d" % len(hidden))

    answer = server.send(head + b"\r\n\r\n" + begin + hidden)

    found = statuses(answer)
    assert len(found) <= 1 and set(found) <= expected, answer[:300]
    assert nothing_was_smuggled(network.tills["A"])


@pytest.mark.parametrize("name", ["X-Request-Id", "Idempotency-Key", "Authorization", "Host", "X-Forwarded-For", "X"])
@pytest.mark.parametrize(
    "break_", [b"\r\n\r\n", b"\r", b"\n\n", b"%0d%0a%0d%0a", b"\xe5\x98\x8a\xe5\x98\x8d", b"\x00"]
)
def test_no_header_holds_a_request(
    server: Server, network: NetworkForTests, card: str, hidden: bytes, name: str, break_: bytes
) -> None:
    """What comes after a real end of the headers is nobody's here, as the connection is to be closed."""
    head = b"GET /v1/nowhere HTTP/1.1\r\nHost: here\r\nConnection: close\r\n"

    answer = server.send(head + name.encode() + b": x" + break_ + hidden + b"\r\n\r\n")

    assert len(statuses(answer)) <= 1, answer[:300]
    assert set(statuses(answer)) <= {400, 404}, answer[:300]
    assert nothing_was_smuggled(network.tills["A"])


@pytest.mark.parametrize("where", ["/v1/cards/{}", "/v1/transfers?order_ref={}", "/docs/{}", "/verify/{}", "/{}"])
@pytest.mark.parametrize("payload", ["%0d%0aInjected:%20yes", "%0aInjected:%20yes", "%0d%0a%0d%0a<script>", "%00"])
def test_nothing_of_a_path_becomes_a_header(
    server: Server, network: NetworkForTests, where: str, payload: str
) -> None:
    till = network.tills["A"]
    lines = [f"GET {where.format(payload)} HTTP/1.1", "Host: here", "Connection: close"]

    answer = server.send("\r\n".join([*lines, f"Authorization: Bearer {till.key}", "", ""]).encode())

    head = answer.partition(b"\r\n\r\n")[0]
    assert len(statuses(answer)) == 1
    assert b"injected" not in head.lower()
    assert b"<script>" not in answer
    assert statuses(answer)[0] in (200, 400, 404, 422)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://elsewhere.example/docs/", 200),
        (b"http://elsewhere.example/v1/stores", 401),
        (b"//elsewhere.example/docs/", 404),
        (b"elsewhere.example:443", 404),
        (b"*", 404),
        (b"/v1/../../etc/passwd", 404),
        (b"/docs/..%2f..%2fcli.py", 404),
        (b"/docs/%2e%2e/%2e%2e/templates/index.template.html", 404),
        (b"/docs//etc/passwd", 404),
        (b"/v1/stores%00", 404),
        (b"/v1/stores;x=y", 404),
        (b"/V1/STORES", 404),
        (b"/v1/stores/", 404),
        (b"/v1//stores", 404),
    ],
)
def test_a_target_leads_nowhere_else(server: Server, target: bytes, status: int) -> None:
    answer = server.send(b"GET " + target + b" HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n")

    assert statuses(answer) == [status], answer[:300]
    assert b"elsewhere.example" not in answer
    assert b"root:" not in answer


@pytest.mark.parametrize(
    "headers",
    [
        [b"X-HTTP-Method-Override: GET"],
        [b"X-Original-URL: /v1/stores", b"X-Rewrite-URL: /v1/stores"],
        [b"X-Forwarded-Prefix: /v2", b"X-Forwarded-Host: elsewhere.example", b"Forwarded: host=elsewhere.example"],
        [b"X-Tenant-Id: 0197f3a0-0000-7000-8000-000000000001", b"Proxy-Authorization: Bearer hq_x"],
    ],
)
def test_no_header_changes_what_is_asked_for_or_by_whom(
    server: Server, network: NetworkForTests, card: str, headers: list[bytes]
) -> None:
    order = f"plain-{headers[0].decode()[:12]}"

    answer = server.send(a_request(network.tills["A"], card, order, *headers))

    assert statuses(answer) == [201], answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["order_ref"] == order


@pytest.mark.parametrize("first", [True, False])
def test_two_keys_are_none(server: Server, network: NetworkForTests, card: str, first: bool) -> None:
    """Whoever sends two would have a proxy look at one and us at the other."""
    other = network.hq_key.encode()
    request = a_request(network.tills["A"], card, ORDER)
    line = b"Authorization: Bearer " + other + b"\r\n"
    place = request.index(b"Authorization") if first else request.index(b"Idempotency-Key")

    answer = server.send(request[:place] + line + request[place:])

    assert statuses(answer) == [401]
    assert nothing_was_smuggled(network.tills["A"])


@pytest.mark.parametrize(
    "line", [b"X: " + b"a" * 500_000, b"\r\n".join(b"X-%d: a" % number for number in range(500))]
)
def test_headers_have_an_end(server: Server, line: bytes) -> None:
    answer = server.send(b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n" + line + b"\r\n\r\n")

    assert set(statuses(answer)) <= {431}


def test_http_2_is_not_spoken(server: Server) -> None:
    answer = server.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")

    assert not answer.startswith(b"\x00")


def test_a_compressed_body_is_not_unpacked(server: Server, network: NetworkForTests, card: str) -> None:
    answer = server.send(a_request(network.tills["A"], card, "packed", b"Content-Encoding: gzip"))

    assert statuses(answer) == [201], answer


def test_the_server_names_no_product_and_no_version(server: Server) -> None:
    answer = server.send(b"GET /v1/nowhere HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")

    assert b"\r\nserver: clearinghouse\r\n" in answer.lower()
    assert not re.search(rb"granian|werkzeug|python|flask", answer.lower())
