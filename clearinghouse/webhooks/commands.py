from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from clearinghouse.webhooks import service
from clearinghouse.webhooks.rules import TYPES
from clearinghouse.webhooks.tables import DELIVERED, FAILED, PENDING
from tenants.foundation import ids
from tenants.foundation.console import json_option, network_option, print_fields, print_rows, with_app
from tenants.networks.service import find_network_id


class MomentType(click.ParamType):
    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = datetime.min
        if moment.tzinfo is None:
            self.fail(f"{value!r} is not a moment with its UTC offset: 2026-11-30T08:00:00+00:00.", param, ctx)
        return moment


@click.group()
def webhook() -> None:
    """Webhooks: tell other systems of what happens."""


@webhook.command("create")
@click.argument("url")
@click.option("--event", "events", multiple=True, type=click.Choice(TYPES), help="Only these.  [default: all]")
@click.option("--description", help="For people to read.")
@network_option
@json_option
@with_app
def create_webhook(url: str, events: tuple[str, ...], description: str | None, network: str, as_json: bool) -> None:
    """Have events sent to URL, and show the secret that signs them.

    The secret is shown once.
    """
    endpoint, secret = service.create_endpoint(find_network_id(network), url, events, description)
    print_fields({**service.show_endpoint(endpoint, 0), "secret": secret}, as_json)


@webhook.command("list")
@network_option
@json_option
@with_app
def list_webhooks(network: str, as_json: bool) -> None:
    """List the webhooks, oldest first."""
    shown = [service.show_endpoint(*row) for row in service.list_endpoints(find_network_id(network))]
    columns = ("webhook_id", "url", "status", "pending", "failing_since", "paused_until")
    print_rows(shown if as_json else [{name: row[name] for name in columns} for row in shown], as_json)


@webhook.command("show")
@click.argument("webhook_id")
@network_option
@json_option
@with_app
def show_webhook(webhook_id: str, network: str, as_json: bool) -> None:
    """Show a webhook and how it is."""
    print_webhook(webhook_id, network, as_json)


def print_webhook(webhook_id: str, network: str, as_json: bool) -> None:
    row = service.get_endpoint(find_network_id(network), ids.parse(ids.WEBHOOK, webhook_id))
    print_fields(service.show_endpoint(*row), as_json)


@webhook.command("disable")
@click.argument("webhook_id")
@network_option
@json_option
@with_app
def disable_webhook(webhook_id: str, network: str, as_json: bool) -> None:
    """Send nothing more.

    What is pending fails, and can be redelivered once the webhook is enabled again.
    """
    change(webhook_id, network, {"enabled": False})
    print_webhook(webhook_id, network, as_json)


@webhook.command("enable")
@click.argument("webhook_id")
@network_option
@json_option
@with_app
def enable_webhook(webhook_id: str, network: str, as_json: bool) -> None:
    """Send events from now on."""
    change(webhook_id, network, {"enabled": True})
    print_webhook(webhook_id, network, as_json)


def change(webhook_id: str, network: str, changes: dict[str, Any]) -> None:
    service.change_endpoint(find_network_id(network), ids.parse(ids.WEBHOOK, webhook_id), changes)


@webhook.command("delete")
@click.argument("webhook_id")
@network_option
@json_option
@with_app
def delete_webhook(webhook_id: str, network: str, as_json: bool) -> None:
    """Delete a webhook for good."""
    service.delete_endpoint(find_network_id(network), ids.parse(ids.WEBHOOK, webhook_id))
    print_webhook(webhook_id, network, as_json)


@webhook.command("rotate")
@click.argument("webhook_id")
@network_option
@json_option
@with_app
def rotate_secret(webhook_id: str, network: str, as_json: bool) -> None:
    """Make a new secret and show it.

    For 24 hours calls are signed with the one before too.
    """
    tenant_id, endpoint_id = find_network_id(network), ids.parse(ids.WEBHOOK, webhook_id)
    _, secret = service.rotate_secret(tenant_id, endpoint_id)
    shown = service.show_endpoint(*service.get_endpoint(tenant_id, endpoint_id))
    print_fields({**shown, "secret": secret}, as_json)


@webhook.command("ping")
@click.argument("webhook_id")
@network_option
@json_option
@with_app
def ping_webhook(webhook_id: str, network: str, as_json: bool) -> None:
    """Have a test event sent within seconds."""
    delivery = service.ping(find_network_id(network), ids.parse(ids.WEBHOOK, webhook_id))
    print_fields(service.show_delivery(delivery), as_json)


@webhook.command("deliveries")
@click.argument("webhook_id")
@click.option("--status", type=click.Choice([PENDING, DELIVERED, FAILED]), help="Only these.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@network_option
@json_option
@with_app
def list_deliveries(webhook_id: str, status: str | None, limit: int, network: str, as_json: bool) -> None:
    """List the deliveries of a webhook, newest event first."""
    tenant_id, endpoint_id = find_network_id(network), ids.parse(ids.WEBHOOK, webhook_id)
    shown = [
        service.show_delivery(delivery)
        for delivery in service.list_deliveries(tenant_id, endpoint_id, status, None, limit)
    ]
    columns = ("delivery_id", "type", "status", "attempts", "occurred_at", "next_attempt_at")
    print_rows(shown if as_json else [{name: row[name] for name in columns} for row in shown], as_json)


@webhook.command("delivery")
@click.argument("delivery_id")
@network_option
@json_option
@with_app
def show_delivery(delivery_id: str, network: str, as_json: bool) -> None:
    """Show a delivery with every attempt."""
    delivery, attempts = service.get_delivery(find_network_id(network), ids.parse(ids.DELIVERY, delivery_id))
    shown, made = service.show_delivery(delivery), [service.show_attempt(attempt) for attempt in attempts]
    if as_json:
        print_fields({**shown, "attempts_made": made}, as_json)
        return
    print_fields(shown, as_json)
    print_rows(made, as_json)


@webhook.command("redeliver")
@click.argument("some_id")
@click.option("--since", type=MomentType(), help="Only events from then on.  [default: all that failed]")
@network_option
@json_option
@with_app
def redeliver(some_id: str, since: datetime | None, network: str, as_json: bool) -> None:
    """Send again one delivery (whd_…), or whatever failed of a webhook (whe_…)."""
    tenant_id = find_network_id(network)
    if some_id.startswith(f"{ids.DELIVERY}_"):
        service.redeliver(tenant_id, ids.parse(ids.DELIVERY, some_id))
        count = 1
    else:
        endpoint_id = ids.parse(ids.WEBHOOK, some_id)
        count = service.redeliver_failed(tenant_id, endpoint_id, since or datetime.min.replace(tzinfo=UTC))
    print_fields({"redelivered": count}, as_json)
