"""Calls to receivers that are slow, broken or hostile, and to names that lead inside."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from clearinghouse.webhooks import calling
from clearinghouse.webhooks.calling import ANSWER_BYTES_MAX, Answer, Caller
from tests.webhooks.conftest import Receiver

PUBLIC, INSIDE = "93.184.215.14", "127.0.0.1"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call gives up after a fraction of a second."""
    monkeypatch.setattr(calling, "CALL_SECONDS_MAX", 0.3)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What the names of hosts lead to: the first of the list, then the next, the last one for ever."""
    table: dict[str, list[str]] = {}

    def getaddrinfo(host: str, port: int, **options: Any) -> list[Any]:
        if host not in table:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        found = table[host].pop(0) if len(table[host]) > 1 else table[host][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found.split()]

    monkeypatch.setattr("clearinghouse.webhooks.addresses.getaddrinfo", getaddrinfo)
    return table


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Where connections were made to; none of them gets through."""
    made: list[tuple[str, int]] = []

    def create_connection(address: tuple[str, int], timeout: float) -> socket.socket:
        made.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("clearinghouse.webhooks.calling.socket.create_connection", create_connection)
    return made


@pytest.fixture
def call() -> Iterator[Callable[..., Answer]]:
    made: list[Caller] = []

    def call(url: str, to_private: bool = True) -> Answer:
        made.append(Caller(to_private))
        return made[-1].call(url, b"{}", {"Content-Type": "application/json"})

    yield call
    for caller in made:
        caller.close()


def serve_raw(*answers: bytes, hold: threading.Event | None = None) -> tuple[str, threading.Thread]:
    """A server that sends each of the bytes by itself, whatever it is told."""
    listening = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        connection, _ = listening.accept()
        with listening, connection:
            connection.recv(65536)
            try:
                for part in answers:
                    connection.sendall(part)
                if hold:
                    hold.wait(30)
            except OSError:
                return

    thread = threading.Thread(target=run)
    thread.start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}/", thread


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_success(receiver: Receiver, call: Callable[..., Answer], status: int) -> None:
    receiver.manners = lambda number: status
    receiver.answer = b""

    assert call(receiver.url).is_success


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 410, 429, 500, 503])
def test_every_other_status_is_a_failure_and_no_redirect_is_followed(
    receiver: Receiver, call: Callable[..., Answer], status: int
) -> None:
    receiver.manners = lambda number: status
    receiver.answer_headers = {"Location": "/elsewhere"}

    answer = call(receiver.url)

    assert (answer.status, answer.text, answer.is_success) == (status, "thank you", False)
    assert len(receiver.calls) == 1


@pytest.mark.parametrize(("status", "seconds"), [(503, 60), (429, 60), (500, None), (200, None)])
def test_retry_after_counts_from_a_receiver_that_is_overloaded(
    receiver: Receiver, call: Callable[..., Answer], status: int, seconds: int | None
) -> None:
    receiver.manners = lambda number: status
    receiver.answer_headers = {"Retry-After": "60"}

    answer = call(receiver.url)

    assert (answer.retry_after.total_seconds() if answer.retry_after else None) == seconds


def test_a_connection_is_used_again(receiver: Receiver) -> None:
    caller = Caller(to_private=True)
    ports = []
    for _ in range(3):
        assert caller.call(receiver.url, b"{}", {}).is_success
        ports.append(caller._idle[receiver.url][0]._socket.getsockname())
    caller.close()

    assert len(receiver.calls) == 3
    assert len(set(ports)) == 1


def test_a_connection_that_the_receiver_has_closed_meanwhile_is_replaced(
    make_receiver: Callable[..., Receiver],
) -> None:
    receiver = make_receiver(answer_headers={"Keep-Alive": "0"})
    caller = Caller(to_private=True)
    assert caller.call(receiver.url, b"{}", {}).is_success
    caller._idle[receiver.url][0]._breaker.shutdown(socket.SHUT_RDWR)

    assert caller.call(receiver.url, b"{}", {}).is_success
    caller.close()


def test_a_receiver_that_hangs_is_cut_off(receiver: Receiver, call: Callable[..., Answer], hurried: None) -> None:
    receiver.manners = lambda number: None

    answer = call(receiver.url)

    assert answer.status is None
    assert answer.error == "no complete answer within 0.3 seconds"


def test_a_receiver_that_drips_its_headers_is_cut_off(call: Callable[..., Answer], hurried: None) -> None:
    told = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listening.accept()
        with listening, connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            try:
                # Each byte comes well before any time-out of a read.
                while not told.wait(0.02):
                    connection.sendall(b"x")
            except OSError:
                return

    thread = threading.Thread(target=drip)
    thread.start()
    answer = call(f"http://127.0.0.1:{listening.getsockname()[1]}/")
    told.set()
    thread.join()

    assert answer.error == "no complete answer within 0.3 seconds"


def test_no_more_than_the_first_kilobyte_of_an_answer_is_kept(call: Callable[..., Answer]) -> None:
    size = 50 * 1024 * 1024
    url, thread = serve_raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, b"a" * 1024 * 1024)

    answer = call(url)
    thread.join()

    assert answer.text == "a" * ANSWER_BYTES_MAX


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x00\x01\x02" * 100,
    ],
)
def test_what_is_no_http_is_an_error_and_not_ours(call: Callable[..., Answer], content: bytes) -> None:
    url, thread = serve_raw(content)

    answer = call(url)
    thread.join()

    assert answer.status is None
    assert answer.error and answer.error.isprintable() and len(answer.error) <= 300


def test_an_answer_is_kept_as_text_that_the_database_and_a_console_can_take(call: Callable[..., Answer]) -> None:
    url, thread = serve_raw(b"HTTP/1.1 500 Oh\r\nContent-Length: 9\r\n\r\n\x00\x1b[2J\xff\nok")

    answer = call(url)
    thread.join()

    assert answer.text == "��[2J�\nok"


def test_a_name_that_leads_inside_is_not_called(
    names: dict[str, list[str]], connections: list[tuple[str, int]], call: Callable[..., Answer]
) -> None:
    names["receiver.test"] = [INSIDE]

    answer = call("https://receiver.test/", to_private=False)

    assert "not public" in (answer.error or "")
    assert connections == []


def test_one_address_inside_among_public_ones_is_enough_to_refuse(
    names: dict[str, list[str]], connections: list[tuple[str, int]], call: Callable[..., Answer]
) -> None:
    names["receiver.test"] = [f"{PUBLIC} {INSIDE}"]

    assert "not public" in (call("https://receiver.test/", to_private=False).error or "")
    assert connections == []


def test_a_name_that_changes_its_mind_after_it_was_judged_gains_nothing(
    names: dict[str, list[str]], connections: list[tuple[str, int]], call: Callable[..., Answer]
) -> None:
    names["receiver.test"] = [PUBLIC, INSIDE]

    call("https://receiver.test/", to_private=False)
    call_again = call("https://receiver.test/", to_private=False)

    assert connections == [(PUBLIC, 443)], "the connection goes to the very address that was judged"
    assert "not public" in (call_again.error or "")


def test_a_name_that_is_not_found_is_told(names: dict[str, list[str]], call: Callable[..., Answer]) -> None:
    assert "can't be found" in (call("https://nowhere.test/", to_private=False).error or "")


def test_every_address_of_a_name_is_tried(
    names: dict[str, list[str]], receiver: Receiver, call: Callable[..., Answer]
) -> None:
    names["receiver.test"] = ["127.0.0.2 127.0.0.1"]

    answer = call(f"http://receiver.test:{receiver.port}/")

    assert answer.is_success
    assert receiver.calls[0].headers["host"] == f"receiver.test:{receiver.port}"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))


def secure(receiver: Receiver, authority: trustme.CA, name: str) -> list[str | None]:
    """Have the receiver speak TLS as `name`; the names that it is asked for (SNI)."""
    asked: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    context.sni_callback = lambda connection, server_name, _: asked.append(server_name)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    receiver.server.handle_error = lambda *arguments: None  # type: ignore[method-assign]
    return asked


def test_a_certificate_is_checked_against_the_name_of_the_host(
    receiver: Receiver, authority: trustme.CA, trusted: None, names: dict[str, list[str]], call: Callable[..., Answer]
) -> None:
    asked = secure(receiver, authority, "receiver.test")
    names["receiver.test"] = names["impostor.test"] = [INSIDE]

    good = call(f"https://receiver.test:{receiver.port}/")
    bad = call(f"https://impostor.test:{receiver.port}/")

    assert good.is_success, good
    assert "certificate verify failed" in (bad.error or "")
    assert asked == ["receiver.test", "impostor.test"]
    assert len(receiver.calls) == 1


def test_a_certificate_of_an_unknown_authority_is_refused(
    receiver: Receiver, names: dict[str, list[str]], call: Callable[..., Answer]
) -> None:
    secure(receiver, trustme.CA(), "receiver.test")
    names["receiver.test"] = [INSIDE]

    assert "certificate verify failed" in (call(f"https://receiver.test:{receiver.port}/").error or "")
    assert receiver.calls == []
