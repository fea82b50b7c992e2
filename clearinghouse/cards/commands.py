"""More of `clearinghouse card`: batches, registration, payment cards."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import click

from clearinghouse.cards.service import batch_csv, batch_pdf, show_batch, show_changes
from clearinghouse.directory.commands import card
from clearinghouse.directory.service import card_with_balance, show_card, show_member
from tenants.card_batches.service import CARDS_MAX, find_batch, issue_batch, list_batches
from tenants.foundation import ids
from tenants.foundation.console import json_option, network_option, out, print_fields, print_rows, with_app
from tenants.foundation.files import put_in_place
from tenants.members.service import COMMAND_LINE, GENERATED_PREFIX, issue_card, register_member
from tenants.networks.service import find_network_id
from tenants.payment_tokens.service import bind_token, unbind_token

token_option = click.option(
    "--token", prompt=True, hide_input=True, help="What the payment provider calls the payment card; asked for."
)


@card.command("issue")
@click.argument("member_id", required=False)
@click.option("--number", help="8 to 19 digits with a Luhn check digit.  [default: made up]")
@click.option("--count", type=click.IntRange(1, CARDS_MAX), help="Issue so many cards to nobody yet, as a batch.")
@click.option("--label", help="What the batch is for; stands in its files.")
@click.option("--prefix", help=f"What the numbers of the batch begin with.  [default: {GENERATED_PREFIX}]")
@network_option
@json_option
@with_app
def issue_cards(
    member_id: str | None,
    number: str | None,
    count: int | None,
    label: str | None,
    prefix: str | None,
    network: str,
    as_json: bool,
) -> None:
    """Give a member one more card, or issue a batch of cards with --count.

    All cards of a member spend from the same points. The cards of a batch have a member each, who is
    registered when the card has been handed out.
    """
    if (member_id is None) == (count is None):
        raise click.UsageError("Give MEMBER_ID for one card, or --count for a batch.")
    if member_id is not None:
        if label or prefix:
            raise click.UsageError("--label and --prefix are for a batch.")
        new = issue_card(find_network_id(network), ids.parse(ids.MEMBER, member_id), number)
        print_fields(show_card(new), as_json)
        return
    if number is not None or label is None:
        raise click.UsageError("A batch needs a --label, and its numbers are made up.")
    made, _ = issue_batch(find_network_id(network), count or 0, label, COMMAND_LINE, prefix or GENERATED_PREFIX)
    print_fields(show_batch(made), as_json)


@card.command("show")
@click.argument("number")
@network_option
@json_option
@with_app
def show_one_card(number: str, network: str, as_json: bool) -> None:
    """Show a card, the points of its member, and what was done to it."""
    tenant_id = find_network_id(network)
    shown, changes = card_with_balance(tenant_id, number), show_changes(tenant_id, number)
    if as_json:
        print_fields({**shown, "changes": changes}, as_json)
        return
    print_fields(shown, as_json)
    columns = ("changed_at", "action", "from_status", "to_status", "other_card", "reason", "changed_by")
    print_rows([{name: change[name] for name in columns} for change in changes], as_json)


@card.command("register")
@click.argument("number")
@click.option("--reference", help="The network's own number for the member; unique.")
@click.option("--name", help="For people to read.")
@network_option
@json_option
@with_app
def register_card(number: str, reference: str | None, name: str | None, network: str, as_json: bool) -> None:
    """Say who holds a card that was handed out unregistered. Give a reference, a name, or both."""
    member = register_member(find_network_id(network), number, COMMAND_LINE, reference, name)
    print_fields(show_member(member), as_json)


@card.command("bind")
@click.argument("number")
@token_option
@network_option
@json_option
@with_app
def bind_payment_card(number: str, token: str, network: str, as_json: bool) -> None:
    """Bind a payment card to the member of a card: purchases paid with it find the member."""
    count = bind_token(find_network_id(network), number, token, COMMAND_LINE)
    print_fields({"card": number, "payment_tokens": count}, as_json)


@card.command("unbind")
@click.argument("number")
@token_option
@network_option
@json_option
@with_app
def unbind_payment_card(number: str, token: str, network: str, as_json: bool) -> None:
    """Let a payment card find the member no more."""
    count = unbind_token(find_network_id(network), number, token, COMMAND_LINE)
    print_fields({"card": number, "payment_tokens": count}, as_json)


@card.group()
def batch() -> None:
    """Batches of cards: issued together, to be printed and handed out."""


@batch.command("list")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many at most.")
@click.option("--after", metavar="BATCH_ID", help="Go on after this batch, the last one of a list.")
@network_option
@json_option
@with_app
def list_some_batches(limit: int, after: str | None, network: str, as_json: bool) -> None:
    """List the batches, oldest first."""
    last = parse_batch_id(after) if after else None
    print_rows([show_batch(row) for row in list_batches(find_network_id(network), last, limit)], as_json)


@batch.command("show")
@click.argument("batch_id")
@network_option
@json_option
@with_app
def show_one_batch(batch_id: str, network: str, as_json: bool) -> None:
    """Show a batch. BATCH_ID starts with cbt_; `clearinghouse card batch list` shows it."""
    print_fields(show_batch(find_batch(find_network_id(network), parse_batch_id(batch_id))), as_json)


@batch.command("csv")
@click.argument("batch_id")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="[default: BATCH_ID.csv]")
@network_option
@with_app
def write_batch_csv(batch_id: str, output: Path | None, network: str) -> None:
    """Write the cards of a batch as CSV, for a printer of cards."""
    write(output or Path(f"{batch_id}.csv"), batch_csv(find_network_id(network), parse_batch_id(batch_id)))


@batch.command("pdf")
@click.argument("batch_id")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="[default: BATCH_ID.pdf]")
@network_option
@with_app
def write_batch_pdf(batch_id: str, output: Path | None, network: str) -> None:
    """Write the cards of a batch as labels with barcodes: A4, 24 of 70 x 37 mm a page."""
    write(output or Path(f"{batch_id}.pdf"), batch_pdf(find_network_id(network), parse_batch_id(batch_id)))


def parse_batch_id(batch_id: str) -> UUID:
    return ids.parse(ids.CARD_BATCH, batch_id)


def write(path: Path, content: bytes) -> None:
    put_in_place(path, content)
    out.print(str(path), soft_wrap=True)
