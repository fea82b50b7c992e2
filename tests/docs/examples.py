"""The examples of a document: read from its fenced blocks, run in order, and compared with what it says.

| block | what it is |
| --- | --- |
| `sh` with `curl …` | one call; the next block is its answer |
| `sh` otherwise | commands, one a line: `clearinghouse …`, or `NAME=$(clearinghouse … --json | jq -r .field)` |
| `json 201` | the body of the answer, and its status: 200 when left out, that of a problem when it is one |
| `http` | an answer of `curl -i`: status line, the headers that matter, body |

Blocks of other languages are for people only. What differs between two runs (ids, keys, codes, moments) is written as
in a real answer and compared by its form; an id that comes again has to be the same thing again. `"…"` stands for the
members of an object, or the items at the end of a list, that are left out.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tenants.foundation import clock

FENCE = re.compile(r"^```(\w+)(?: (\d+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CAPTURE = re.compile(r"(\w+)=\$\((clearinghouse .*) \| jq -r \.(\w+)\)")
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"
DAY = r"\d{4}-\d\d-\d\d"

# What is bound to what it is in this run, and what is compared by its form only.
NAMED = {"id": r"[a-z]{3}_[0-9a-z]{26}", "key": r"(?:pos|hq)_\S+", "code": r"\d{8}", "scanned": r"\d{16}-\d{8}"}
TIMES = {"moment": MOMENT, "day": DAY, "month": r"\d{4}-\d\d"}
# Numbers that depend on how quick the machine is.
MEASURED = {"clock_skew_seconds"}

# A day that is farther away may be the end of a month, and that moves by more or less days.
FAR_AWAY = timedelta(days=28)

REST = "…"
CALLS_MAX = 100


@dataclass(frozen=True)
class Call:
    """One `curl`, with the shell's variables still in it, and the answer it should get."""

    text: str
    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: list[tuple[str, str]]
    data: str | None


@dataclass
class Run:
    """One run of a document whose examples happen at `written_at`: its moments and days move to `started_at`."""

    client: FlaskClient
    command: Callable[[list[str]], dict[str, Any]]
    written_at: datetime
    started_at: datetime
    time_zone: str
    variables: dict[str, str]
    # What stands in the document -> what it is here.
    bound: dict[str, str] = field(default_factory=dict)

    def step(self, step: str | Call) -> None:
        if isinstance(step, Call):
            self.call(step)
        else:
            self.set_up(step)

    def set_up(self, line: str) -> None:
        captured = CAPTURE.fullmatch(line)
        words = shlex.split(self.resolve(captured[2] if captured else line))
        assert words[0] == "clearinghouse", f"only its own commands are run: {line}"
        printed = self.command(words[1:])
        if captured:
            self.variables[captured[1]] = printed[captured[3]]

    def call(self, call: Call) -> None:
        request = parse_curl(self.resolve(call.text))
        answer = self.send(request)
        if call.status == 429:
            # How many pass depends on how quick they are.
            for _ in range(CALLS_MAX):
                answer = answer if answer.status_code == 429 else self.send(request)
        assert answer.status_code == call.status, f"{call.text}\n{answer.get_data(as_text=True)}"
        for name, value in call.headers.items():
            assert without_count(answer.headers.get(name, "")) == without_count(value), f"{call.text}\n{name}"
        self.compare(call.body, answer.json, call.text)

    def send(self, request: Request) -> TestResponse:
        return self.client.open(request.path, method=request.method, headers=request.headers, data=request.data)

    def resolve(self, text: str) -> str:
        """The document's text as it is here: variables, bound values, moments and days."""
        text = re.sub(r"\$(\w+)", lambda found: self.variables[found[1]], text)
        for written in sorted(self.bound, key=len, reverse=True):
            text = text.replace(written, self.bound[written])
        text = re.sub(MOMENT, lambda found: self.moment_here(found[0]), text)
        return re.sub(rf"\b{DAY}(?![T\d])", lambda found: self.day_here(found[0]), text)

    def moment_here(self, written: str) -> str:
        return (datetime.fromisoformat(written) + (self.started_at - self.written_at)).isoformat()

    def day_here(self, written: str) -> str:
        today = clock.business_date(self.started_at, self.time_zone)
        return (date.fromisoformat(written) + (today - self.written_at.date())).isoformat()

    def compare(self, written: Any, here: Any, where: str) -> None:
        if isinstance(written, dict):
            assert isinstance(here, dict), f"{where}: {here!r}"
            names = written.keys() - {REST}
            # Every problem has one; the document says so once.
            here = {name: value for name, value in here.items() if name != "request_id" or name in names}
            assert names <= here.keys() if REST in written else names == here.keys(), f"{where}: {sorted(here)}"
            for name in names - MEASURED:
                self.compare(written[name], here[name], f"{where}\n.{name}")
        elif isinstance(written, list):
            assert isinstance(here, list), f"{where}: {here!r}"
            items = written[:-1] if REST in written else written
            assert len(items) <= len(here) if REST in written else len(items) == len(here), f"{where}: {here!r}"
            for place, item in enumerate(items):
                self.compare(item, here[place], f"{where}\n[{place}]")
        elif isinstance(written, str) and isinstance(here, str):
            self.compare_texts(written, here, where)
        else:
            assert (type(written), written) == (type(here), here), f"{where}: {here!r}"

    def compare_texts(self, written: str, here: str, where: str) -> None:
        form = form_of(written)
        assert written == here if form is None else form == form_of(here), f"{where}: {written!r} is {here!r}"
        if form is not None and form.split()[0] in NAMED:
            assert self.bound.setdefault(written, here) == here, f"{where}: {written} was {self.bound[written]}"
            assert list(self.bound.values()).count(here) == 1, f"{where}: {here} has two names in the document"
        elif form == "day" and abs(date.fromisoformat(written) - self.written_at.date()) < FAR_AWAY:
            assert here == self.day_here(written), f"{where}: {written} is {here}"


def form_of(text: str) -> str | None:
    for name, pattern in (NAMED | TIMES).items():
        if re.fullmatch(pattern, text):
            return f"{name} {text[:4]}" if name in ("id", "key") else name
    return None


def without_count(header: str) -> str:
    """How many requests are left depends on how quick the last ones were."""
    return re.sub(r"\br=\d+", "r=0", header)


def read_document(text: str) -> Iterator[str | Call]:
    """Its commands and calls, in order."""
    curl: str | None = None
    for language, status, content in FENCE.findall(text):
        if language == "sh" and content.startswith("curl"):
            assert curl is None, f"a call without its answer:\n{curl}"
            curl = content
        elif language == "sh":
            yield from content.replace("\\\n", " ").splitlines()
        elif language in ("json", "http"):
            assert curl is not None, f"an answer without its call:\n{content}"
            yield read_http(curl, content) if language == "http" else read_json(curl, content, status)
            curl = None
    assert curl is None, f"a call without its answer:\n{curl}"


def read_json(curl: str, content: str, status: str) -> Call:
    body = json.loads(content)
    problem_status = body.get("status") if "code" in body else None
    return Call(curl, int(status or problem_status or 200), {}, body)


def read_http(curl: str, content: str) -> Call:
    head, _, body = content.partition("\n\n")
    status_line, *lines = head.splitlines()
    headers = dict(line.split(": ", 1) for line in lines)
    return Call(curl, int(status_line.split()[1]), headers, json.loads(body))


def parse_curl(text: str) -> Request:
    """Knows `-X`, `-H`, `-d` and `-i`, as little as the document uses."""
    words = iter(shlex.split(text.replace("\\\n", " ")))
    assert next(words) == "curl", text
    method, data, urls, headers = None, None, [], []
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, value = next(words).split(": ", 1)
            headers.append((name, value))
        elif word == "-d":
            data = next(words)
        elif word != "-i":
            assert word.startswith("/"), f"{word!r} is no option that is known here, and no path"
            urls.append(word)
    [path] = urls
    return Request(method or ("GET" if data is None else "POST"), path, headers, data)
