"""No pattern takes for ever over a text that somebody has made for it (a body may have 8 MiB)."""

from __future__ import annotations

import ast
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from types import FrameType

import pytest

from tests.conftest import ROOT
from tests.security.operations import document

CALLS = re.compile(r"(re\.(compile|fullmatch|match|search|sub|split|findall|finditer)|validate\.Regexp)$")
# What a pattern that goes through its text once is done with at once; one that goes through it for each character,
# twice over, would take minutes.
LENGTH = 20_000
HANGS_SECONDS = 60


def patterns_in_code() -> Iterator[str]:
    """Those that stand in a call, and constants that are named as patterns."""
    for package in ("tenants", "clearinghouse", "settlement"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(func=called, args=[ast.Constant(value=str(pattern)), *_]):
                        if CALLS.search(ast.unparse(called)):
                            yield pattern
                    case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(pattern))):
                        if name.endswith("PATTERN"):
                            yield pattern


def patterns_in_document(part: object) -> Iterator[str]:
    """Of fields, in the schemas: these are what bodies meet first."""
    if isinstance(part, dict):
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from patterns_in_document(each)


def attacks(pattern: str) -> Iterator[str]:
    """Long texts of one or two of the characters that the pattern knows, with an end that fits nothing."""
    known = sorted({character for character in pattern if character.isprintable()} | set("a0A -.\n"))
    units = [*known, *("".join(pair) for pair in product("a0 -.:/,", repeat=2))]
    return ((unit * LENGTH)[:LENGTH] + "\x00" for unit in units)


@contextmanager
def no_hanging() -> Iterator[None]:
    def give_up(number: int, frame: FrameType | None) -> None:
        raise TimeoutError("this pattern hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(HANGS_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


PATTERNS = sorted({*patterns_in_code(), *patterns_in_document(document())})


@pytest.mark.parametrize("pattern", PATTERNS, ids=ascii)
def test_a_pattern_does_not_hang(pattern: str) -> None:
    compiled = re.compile(pattern)

    with no_hanging():
        for text in attacks(pattern):
            compiled.match(text)
            compiled.fullmatch(text)


def test_there_are_patterns_to_try() -> None:
    assert len(PATTERNS) > 40


@pytest.mark.parametrize("pattern", [r"(a+)+b", r"(a|a)*b", r"(\d+)*$b"])
def test_a_pattern_that_hangs_is_found(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "HANGS_SECONDS", 1)

    with pytest.raises(TimeoutError):
        test_a_pattern_does_not_hang(pattern)
