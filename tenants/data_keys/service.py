"""The keys that personal data are encrypted with: listed, added, put to use, retired.

What is encrypted is found in the models: every column `<field>_encrypted`, in whichever table. Rows are written as
the database's owner, as migrations are: the application itself may not change bank accounts or payment files.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    Column,
    Connection,
    LargeBinary,
    Row,
    Table,
    Uuid,
    and_,
    cast,
    column,
    func,
    or_,
    select,
    text,
    tuple_,
    update,
    values,
)

from tenants.foundation.database import db, owner_connection
from tenants.foundation.encryption import (
    KEY_ID_BYTES,
    SUFFIX,
    VARIABLE,
    DataKey,
    data_key,
    decrypt,
    encrypt,
    keyring,
    new_key_text,
    parse_keys,
)
from tenants.foundation.errors import Conflict, IntegrityFailure, NotFound
from tenants.foundation.secret_key import put_in_place_of

log = logging.getLogger(__name__)

# What one transaction encrypts: milliseconds, and nobody who posts waits for it.
ROWS_AT_ONCE = 250
NOBODY = UUID(int=0)
# Two who encrypt at once would do everything twice.
LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('clearinghouse.data_keys', 0))")


class KeyUse(NamedTuple):
    """`role`: `encrypts`, `decrypts`, or `missing` for one that only rows know of; `values` are encrypted with it."""

    key_id: str
    role: str
    values: int


class Progress(NamedTuple):
    table: str
    rows: int


def encrypted_tables() -> list[Table]:
    found = [table for table in db.metadata.sorted_tables if fields_of(table)]
    assert found, "no encrypted columns were found"
    return found


def fields_of(table: Table) -> list[str]:
    return [each.key.removesuffix(SUFFIX) for each in table.columns if each.key.endswith(SUFFIX)]


def list_data_keys() -> list[KeyUse]:
    """In the order of the keyring, then those that are missing there."""
    counted = count_values()
    known = [key.shown for key in keyring().load()]
    roles = {key_id: "encrypts" if place == 0 else "decrypts" for place, key_id in enumerate(known)}
    ids = [*known, *sorted(counted.keys() - roles.keys())]
    return [KeyUse(key_id, roles.get(key_id, "missing"), counted.get(key_id, 0)) for key_id in ids]


def count_values() -> dict[str, int]:
    """By the id of their key."""
    counted: dict[str, int] = {}
    with owner_connection() as connection:
        for table in encrypted_tables():
            for field in fields_of(table):
                sealed = table.columns[field + SUFFIX]
                key_id = func.encode(key_id_in(sealed), "hex")
                statement = select(key_id, func.count()).where(sealed.is_not(None)).group_by(key_id)
                for found, count in connection.execute(statement):
                    counted[found] = counted.get(found, 0) + count
    return counted


def count_plain() -> int:
    """Rows with a value that the release before has left plain."""
    with owner_connection() as connection:
        return sum(
            connection.scalar(select(func.count()).select_from(table).where(is_plain(table))) or 0
            for table in encrypted_tables()
        )


def ensure_data_keys() -> None:
    """The first key of an installation. Raises `Conflict` when the keys are gone with which rows are encrypted."""
    ring = keyring()
    if ring.is_file and not ring.file.exists():
        missing = sorted(count_values())
        if missing:
            raise Conflict(
                f"Personal data is encrypted with the keys {', '.join(missing)}, and {ring.file} is gone: put it "
                "back from where it is backed up. A new key would not read what is there.",
                code="data_keys_lost",
            )
        ring.make()


def add_data_key() -> DataKey:
    """Known from now on, and not yet used: processes on other machines have to be told of it first."""
    ring = keyring()
    check_kept_in_file(f"{VARIABLE} names the keys here: put a new one (`openssl rand -hex 32`) behind the others "
                       "there, restart every process, then put it first, restart them again, and run "
                       "`clearinghouse data-key encrypt`.")  # fmt: skip
    made = new_key_text()
    write_keys([*(key.secret.hex() for key in ring.load()), made])
    return data_key(bytes.fromhex(made))


def use_data_key(key_id: str) -> DataKey:
    """Encrypt with it from now on; what is there already `encrypt_rows` encrypts anew."""
    key = find_data_key(key_id)
    others = [other for other in keyring().load() if other != key]
    if keyring().load()[0] != key:
        check_kept_in_file(f"{VARIABLE} names the keys here: put this one first there, restart every process, then "
                           "run `clearinghouse data-key encrypt`.")  # fmt: skip
        write_keys([each.secret.hex() for each in (key, *others)])
    return key


def retire_data_key(key_id: str) -> None:
    """Forget it here. Raises `Conflict` while it encrypts, or while something is encrypted with it."""
    key = find_data_key(key_id)
    others = [other for other in keyring().load() if other != key]
    if keyring().load()[0] == key:
        raise Conflict(f"Key {key_id} encrypts: add another and rotate to that first.", code="data_key_in_use")
    count = count_values().get(key_id, 0)
    if count:
        raise Conflict(
            f"{count:,} values are encrypted with key {key_id}: run `clearinghouse data-key encrypt` first.",
            code="data_key_in_use",
            values=count,
        )
    check_kept_in_file(
        f"Nothing is encrypted with key {key_id}: take it out of {VARIABLE} and restart every process."
    )
    write_keys([other.secret.hex() for other in others])


def find_data_key(key_id: str) -> DataKey:
    for key in keyring().load():
        if key.shown == key_id:
            return key
    raise NotFound(f"There is no data key {key_id}: see `clearinghouse data-key list`.", code="data_key_unknown")


def check_kept_in_file(instead: str) -> None:
    if not keyring().is_file:
        raise Conflict(instead, code="data_keys_named")


def write_keys(texts: list[str]) -> None:
    """All or nothing, and for the owner alone."""
    parse_keys("\n".join(texts))
    put_in_place_of(keyring().file, "\n".join(texts) + "\n")


def encrypt_rows(on_progress: Callable[[Progress], None] = lambda progress: None) -> int:
    """Encrypt what is plain, and anew what is under another key than the one that encrypts; the number of rows.

    In batches that commit each, so it may be stopped, and goes on when it is run again. Nobody waits for it. What was
    altered stays as it is, and is logged. Raises `Unavailable` for a key that is missing.
    """
    done = 0
    with owner_connection() as connection:
        for table in encrypted_tables():
            for rows in batches_of(connection, table):
                done += rows
                on_progress(Progress(str(table), rows))
    return done


def batches_of(connection: Connection, table: Table) -> Iterator[int]:
    """Encrypts a batch whenever it is asked for the next; how many rows that were."""
    tenant_id, row_id = table.primary_key.columns
    last = (NOBODY, NOBODY)
    while True:
        with connection.begin():
            connection.execute(LOCK)
            key = keyring().load()[0]
            rows = connection.execute(
                select(table)
                .where(tuple_(tenant_id, row_id) > last, or_(is_plain(table), is_under_other_key(table, key)))
                .order_by(tenant_id, row_id)
                .limit(ROWS_AT_ONCE)
                # Unlike FOR UPDATE this leaves alone whoever refers to the rows: a member's first purchase.
                .with_for_update(key_share=True)
            ).all()
            if rows:
                write_rows(connection, table, [encrypted_anew(table, row) for row in rows])
                last = (getattr(rows[-1], tenant_id.key), getattr(rows[-1], row_id.key))
        if not rows:
            return
        yield len(rows)


def encrypted_anew(table: Table, row: Row[Any]) -> tuple[Any, ...]:
    """Network, id, and each of the fields as it is to be."""
    tenant_id, row_id = (getattr(row, each.key) for each in table.primary_key)
    sealed = [field_anew(row, field, (tenant_id, f"{table}.{field}", row_id)) for field in fields_of(table)]
    return (tenant_id, row_id, *sealed)


def field_anew(row: Row[Any], field: str, place: tuple[UUID, str, UUID]) -> bytes | None:
    plain, sealed = getattr(row, field, None), getattr(row, field + SUFFIX)
    if plain is not None:
        return encrypt(plain.encode() if isinstance(plain, str) else bytes(plain), *place)
    if sealed is None:
        return None
    try:
        return encrypt(decrypt(bytes(sealed), *place), *place)
    except IntegrityFailure as error:
        # It stays under its key, which can't be retired then, and the others go on.
        log.error("%s", error.message)
        return bytes(sealed)


def write_rows(connection: Connection, table: Table, rows: list[tuple[Any, ...]]) -> None:
    """In one statement, which is several times quicker than one a row; what is plain is emptied."""
    fields = fields_of(table)
    tenant_id, row_id = table.primary_key.columns
    columns = [column(name, Uuid) for name in ("tenant_id", "row_id")]
    new = values(*columns, *(column(field, LargeBinary) for field in fields), name="new").data(rows)
    changed: dict[str, Any] = {field + SUFFIX: cast(new.c[field], LargeBinary) for field in fields}
    changed |= {field: None for field in fields if field in table.columns}
    here = and_(tenant_id == cast(new.c.tenant_id, Uuid), row_id == cast(new.c.row_id, Uuid))
    connection.execute(update(table).where(here).values(changed))


def is_plain(table: Table) -> Any:
    plain = [table.columns[field].is_not(None) for field in fields_of(table) if field in table.columns]
    return or_(False, *plain)


def is_under_other_key(table: Table, key: DataKey) -> Any:
    return or_(*(key_id_in(table.columns[field + SUFFIX]) != key.key_id for field in fields_of(table)))


def key_id_in(sealed: Column[Any]) -> Any:
    return func.substring(sealed, 2, KEY_ID_BYTES)
