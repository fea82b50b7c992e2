"""Webhooks as head office makes, inspects and mends them, under /v1."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response

from clearinghouse.webhooks import service
from clearinghouse.webhooks.schemas import (
    DeliveryPageSchema,
    DeliveryQuerySchema,
    DeliverySchema,
    DeliveryWithAttemptsSchema,
    NewWebhookSchema,
    RedeliveredSchema,
    RedeliverQuerySchema,
    WebhookChangeSchema,
    WebhookListSchema,
    WebhookSchema,
)
from tenants.credentials.rules import HQ, WEBHOOKS
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.web import answer, answer_page, body, id_cursor, query

webhooks = APIBlueprint("webhooks", __name__, url_prefix="/v1", tag="Webhooks")


@webhooks.post("/webhooks")
@authenticated(HQ, scope=WEBHOOKS)
@body(NewWebhookSchema)
@webhooks.output(WebhookSchema, status_code=201)
def post_webhook(principal: Principal, body: dict[str, Any]) -> Response:
    """Have events sent to a URL

    Signed as the Standard Webhooks specification says. `secret` is shown only in this answer.
    """
    endpoint, secret = service.create_endpoint(
        principal.tenant_id, body["url"], body.get("events", ()), body.get("description")
    )
    return answer({**service.show_endpoint(endpoint, 0), "secret": secret}, 201)


@webhooks.get("/webhooks")
@authenticated(HQ, scope=WEBHOOKS)
@webhooks.output(WebhookListSchema)
def get_webhooks(principal: Principal) -> Response:
    """List the webhooks, oldest first"""
    shown = [service.show_endpoint(*row) for row in service.list_endpoints(principal.tenant_id)]
    return answer({"webhooks": shown})


@webhooks.get("/webhooks/<webhook_id>")
@authenticated(HQ, scope=WEBHOOKS)
@webhooks.output(WebhookSchema)
def get_webhook(principal: Principal, webhook_id: str) -> Response:
    """One webhook, and how it is"""
    return answer_webhook(principal, ids.parse(ids.WEBHOOK, webhook_id))


def answer_webhook(principal: Principal, endpoint_id: UUID) -> Response:
    return answer(service.show_endpoint(*service.get_endpoint(principal.tenant_id, endpoint_id)))


@webhooks.patch("/webhooks/<webhook_id>")
@authenticated(HQ, scope=WEBHOOKS)
@body(WebhookChangeSchema)
@webhooks.output(WebhookSchema)
def patch_webhook(principal: Principal, webhook_id: str, body: dict[str, Any]) -> Response:
    """Change a webhook

    What is left out stays. Disabling gives up what is pending, and events that happen before it is enabled again are
    not queued for it.
    """
    endpoint_id = ids.parse(ids.WEBHOOK, webhook_id)
    changes = {"types" if name == "events" else name: value for name, value in body.items()}
    service.change_endpoint(principal.tenant_id, endpoint_id, changes)
    return answer_webhook(principal, endpoint_id)


@webhooks.delete("/webhooks/<webhook_id>")
@authenticated(HQ, scope=WEBHOOKS)
@webhooks.output(WebhookSchema)
def delete_webhook(principal: Principal, webhook_id: str) -> Response:
    """Delete a webhook for good

    Its deliveries can still be inspected until they are purged.
    """
    endpoint_id = ids.parse(ids.WEBHOOK, webhook_id)
    service.delete_endpoint(principal.tenant_id, endpoint_id)
    return answer_webhook(principal, endpoint_id)


@webhooks.post("/webhooks/<webhook_id>/rotate-secret")
@authenticated(HQ, scope=WEBHOOKS)
@webhooks.output(WebhookSchema)
def post_rotation(principal: Principal, webhook_id: str) -> Response:
    """Make a new secret

    `secret` is shown only in this answer. For 24 hours calls carry a signature with the one before as well.
    """
    endpoint_id = ids.parse(ids.WEBHOOK, webhook_id)
    _, secret = service.rotate_secret(principal.tenant_id, endpoint_id)
    shown = service.show_endpoint(*service.get_endpoint(principal.tenant_id, endpoint_id))
    return answer({**shown, "secret": secret})


@webhooks.post("/webhooks/<webhook_id>/ping")
@authenticated(HQ, scope=WEBHOOKS)
@webhooks.output(DeliverySchema, status_code=202)
def post_ping(principal: Principal, webhook_id: str) -> Response:
    """Send a test event

    Of the type `webhook.ping`, whatever events were chosen. It goes out within seconds.
    """
    delivery = service.ping(principal.tenant_id, ids.parse(ids.WEBHOOK, webhook_id))
    return answer(service.show_delivery(delivery), 202)


@webhooks.get("/webhooks/<webhook_id>/deliveries")
@authenticated(HQ, scope=WEBHOOKS)
@query(DeliveryQuerySchema)
@webhooks.output(DeliveryPageSchema)
def get_deliveries(principal: Principal, webhook_id: str, query: dict[str, Any]) -> Response:
    """List the deliveries of a webhook, newest event first"""
    deliveries = service.list_deliveries(
        principal.tenant_id,
        ids.parse(ids.WEBHOOK, webhook_id),
        query.get("status"),
        id_cursor(ids.EVENT, query),
        query["limit"] + 1,
    )
    return answer_page("deliveries", [service.show_delivery(d) for d in deliveries], query["limit"], "event_id")


@webhooks.post("/webhooks/<webhook_id>/redeliver")
@authenticated(HQ, scope=WEBHOOKS)
@query(RedeliverQuerySchema)
@webhooks.output(RedeliveredSchema, status_code=202)
def post_redelivery_of_failed(principal: Principal, webhook_id: str, query: dict[str, Any]) -> Response:
    """Send again whatever failed since a moment

    The events of a member go in order, with the `webhook-id` that they had.
    """
    endpoint_id = ids.parse(ids.WEBHOOK, webhook_id)
    count = service.redeliver_failed(principal.tenant_id, endpoint_id, query["since"])
    return answer({"redelivered": count}, 202)


@webhooks.get("/webhook-deliveries/<delivery_id>")
@authenticated(HQ, scope=WEBHOOKS)
@webhooks.output(DeliveryWithAttemptsSchema)
def get_delivery(principal: Principal, delivery_id: str) -> Response:
    """One delivery with every attempt"""
    delivery, attempts = service.get_delivery(principal.tenant_id, ids.parse(ids.DELIVERY, delivery_id))
    shown = [service.show_attempt(attempt) for attempt in attempts]
    return answer({**service.show_delivery(delivery), "attempts_made": shown})


@webhooks.post("/webhook-deliveries/<delivery_id>/redeliver")
@authenticated(HQ, scope=WEBHOOKS)
@webhooks.output(DeliverySchema, status_code=202)
def post_redelivery(principal: Principal, delivery_id: str) -> Response:
    """Send an event again

    Whatever its status: delivered, failed, or waiting for its next attempt. It keeps its `webhook-id`.
    """
    parsed = ids.parse(ids.DELIVERY, delivery_id)
    service.redeliver(principal.tenant_id, parsed)
    delivery, _ = service.get_delivery(principal.tenant_id, parsed)
    return answer(service.show_delivery(delivery), 202)
