from __future__ import annotations

import click

from tenants.audit.service import record_act
from tenants.data_keys.service import (
    Progress,
    add_data_key,
    encrypt_rows,
    list_data_keys,
    retire_data_key,
    use_data_key,
)
from tenants.foundation import ids
from tenants.foundation.console import err, json_option, print_fields, print_rows, progress, with_app
from tenants.foundation.encryption import keyring


@click.group("data-key")
def data_key() -> None:
    """Keys that personal data are encrypted with; they are never in the database, so back them up apart from it."""


@data_key.command("list")
@json_option
@with_app
def list_keys(as_json: bool) -> None:
    """List the keys, the one that encrypts first, and how many values each has encrypted."""
    print_rows([row._asdict() for row in list_data_keys()], as_json)


@data_key.command("add")
@json_option
@with_app
def add(as_json: bool) -> None:
    """Make a key and keep it in data.keys, without using it yet.

    Copy the file to every machine that has its own, and back it up. Then: `clearinghouse data-key rotate KEY_ID`.
    """
    made = add_data_key()
    record(made.shown)
    print_fields({"key_id": made.shown, "role": "decrypts"}, as_json)


@data_key.command("rotate")
@click.argument("key_id")
@json_option
@with_app
def rotate(key_id: str, as_json: bool) -> None:
    """Encrypt with the key KEY_ID from now on, and anew what is encrypted with others.

    Servers may run. It may be stopped: run it again, and it goes on.
    """
    use_data_key(key_id)
    record(key_id)
    print_fields({"key_id": key_id, "role": "encrypts", "rows_encrypted": encrypt_all()}, as_json)


@data_key.command("encrypt")
@json_option
@with_app
def encrypt(as_json: bool) -> None:
    """Encrypt what an earlier release has left plain, and what is under another key than the one that encrypts.

    Once all processes are of this release: earlier ones can't read it. The scheduler does it every night.
    """
    rows = encrypt_all()
    record(keyring().load()[0].shown)
    print_fields({"rows_encrypted": rows}, as_json)


@data_key.command("retire")
@click.argument("key_id")
@with_app
def retire(key_id: str) -> None:
    """Take the key KEY_ID out of data.keys, once nothing is encrypted with it.

    Keep a copy for as long as there are backups of the database from before: they can't be read without it.
    """
    retire_data_key(key_id)
    record(key_id)
    err.print(f"Key {key_id} is retired. Backups from before need it: keep a copy as long as you keep those.")


def record(key_id: str) -> None:
    """Keys are of no network, and in no database."""
    record_act(ids.INSTALLATION, ("data_key", key_id))


def encrypt_all() -> int:
    with progress("encrypting", None) as advance:

        def told(step: Progress) -> None:
            advance(step.rows)

        return encrypt_rows(told)
