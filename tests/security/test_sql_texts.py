"""SQL is put together when a module is imported, from our own constants: nothing that comes from outside is there
then, so all of it is a parameter.

bandit's own search for this (B608) asks for a remark at each text with braces; this one looks at where it is made.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

PACKAGES = ("tenants", "clearinghouse", "settlement", "migrations")
SQL = re.compile(
    r"\b(SELECT|INSERT INTO|UPDATE \S+ SET|DELETE FROM|(CREATE|ALTER|DROP|TRUNCATE) \w+|PREPARE|EXECUTE|GRANT|REVOKE"
    r"|SET (LOCAL|ROLE)|WITH \w+ AS|JOIN|WHERE|GROUP BY|ORDER BY|COPY)\b"
)
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")

# Made in a function after all, and of what.
KNOWN = {
    ("tenants/foundation/calls.py", "__init__"): "what a statement is made with: see below",
    ("clearinghouse/ledger/checks.py", "count_checked"): "names of tables, which stand two lines below",
    ("clearinghouse/ledger/checks.py", "run_check"): "a text of CHECKS",
    ("clearinghouse/backups/restoring.py", "recover"): "names of settings, which stand a line above",
    ("clearinghouse/partitions/queries.py", "of_month"): "a date, of which names of tables are made too",
    ("migrations/online.py", "create_index"): "what a revision names",
    ("migrations/online.py", "in_batches"): "a revision's own statement",
    ("settlement/checks/queries.py", "differences"): "a text of this module: only settlement/checks calls it",
}

Found = tuple[str, str, str]


def find_sql_made_in_functions(path: str, tree: ast.Module) -> Iterator[Found]:
    """(path, function, what): texts with something put in that is no constant, and whatever `text` is given."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if any(not is_constant(part) for part in put_into_sql(node)):
                    yield path, function.name, ast.unparse(node)[:60]


def put_into_sql(node: ast.AST) -> list[ast.expr]:
    """What a piece of code puts into a text of SQL, or has run as one."""
    match node:
        case ast.JoinedStr(values=values):
            fixed = "".join(str(part.value) for part in values if isinstance(part, ast.Constant))
            return (
                [part.value for part in values if isinstance(part, ast.FormattedValue)] if SQL.search(fixed) else []
            )
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(fixed)), attr="format")) if SQL.search(fixed):
            return [*node.args, *(keyword.value for keyword in node.keywords)]
        case ast.BinOp(left=ast.Constant(value=str(fixed)), right=part) if SQL.search(fixed):
            return [part]
        case ast.BinOp(left=part, right=ast.Constant(value=str(fixed))) if SQL.search(fixed):
            return [part]
        case ast.Call(func=ast.Name(id="text" | "Statement"), args=[*_, argument]):
            return [] if isinstance(argument, ast.JoinedStr) else [argument]
    return []


def is_constant(part: ast.expr) -> bool:
    return isinstance(part, ast.Constant) or (isinstance(part, ast.Name) and bool(CONSTANT.fullmatch(part.id)))


def test_no_function_puts_anything_into_sql_but_constants() -> None:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            found += find_sql_made_in_functions(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text()))

    assert [each for each in found if each[:2] not in KNOWN] == []
    assert {each[:2] for each in found} == KNOWN.keys(), "a known place is not found any more"


@pytest.mark.parametrize(
    "code",
    [
        "session.execute(text(f'SELECT 1 FROM x WHERE name = {name}'))",
        "session.execute(text('SELECT 1 FROM x WHERE name = ' + name))",
        "session.execute(text('SELECT 1 FROM x WHERE name = %s' % name))",
        "session.execute(text('SELECT 1 FROM x WHERE name = {}'.format(name)))",
        "session.execute(text(name))",
        "cursor.execute(name + ' ORDER BY 1')",
        "Statement('ask', 'uuid', name)",
    ],
)
def test_what_is_looked_for_is_found(code: str) -> None:
    tree = ast.parse(f"def ask(session, cursor, name):\n    {code}")

    assert list(find_sql_made_in_functions("a.py", tree))


@pytest.mark.parametrize(
    "code",
    [
        "session.execute(text('SELECT 1 FROM x WHERE name = :name'), {'name': name})",
        "session.execute(ALL)",
        "cursor.execute(f'CREATE DATABASE {DATABASE_NAME}')",
        "print(f'{name} is where we are')",
    ],
)
def test_parameters_and_constants_are_not(code: str) -> None:
    tree = ast.parse(f"def ask(session, cursor, name):\n    {code}")

    assert list(find_sql_made_in_functions("a.py", tree)) == []
