"""What `serve` does when the HTTP server ends by itself: a program in its place that counts its starts in a file."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from settlement.serving import processes
from settlement.serving.processes import HTTP_STARTS_MAX, serve_until_told
from tenants.foundation.config import Settings
from tenants.foundation.errors import ClearinghouseError

LIVES_FROM_START = """
import os, signal, sys, time
with open(sys.argv[1], "a+") as starts:
    starts.write(".")
    starts.seek(0)
    count = len(starts.read())
if count < int(sys.argv[2]):
    sys.exit(3)
os.kill(os.getppid(), signal.SIGTERM)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "RESTART_SECONDS", 0.0)
    monkeypatch.setattr(processes, "POLL_SECONDS", 0.01)


def serve(settings: Settings, starts: Path, lives_from: int) -> int:
    command = [sys.executable, "-c", LIVES_FROM_START, str(starts), str(lives_from)]
    with processes.noting_stop_signals() as signals:
        return serve_until_told({"http": command}, signals, settings.var)


@pytest.mark.usefixtures("context")
def test_an_http_server_that_gives_up_soon_is_started_again_and_may_yet_serve(
    settings: Settings, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"

    assert serve(settings, starts, HTTP_STARTS_MAX) == signal.SIGTERM
    assert starts.read_text() == "." * HTTP_STARTS_MAX


@pytest.mark.usefixtures("context")
def test_an_http_server_that_can_not_start_ends_serve(settings: Settings, tmp_path: Path) -> None:
    starts = tmp_path / "starts"

    with pytest.raises(ClearinghouseError, match="The HTTP server ended with status 3; see above"):
        serve(settings, starts, HTTP_STARTS_MAX + 1)
    assert starts.read_text() == "." * HTTP_STARTS_MAX
