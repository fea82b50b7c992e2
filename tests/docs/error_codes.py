"""Every error code that the program can give, found in its source, with its HTTP status."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from clearinghouse.pos.refusals import REFUSALS
from tenants.foundation.errors import ClearinghouseError
from tests.conftest import ROOT

PACKAGES = ("clearinghouse", "tenants", "settlement")
SQL = ROOT / "clearinghouse" / "ledger" / "sql"

# (module like `clearinghouse/pos/service.py`, code, status)
Found = tuple[str, str, int]


def find_codes() -> Iterator[Found]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = path.relative_to(ROOT).as_posix()
            for code, status in codes_in(ast.parse(path.read_text())):
                yield module, code, status
    for code, (kind, _) in REFUSALS.items():
        yield "clearinghouse/pos/refusals.py", code, kind.http_status


def codes_in(tree: ast.AST) -> Iterator[tuple[str, int]]:
    errors = {kind.__name__: kind for kind in all_errors(ClearinghouseError)}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name), keywords=keywords) if name in errors:
                code = next((keyword.value for keyword in keywords if keyword.arg == "code"), None)
                if code is None:
                    yield errors[name].code, errors[name].http_status
                elif isinstance(code, ast.Constant):
                    yield code.value, errors[name].http_status
            case ast.Raise(exc=ast.Name(id=name)) if name in errors:
                yield errors[name].code, errors[name].http_status
            case ast.Call(
                func=ast.Name(id="problem"), args=[ast.Constant(value=status), ast.Constant(value=code), *_]
            ):
                yield code, status
            # What becomes of errors of HTTP itself.
            case ast.Assign(targets=[ast.Name(id="codes")], value=ast.Dict(keys=[ast.Constant(), *_]) as codes):
                yield from ((code, status) for status, code in ast.literal_eval(codes).items())


def all_errors(kind: type[ClearinghouseError]) -> Iterator[type[ClearinghouseError]]:
    yield kind
    for special in kind.__subclasses__():
        yield from all_errors(special)


def codes_in_sql() -> set[str]:
    """What the posting function refuses in so many words; others it puts together (`card_` and the status)."""
    texts = [path.read_text() for path in sorted(SQL.glob("*.sql"))]
    return {code for text in texts for code in re.findall(r"ledger\.(?:refused|refusal)\('(\w*[a-z])'", text)}


def codes_in_table(text: str) -> dict[str, Any]:
    """Code -> status, of the rows `| `code`, `code` | 404 | … |`."""
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (\d{3}) \|", text, re.MULTILINE)
    named = [(code, int(status)) for codes, status in rows for code in re.findall(r"\w+", codes)]
    assert len(dict(named)) == len(named), "a code has two rows"
    return dict(named)
