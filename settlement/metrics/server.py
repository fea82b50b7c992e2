"""Metrics for Prometheus, at an address of their own: `clearinghouse serve` answers there, its HTTP workers don't."""

from __future__ import annotations

import atexit
import logging
import os
import re
import shutil
import struct
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from settlement.metrics.collecting import Installation
from tenants.foundation.config import Settings

log = logging.getLogger(__name__)

MEMORY = Path("/dev/shm")  # nosec B108 # mkdtemp makes a folder there that nobody else can enter

TRIES_MAX, TRY_AGAIN_SECONDS = 5, 0.1

# Gauges of a process that has ended would be counted on.
LIVE_FILE = re.compile(r"gauge_live[a-z]*_(\d+)\.db")


class CountsOfWorkers(MultiProcessCollector):
    """What the HTTP workers have counted, of those gone too; how many connections they have, of the living."""

    def __init__(self, registry: CollectorRegistry, folder: Path) -> None:
        super().__init__(registry, str(folder))
        self.folder = folder

    def collect(self) -> Iterable[Metric]:
        for file in self.folder.iterdir():
            found = LIVE_FILE.fullmatch(file.name)
            if found and not Path(f"/proc/{found[1]}").exists():
                mark_process_dead(int(found[1]), str(self.folder))
        for _ in range(TRIES_MAX):
            try:
                return list(super().collect())
            except (OSError, ValueError, struct.error):
                # A worker that has just been started is making its file, which is empty for a moment.
                time.sleep(TRY_AGAIN_SECONDS)
        log.warning("the counts of the HTTP workers could not be read; all else is told")
        return []


def counts_folder(settings: Settings, port: int) -> Path:
    """Of the `serve` with this port for metrics, empty.

    In memory where that can be: counts are mapped files, and a process that writes to one when the disk is full is
    killed by the kernel.
    """
    if not os.access(MEMORY, os.W_OK):
        folder = settings.var / "metrics" / str(port)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder
    prefix = f"clearinghouse-metrics-{port}-"
    for left in MEMORY.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def serve_metrics(settings: Settings, host: str, port: int, folder: Path) -> None:
    """In a thread of this process, until it ends."""
    registry = CollectorRegistry()
    CountsOfWorkers(registry, folder)
    registry.register(Installation(settings))
    start_http_server(port, host, registry)
