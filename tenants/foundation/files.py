"""Documents reach their folder whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from tenants.foundation.errors import Unavailable


def put_in_place(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Replaces what is at `path` in one step; makes the folders above it. Content in chunks is never all in memory.

    Raises `Unavailable` with code `output_not_written` when the file system refuses; what was at `path`
    before is then still there. A process that is killed leaves a hidden `.part` file, never half a document.
    """
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_to_disk(part, [content] if isinstance(content, bytes) else content)
        os.replace(part, path)
    except OSError as error:
        remove_if_there(part)
        raise Unavailable(
            f"{path} was not written: {error.strerror or error}. "
            "Free space on that disk or correct the folder's permissions, then run the same command again.",
            code="output_not_written",
            path=str(path),
        ) from error
    except BaseException:
        # What gives the chunks has failed, or somebody has interrupted it.
        remove_if_there(part)
        raise


def write_to_disk(path: Path, chunks: Iterable[bytes]) -> None:
    with path.open("xb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        # Some file systems say only now that the disk is full, and a rename must not outrun the content.
        os.fsync(file.fileno())


def remove_if_there(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        # The folder itself is gone or closed to us; the first error is the one to tell.
        return
