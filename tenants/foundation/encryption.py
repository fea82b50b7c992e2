"""Personal data, unreadable to whoever has the database alone: AES-256-GCM, with keys that are kept outside of it.

`CLEARINGHOUSE_DATA_KEYS` names the keys, separated by commas; without that they are the lines of `var/data.keys`,
made by `clearinghouse init` and read again when the file has changed. The first key encrypts, all decrypt.
The id of a key is the beginning of its SHA-256, so that no other key can go by the same id.

An encrypted value is its version (1 byte), the id of its key (4), a nonce (12) and the ciphertext with its tag. Its
associated data name network, column and row: elsewhere it can't be decrypted.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import current_app

from tenants.foundation.database import Base
from tenants.foundation.errors import IntegrityFailure, Unavailable
from tenants.foundation.secret_key import put_once

VARIABLE = "CLEARINGHOUSE_DATA_KEYS"
FILE = "data.keys"

VERSION = b"\x01"
KEY_ID_BYTES = 4
NONCE_BYTES = 12
HEADER_BYTES = len(VERSION) + KEY_ID_BYTES + NONCE_BYTES
KEY_PATTERN = r"[0-9a-fA-F]{64}"

SUFFIX = "_encrypted"


class DataKeysInvalid(Unavailable):
    code = "data_keys_invalid"


@dataclass(frozen=True)
class DataKey:
    """`secret` is 32 bytes, `key_id` the first four of its SHA-256."""

    key_id: bytes
    secret: bytes

    @property
    def shown(self) -> str:
        return self.key_id.hex()

    def cipher(self) -> Any:
        # Seven megabytes of every process that loads it; tills' requests need none of it.
        return importlib.import_module("cryptography.hazmat.primitives.ciphers.aead").AESGCM(self.secret)


def data_key(secret: bytes) -> DataKey:
    return DataKey(hashlib.sha256(secret).digest()[:KEY_ID_BYTES], secret)


def new_key_text() -> str:
    return secrets.token_hex(32)


class Keyring:
    """The keys, the encrypting one first. Safe to share between threads."""

    def __init__(self, var: Path) -> None:
        self.file = var / FILE
        self._read: tuple[object, tuple[DataKey, ...]] = (None, ())

    @property
    def is_file(self) -> bool:
        return VARIABLE not in os.environ

    def load(self) -> tuple[DataKey, ...]:
        """Read anew whenever they have changed: a key that was added is known to every process of this machine."""
        named = os.environ.get(VARIABLE)
        state: object = named if named is not None else self._state_of_file()
        if self._read[0] != state:
            self._read = (state, parse_keys(named if named is not None else self.file.read_text()))
        return self._read[1]

    def make(self) -> None:
        """The first key, unless there is one. Nobody makes one by the way: what it encrypts others could not read."""
        if self.is_file and not self.file.exists():
            put_once(self.file, new_key_text() + "\n")

    def _state_of_file(self) -> tuple[int, int]:
        try:
            status = self.file.stat()
        except FileNotFoundError as error:
            raise DataKeysInvalid(
                f"There is no {self.file}: copy it from the machine or the backup that has the data keys. Where "
                "there are none yet, `clearinghouse init` makes the first."
            ) from error
        return status.st_ino, status.st_mtime_ns

    def find(self, key_id: bytes) -> DataKey:
        """Raises `Unavailable` for a key that this process doesn't know."""
        for key in self.load():
            if key.key_id == key_id:
                return key
        raise Unavailable(
            f"Personal data is encrypted with the key {key_id.hex()}, which is not among the data keys here: put it "
            f"back into var/{FILE} or {VARIABLE}.",
            code="data_key_missing",
            key_id=key_id.hex(),
        )


def parse_keys(text: str) -> tuple[DataKey, ...]:
    """Raises `DataKeysInvalid`, which says where but repeats nothing of a key."""
    words = [word for word in re.split(r"[,\s]+", text) if word]
    wrong = [place for place, word in enumerate(words, 1) if not re.fullmatch(KEY_PATTERN, word)]
    if wrong or not words or len(set(words)) < len(words):
        what = f"number {wrong[0]} is none" if wrong else "there is none" if not words else "one is there twice"
        raise DataKeysInvalid(
            f"Data keys are 64 hexadecimal digits each (`openssl rand -hex 32`); {what}. See var/{FILE} or "
            f"{VARIABLE}."
        )
    return tuple(data_key(bytes.fromhex(word)) for word in words)


def keyring() -> Keyring:
    """The keyring of the running application."""
    extensions = current_app.extensions
    if "keyring" not in extensions:
        extensions["keyring"] = Keyring(current_app.config["SETTINGS"].var)
    found: Keyring = extensions["keyring"]
    return found


def encrypt(value: bytes, tenant_id: UUID, column: str, row_id: UUID) -> bytes:
    """`column` as in `tenants.members.name`: there and nowhere else it can be decrypted."""
    key, nonce = keyring().load()[0], os.urandom(NONCE_BYTES)
    header = VERSION + key.key_id + nonce
    sealed: bytes = key.cipher().encrypt(nonce, value, associated_data(header, tenant_id, column, row_id))
    return header + sealed


def decrypt(sealed: bytes, tenant_id: UUID, column: str, row_id: UUID) -> bytes:
    """Raises `IntegrityFailure` for what was altered or moved, `Unavailable` when its key is missing."""
    header, nonce = sealed[:HEADER_BYTES], sealed[HEADER_BYTES - NONCE_BYTES : HEADER_BYTES]
    if header[:1] != VERSION or len(sealed) <= HEADER_BYTES:
        raise altered(column, row_id)
    key = keyring().find(key_id_of(sealed))
    try:
        value: bytes = key.cipher().decrypt(
            nonce, sealed[HEADER_BYTES:], associated_data(header, tenant_id, column, row_id)
        )
    except importlib.import_module("cryptography.exceptions").InvalidTag as error:
        raise altered(column, row_id) from error
    return value


def key_id_of(sealed: bytes) -> bytes:
    return sealed[len(VERSION) : len(VERSION) + KEY_ID_BYTES]


def associated_data(header: bytes, tenant_id: UUID, column: str, row_id: UUID) -> bytes:
    return header + tenant_id.bytes + row_id.bytes + column.encode()


def altered(column: str, row_id: UUID) -> IntegrityFailure:
    return IntegrityFailure(
        f"What is encrypted in {column} of row {row_id} was altered, or belongs elsewhere: somebody has written to "
        "the database past the program. Restore the value from a backup, or enter it anew.",
        code="personal_data_altered",
    )


def read_field(row: Base, field: str) -> str | None:
    """What the row has in `<field>_encrypted`.

    A plain value beside it was written by the release before, while it ran beside this one: it is newer.
    """
    value = read_bytes(row, field)
    return value.decode() if isinstance(value, bytes) else value


def read_bytes(row: Base, field: str) -> bytes | None:
    plain = getattr(row, field, None)
    if plain is not None:
        return plain if isinstance(plain, bytes) else str(plain).encode()
    sealed = getattr(row, field + SUFFIX)
    return None if sealed is None else decrypt(sealed, *place_of(row, field))


def write_field(row: Base, field: str, value: str | bytes | None) -> None:
    """The row must have its ids already."""
    plain = value.encode() if isinstance(value, str) else value
    setattr(row, field + SUFFIX, None if plain is None else encrypt(plain, *place_of(row, field)))
    if hasattr(type(row), field):
        setattr(row, field, None)


def place_of(row: Base, field: str) -> tuple[UUID, str, UUID]:
    """Network, column and id of the row."""
    tenant_id, row_id = (getattr(row, column.key) for column in row.__table__.primary_key)
    return tenant_id, f"{row.__table__}.{field}", row_id
