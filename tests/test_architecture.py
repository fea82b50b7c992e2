"""The shape of the project: which way imports go, and that what checks it has looked at something."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("tenants", "clearinghouse", "settlement")
# What draws papers and workbooks takes 11 MB of memory: who draws loads it, not each worker of the HTTP server.
ON_DEMAND = {
    "clearinghouse.cards.labels_pdf",
    "settlement.reports.pdf",
    "settlement.reports.xlsx",
    "settlement.statements.advice_pdf",
    "settlement.statements.pdf",
}
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_imports_go_one_way() -> None:
    linter = Path(sys.executable).parent / "lint-imports"

    found = subprocess.run([linter, "--config", "setup.cfg"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stdout
    analysed = re.search(r"Analyzed (\d+) files", found.stdout)
    assert analysed is not None and int(analysed[1]) >= 100
    assert "Contracts: 3 kept, 0 broken." in found.stdout


def test_the_sources_were_found() -> None:
    assert len(SOURCES) > 80


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_is_hidden_inside_a_function_but_of_what_draws(path: Path) -> None:
    tree = ast.parse(path.read_text())

    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    hidden = [n for f in functions for n in ast.walk(f) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert {node.module if isinstance(node, ast.ImportFrom) else None for node in hidden} <= ON_DEMAND


def test_a_worker_of_the_http_server_has_not_loaded_what_draws() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import sys, cli; print(*sys.modules)"], cwd=ROOT, capture_output=True, text=True
    )

    loaded = set(said.stdout.split())
    assert "settlement.reports.web" in loaded, said.stderr
    assert loaded & {*ON_DEMAND, "reportlab", "xlsxwriter"} == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_command_line_composes_the_packages(path: Path) -> None:
    imported = re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.MULTILINE)

    assert "cli" not in imported
