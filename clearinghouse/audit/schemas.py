from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.directory.schemas import MOMENT_LIMIT
from tenants.audit.rules import CODE_PATTERN, HEAD_PATTERN
from tenants.audit.service import DIFFERENCES_MAX
from tenants.foundation.acts import COMMAND_LINE, DONE, JOB, KEY, PROGRAM, READ, REFUSED, STAFF
from tenants.foundation.web import part, rows_of

OUTCOMES = (DONE, READ, REFUSED)
SEQUENCE_MAX = 2**62
HEAD_EXAMPLE = "17:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
ACTION_PATTERN = r"[A-Za-z0-9/<>_ .-]{1,100}"


def moment_field(description: str) -> fields.AwareDateTime:
    metadata = {"description": description, "example": "2026-11-01T00:00:00Z"}
    return fields.AwareDateTime(validate=validate.Range(max=MOMENT_LIMIT), metadata=metadata)


def word_field(description: str, example: str) -> fields.String:
    metadata = {"description": description, "example": example, "pattern": f"^{CODE_PATTERN}$"}
    return fields.String(validate=validate.Regexp(CODE_PATTERN + r"\Z"), metadata=metadata)


class AuditQuerySchema(Schema):
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 500))
    cursor = fields.Integer(
        validate=validate.Range(1, SEQUENCE_MAX), metadata={"description": "next_cursor of the page before"}
    )
    since = moment_field("Entries of this moment and later ones")
    until = moment_field("Entries before this moment")
    actor = word_field("Id of a key, code of a person, user of the operating system, or scheduler", "ana")
    action = fields.String(
        validate=validate.Regexp(ACTION_PATTERN + r"\Z"),
        metadata={"description": "A part of the action", "example": "/approve", "pattern": f"^{ACTION_PATTERN}$"},
    )
    subject = word_field("A code, an id, a month or a card's number that was named or changed", "2026-10")
    outcome = fields.String(validate=validate.OneOf(OUTCOMES))


class AuditEntrySchema(Schema):
    network = fields.String()
    sequence = fields.Integer(metadata={"description": "From 1, without gaps"})
    happened_at = fields.String()
    actor_kind = fields.String(validate=validate.OneOf((KEY, STAFF, COMMAND_LINE, JOB, PROGRAM)))
    actor = fields.String()
    via = fields.String(
        allow_none=True, metadata={"description": "A person's key, the user of the command line, or the job"}
    )
    action = fields.String(metadata={"description": "Method and route, words of a command, or name of a job"})
    outcome = fields.String(validate=validate.OneOf(OUTCOMES))
    error_code = fields.String(allow_none=True, metadata={"description": "Why it was refused"})
    subject = fields.List(fields.String(), metadata={"description": "What was named: name and value"})
    written = fields.List(
        fields.String(), metadata={"description": "Rows made or changed: table and key; + stands for more"}
    )
    request_id = fields.String(allow_none=True)
    body_digest = fields.String(allow_none=True, metadata={"description": "HMAC of what was sent"})
    previous_hash = fields.String(allow_none=True, metadata={"description": "The hash of the entry before"})
    hash = fields.String(metadata={"description": "SHA-256 of the rest: JSON, keys sorted, no white space"})


class AuditPageSchema(Schema):
    entries = rows_of(AuditEntrySchema)
    next_cursor = fields.Integer(allow_none=True)


class DifferenceSchema(Schema):
    sequence = fields.Integer()
    expected = fields.String()
    found = fields.String()


class VerificationQuerySchema(Schema):
    head = fields.String(
        validate=validate.Regexp(HEAD_PATTERN + r"\Z"),
        metadata={"description": "One that was kept", "example": HEAD_EXAMPLE, "pattern": f"^{HEAD_PATTERN}$"},
    )


class AuditVerificationSchema(Schema):
    is_whole = fields.Boolean()
    entries = fields.Integer()
    head = fields.String(allow_none=True, metadata={"description": "Keep it: later proofs can start from it"})
    differences = fields.List(
        fields.Nested(part(DifferenceSchema)),
        metadata={"description": f"At most {DIFFERENCES_MAX}, first ones first"},
    )
