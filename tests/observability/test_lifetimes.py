"""Signals that wait, and children that end with whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tenants.foundation.lifetimes import descendants_of, undisturbed
from tests.conftest import ROOT
from tests.observability.serving import is_running
from tests.waiting import wait_until


def test_a_signal_has_its_effect_after_what_must_not_be_disturbed() -> None:
    done = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: done.append("signal"))
    try:
        with undisturbed():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("work")
    finally:
        signal.signal(signal.SIGTERM, before)

    assert done == ["work", "signal"]


# A parent that ends at once leaves a child that would go on for an hour; `{before}` is done before the child looks,
# and `{after}` when it has.
PARENT = """
import os, subprocess, sys
child = "import time; {before}; " \
    "from tenants.foundation.lifetimes import end_with_serve; end_with_serve({patience}); {after}; time.sleep(3600)"
environment = {{**os.environ, "CLEARINGHOUSE_PARENT": str(os.getpid())}}
process = subprocess.Popen([sys.executable, "-c", child], env=environment, stdout=subprocess.DEVNULL)
print(process.pid, flush=True)
if {waits}:
    sys.stdin.read()
os._exit(0)
"""


def a_parent(
    before: str = "pass", patience: str = "", after: str = "pass", waits: bool = True
) -> tuple[subprocess.Popen[str], int]:
    """A parent and its child."""
    program = PARENT.format(before=before, patience=patience, after=after, waits=waits)
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout and parent.stdin
    return parent, int(parent.stdout.readline())


@pytest.mark.parametrize(("before", "waits"), [("time.sleep(1)", False), ("pass", True)], ids=["late", "ready"])
def test_a_child_ends_with_its_parent_even_when_that_was_gone_before_it_could_look(before: str, waits: bool) -> None:
    parent, child = a_parent(before, waits=waits)
    if waits:
        assert list(descendants_of(parent.pid)) == [child]
        parent.kill()
    parent.communicate()

    wait_until(lambda: not is_running(child))


def test_a_child_that_did_not_heed_the_signal_is_killed_when_patience_is_over(tmp_path: Path) -> None:
    ready = tmp_path / "deaf"
    deaf = f"import signal, pathlib; signal.signal(15, signal.SIG_IGN); pathlib.Path('{ready}').touch()"
    parent, child = a_parent(patience="0.5", after=deaf)
    wait_until(ready.exists)
    parent.kill()
    parent.communicate()

    wait_until(lambda: not is_running(child), seconds_max=30)
