"""What head office sends and is answered about webhooks."""

from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.directory.schemas import PageQuerySchema, name_field
from clearinghouse.webhooks.rules import TYPES, URL_CHARACTERS_MAX
from clearinghouse.webhooks.tables import DELIVERED, FAILED, PENDING
from tenants.foundation.web import rows_of


def url_field(required: bool) -> fields.String:
    return fields.String(
        required=required,
        validate=validate.Length(1, URL_CHARACTERS_MAX),
        metadata={
            "description": "https, on port 443 or from 1024 up, of a host with public addresses only",
            "example": "https://example.com/points",
        },
    )


def events_field() -> fields.List:
    return fields.List(
        fields.String(validate=validate.OneOf(TYPES)),
        metadata={"description": "Which events to send; all when empty", "example": ["accrual.posted"]},
    )


class NewWebhookSchema(Schema):
    url = url_field(required=True)
    events = events_field()
    description = name_field("Stock system", required=False)


class WebhookChangeSchema(Schema):
    url = url_field(required=False)
    events = events_field()
    description = name_field("Stock system", required=False)
    enabled = fields.Boolean(
        truthy={True},
        falsy={False},
        metadata={"description": "false gives up what is pending, and queues nothing until it is true again"},
    )


class WebhookSchema(Schema):
    webhook_id = fields.String()
    url = fields.String()
    events = fields.List(fields.String())
    description = fields.String(allow_none=True)
    status = fields.String(metadata={"description": "active, disabled or deleted"})
    disabled_because = fields.String(allow_none=True)
    pending = fields.Integer(metadata={"description": "Deliveries that have not been accepted yet"})
    failing_since = fields.String(allow_none=True, metadata={"description": "No call has gone well since then"})
    failures_in_row = fields.Integer()
    paused_until = fields.String(allow_none=True, metadata={"description": "Nothing is tried before"})
    earlier_secret_until = fields.String(
        allow_none=True, metadata={"description": "Calls are signed with the secret before the last rotation too"}
    )
    created_at = fields.String()
    secret = fields.String(
        metadata={"description": "Only in the answer that makes it: whsec_ and base 64", "optional": True}
    )


class WebhookListSchema(Schema):
    webhooks = rows_of(WebhookSchema)


class DeliveryQuerySchema(PageQuerySchema):
    status = fields.String(validate=validate.OneOf([PENDING, DELIVERED, FAILED]))


class RedeliverQuerySchema(Schema):
    since = fields.AwareDateTime(
        required=True, metadata={"description": "Failed deliveries of events from then on, with UTC offset"}
    )


class AttemptSchema(Schema):
    number = fields.Integer()
    attempted_at = fields.String()
    milliseconds = fields.Integer()
    status_code = fields.Integer(allow_none=True)
    answer = fields.String(allow_none=True, metadata={"description": "The first kilobyte of it"})
    error = fields.String(allow_none=True, metadata={"description": "Why there was no answer"})


class DeliverySchema(Schema):
    delivery_id = fields.String()
    webhook_id = fields.String()
    event_id = fields.String(metadata={"description": "The header webhook-id of every attempt"})
    type = fields.String()
    transfer_id = fields.String(allow_none=True)
    member_id = fields.String(allow_none=True)
    status = fields.String(metadata={"description": "pending, delivered or failed"})
    failed_because = fields.String(allow_none=True)
    attempts = fields.Integer()
    occurred_at = fields.String()
    next_attempt_at = fields.String(
        allow_none=True, metadata={"description": "None while an earlier event of the member is pending"}
    )
    finished_at = fields.String(allow_none=True)


class DeliveryWithAttemptsSchema(DeliverySchema):
    attempts_made = rows_of(AttemptSchema)


class DeliveryPageSchema(Schema):
    deliveries = rows_of(DeliverySchema)
    next_cursor = fields.String(allow_none=True)


class RedeliveredSchema(Schema):
    redelivered = fields.Integer()
