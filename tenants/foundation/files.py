"""Documents reach their folder whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from tenants.foundation.errors import Unavailable


def put_in_place(path: Path, content: bytes) -> None:
    """Replaces what is at `path` in one step; makes the folders above it.

    Raises `Unavailable` with code `output_not_written` when the file system refuses; what was at `path`
    before is then still there. A process that is killed leaves a hidden `.part` file, never half a document.
    """
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_to_disk(part, content)
        os.replace(part, path)
    except OSError as error:
        remove_if_there(part)
        raise Unavailable(
            f"{path} was not written: {error.strerror or error}. "
            "Free space on that disk or correct the folder's permissions, then run the same command again.",
            code="output_not_written",
            path=str(path),
        ) from error


def write_to_disk(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        # Some file systems say only now that the disk is full, and a rename must not outrun the content.
        os.fsync(file.fileno())


def remove_if_there(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        # The folder itself is gone or closed to us; the first error is the one to tell.
        return
