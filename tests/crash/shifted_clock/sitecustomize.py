"""Python loads this first in every process of an installation whose clock a test sets.

What the program takes for now is off by the seconds that are in the file.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tenants.foundation import clock

OFFSET = Path(os.environ["SHIFTED_CLOCK"])


def shifted_now() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=int(OFFSET.read_text()))


clock.now = shifted_now
