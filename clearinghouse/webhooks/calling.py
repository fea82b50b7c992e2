"""One HTTP call to a receiver that may be slow, broken or hostile: everything about it has a limit.

Redirects and proxies of the environment are not followed. Connections are kept open for the next call.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Timer

from clearinghouse.webhooks.addresses import resolve
from clearinghouse.webhooks.rules import Target, parse_retry_after, parse_url
from tenants.foundation.errors import ClearinghouseError

CONNECT_SECONDS_MAX = 3.0
CALL_SECONDS_MAX = 10.0
ANSWER_BYTES_MAX = 1024
ERROR_CHARACTERS_MAX = 300
# What is left of an answer is read, to keep the connection, only when it is at most this.
REMAINDER_BYTES_MAX = 16 * 1024

# What Retry-After says with these holds for every event.
OVERLOADED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


@dataclass(frozen=True)
class Answer:
    """What came of a call: a status and the beginning of the answer, or an error."""

    milliseconds: int
    status: int | None = None
    text: str | None = None
    error: str | None = None
    retry_after: timedelta | None = None

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Line:
    """An open connection to one address."""

    def __init__(self, target: Target, raw: socket.socket, tls: ssl.SSLContext) -> None:
        self._target = target
        self._tls = tls
        self._socket = raw
        # A second handle on the same connection: a TLS socket can't be shut down beside a thread that reads it.
        self._breaker = raw.dup()
        self._http: HTTPConnection | None = None
        self._is_broken = False
        self.is_reusable = False

    def post(self, body: bytes, headers: Mapping[str, str], deadline: float) -> tuple[int, bytes, str | None]:
        """Status, the beginning of the answer, Retry-After. A receiver that drips is cut off at the deadline."""
        self.is_reusable = False
        with self._broken_at(deadline):
            connection = self._greeted()
            connection.request("POST", self._target.path, body, dict(headers))
            response = connection.getresponse()
            content = response.read(ANSWER_BYTES_MAX)
            response.read(REMAINDER_BYTES_MAX)
            self.is_reusable = response.isclosed() and connection.sock is not None
            return response.status, content, response.headers.get("Retry-After")

    def close(self) -> None:
        for handle in (self._http, self._socket, self._breaker):
            if handle is not None:
                handle.close()

    def _greeted(self) -> HTTPConnection:
        if self._http is None:
            target = self._target
            self._http = HTTPConnection(target.host, target.port)
            if target.scheme == "https":
                self._http = HTTPSConnection(target.host, target.port, context=self._tls)
                self._socket = self._tls.wrap_socket(self._socket, server_hostname=target.host)
            # Connected already, to the address that was checked, and never to another one by itself.
            self._http.sock = self._socket
            self._http.auto_open = 0
        return self._http

    @contextmanager
    def _broken_at(self, deadline: float) -> Iterator[None]:
        timer = Timer(max(0.0, deadline - time.monotonic()), self._break)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
        if self._is_broken:
            # The end of the connection has been taken for the end of the headers.
            raise TimeoutError

    def _break(self) -> None:
        self._is_broken = True
        with suppress(OSError):
            self._breaker.shutdown(socket.SHUT_RDWR)


class Caller:
    """Makes calls, from several threads at once."""

    def __init__(self, to_private: bool) -> None:
        self._to_private = to_private
        self._tls = ssl.create_default_context()
        self._idle: dict[str, list[Line]] = defaultdict(list)

    def call(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Never raises for what the receiver, its name or its address does."""
        started = time.monotonic()
        deadline = started + CALL_SECONDS_MAX
        try:
            status, content, retry_after = self._post(url, body, headers, deadline)
        except (OSError, HTTPException, ClearinghouseError, ValueError) as error:
            is_late = time.monotonic() >= deadline
            words = f"no complete answer within {CALL_SECONDS_MAX:g} seconds" if is_late else in_words(error)
            return Answer(milliseconds_since(started), error=words)
        wait = parse_retry_after(retry_after) if status in OVERLOADED else None
        return Answer(milliseconds_since(started), status, as_text(content), retry_after=wait)

    def close(self) -> None:
        for lines in self._idle.values():
            while lines:
                lines.pop().close()

    def _post(
        self, url: str, body: bytes, headers: Mapping[str, str], deadline: float
    ) -> tuple[int, bytes, str | None]:
        with suppress(IndexError):
            idle = self._idle[url].pop()
            try:
                return self._post_on(idle, url, body, headers, deadline)
            except (OSError, HTTPException):
                # The receiver had hung up in the meantime, as it may; a new connection shows whether it is there.
                if time.monotonic() >= deadline:
                    raise
        return self._post_on(self._connect(url, deadline), url, body, headers, deadline)

    def _post_on(
        self, line: Line, url: str, body: bytes, headers: Mapping[str, str], deadline: float
    ) -> tuple[int, bytes, str | None]:
        try:
            answer = line.post(body, headers, deadline)
        except BaseException:
            line.close()
            raise
        if line.is_reusable:
            self._idle[url].append(line)
        else:
            line.close()
        return answer

    def _connect(self, url: str, deadline: float) -> Line:
        target = parse_url(url, self._to_private)
        failure: OSError = TimeoutError()
        for address in resolve(target, self._to_private):
            seconds = min(CONNECT_SECONDS_MAX, deadline - time.monotonic())
            if seconds <= 0:
                break
            try:
                raw = socket.create_connection((address, target.port), timeout=seconds)
            except OSError as error:
                failure = error
                continue
            raw.settimeout(CALL_SECONDS_MAX)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return Line(target, raw, self._tls)
        raise failure


def milliseconds_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def in_words(error: Exception) -> str:
    if isinstance(error, ClearinghouseError):
        return error.message
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return as_text(said.encode())[:ERROR_CHARACTERS_MAX]


def as_text(content: bytes) -> str:
    """Control characters are replaced: the database holds no NUL, and a console should not obey a receiver."""
    text = content.decode("utf-8", "replace")
    return "".join(character if character.isprintable() or character in "\n\t" else "�" for character in text)
