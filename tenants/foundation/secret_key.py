"""The installation's own secret, which is never in the database: what hashes and codes are derived from.

`CLEARINGHOUSE_SECRET_KEY` names it; without that it is made once and kept in `var/secret.key`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from flask import current_app

from tenants.foundation.errors import ClearinghouseError

VARIABLE = "CLEARINGHOUSE_SECRET_KEY"
FILE_NAME = "secret.key"
CHARACTERS_MIN = 32


class SecretKeyTooShort(ClearinghouseError):
    code = "secret_key_too_short"


def load_secret_key(var: Path) -> bytes:
    named = os.environ.get(VARIABLE)
    if named is None:
        return kept_key(var / FILE_NAME)
    if len(named) < CHARACTERS_MIN:
        raise SecretKeyTooShort(f"{VARIABLE} must have {CHARACTERS_MIN} characters or more: `openssl rand -hex 32`.")
    return named.encode()


def kept_key(file: Path) -> bytes:
    """The key in `file`, made if it is not there."""
    if not file.exists():
        put_once(file, secrets.token_hex(32))
    return file.read_bytes()


def put_once(file: Path, text: str) -> None:
    """For its owner alone to read; whoever of two makers links it first is the one whose text stays."""
    made = written_beside(file, text)
    try:
        os.link(made, file)
    except FileExistsError:
        pass
    finally:
        made.unlink()


def put_in_place_of(file: Path, text: str) -> None:
    """In one step, and for its owner alone to read."""
    os.replace(written_beside(file, text), file)


def written_beside(file: Path, text: str) -> Path:
    """A file on the disk in the same folder that nobody else may read, not even while it is written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    made = file.with_suffix(f".{secrets.token_hex(8)}")
    made.touch(mode=0o600)
    with made.open("w") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    return made


def derive(purpose: str, *parts: bytes) -> bytes:
    """32 bytes that only this installation can make: HMAC-SHA256 of `purpose` and `parts`, each with its length."""
    key: bytes = current_app.config["SETTINGS"].secret_key
    message = b"".join(len(part).to_bytes(4, "big") + part for part in (purpose.encode(), *parts))
    return hmac.digest(key, message, hashlib.sha256)
