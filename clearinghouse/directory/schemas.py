"""What head office may send, and what it is answered. Rates are decimal strings."""

from __future__ import annotations

from datetime import UTC, datetime

from apiflask import Schema
from marshmallow import fields, validate

from tenants.foundation.web import passes, rows_of
from tenants.members.service import REFERENCE_PATTERN, check_card_number, check_reason, check_reference
from tenants.networks.service import CODE_PATTERN, NAME_PATTERN, check_code, check_name, check_rate

# A moment in the year 9999 can fall into the year 10000 in another time zone, which Python can't read back.
MOMENT_LIMIT = datetime(9999, 1, 1, tzinfo=UTC)


def code_field(example: str, required: bool = True, **metadata: str) -> fields.String:
    metadata = {"pattern": f"^{CODE_PATTERN}$", "example": example, **metadata}
    return fields.String(required=required, validate=passes(check_code), metadata=metadata)


def name_field(example: str, required: bool = True, allow_none: bool = False, **metadata: str) -> fields.String:
    metadata = {"pattern": f"^{NAME_PATTERN}$", "example": example, **metadata}
    return fields.String(required=required, allow_none=allow_none, validate=passes(check_name), metadata=metadata)


def reference_field(allow_none: bool = False, **metadata: str) -> fields.String:
    metadata = {"pattern": f"^{REFERENCE_PATTERN}$", "example": "M-20417", **metadata}
    return fields.String(allow_none=allow_none, validate=passes(check_reference), metadata=metadata)


def reason_field() -> fields.String:
    metadata = {"description": "Why; kept with what was done", "example": "lost"}
    return fields.String(validate=passes(check_reason), metadata=metadata)


def card_number_field(**metadata: str) -> fields.String:
    metadata = {"example": "6290000000000014", **metadata}
    return fields.String(validate=passes(check_card_number), metadata=metadata)


def rate_field(example: str, **metadata: str) -> fields.Decimal:
    metadata = {"example": example, **metadata}
    return fields.Decimal(required=True, as_string=True, validate=passes(check_rate), metadata=metadata)


class NewParticipantSchema(Schema):
    code = code_field("acme")
    name = name_field("Acme Restaurants LLC")


class NewStoreSchema(Schema):
    code = code_field("S-001")
    name = name_field("Main Street")
    participant = code_field(
        "acme",
        required=False,
        description="Code of the legal entity that owns it; when left out, one of the store's own code",
    )


class NewTerminalSchema(Schema):
    code = code_field("1", description="Unique in the store")


class NewTerminalKeySchema(Schema):
    label = fields.String(load_default="till", validate=passes(check_name), metadata={"example": "till"})


class NewKeySchema(Schema):
    label = name_field("finance reports", description="Who or what uses the key")


class NewMemberSchema(Schema):
    reference = reference_field(description="The network's own number for the member; unique")
    name = name_field("Ada Lovelace", required=False)


class MemberChangeSchema(Schema):
    """What is left out stays as it is; null empties it."""

    reference = reference_field(allow_none=True, description="The network's own number for the member; unique")
    name = name_field("Ada Lovelace", required=False, allow_none=True)
    reason = reason_field()


class NewCardSchema(Schema):
    number = card_number_field(description="8 to 19 digits with a Luhn check digit; made up when left out")


class CardActionSchema(Schema):
    reason = reason_field()


class ReplacementSchema(NewCardSchema):
    reason = reason_field()


class NewVersionSchema(Schema):
    effective_from = fields.AwareDateTime(
        required=True,
        validate=validate.Range(max=MOMENT_LIMIT, max_inclusive=False),
        metadata={"description": "In the future, after the newest version's; with UTC offset"},
    )
    base_rate = rate_field("1.5", description="Points per currency unit spent")
    redemption_value = rate_field("100", description="Points per currency unit given")
    expiry_policy = fields.String(
        required=True,
        metadata={
            "description": "P6M: to the end of the sixth month after; P90D: 90 days; or never",
            "example": "P6M",
        },
    )


class PageQuerySchema(Schema):
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 500))
    cursor = fields.String(metadata={"description": "next_cursor of the page before"})


class CodePageQuerySchema(PageQuerySchema):
    cursor = fields.String(validate=passes(check_code), metadata={"description": "next_cursor of the page before"})


class MemberQuerySchema(PageQuerySchema):
    reference = reference_field(description="Only the member with this reference")


class NetworkSchema(Schema):
    network_id = fields.String()
    code = fields.String()
    name = fields.String()
    time_zone = fields.String(metadata={"description": "Whose calendar days are business days"})
    currency = fields.String()
    funding_rate = fields.String(metadata={"description": "Minor units a store pays per point it issued"})
    redemption_rate = fields.String(metadata={"description": "Minor units a store receives per point it recovered"})
    opened_on = fields.String()
    days_accepted_late = fields.Integer()
    close_grace_days = fields.Integer()
    created_at = fields.String()


class ParticipantSchema(Schema):
    code = fields.String()
    name = fields.String()
    participant_id = fields.String()
    created_at = fields.String()


class StoreSchema(Schema):
    code = fields.String()
    name = fields.String()
    participant = fields.String()
    status = fields.String(validate=validate.OneOf(["active", "closed"]))
    store_id = fields.String()
    created_at = fields.String()


class TerminalSchema(Schema):
    store = fields.String()
    code = fields.String()
    terminal_id = fields.String()
    created_at = fields.String()


class KeySchema(Schema):
    key_id = fields.String()
    role = fields.String(validate=validate.OneOf(["terminal", "hq"]))
    terminal_id = fields.String(allow_none=True)
    label = fields.String()
    hint = fields.String(metadata={"description": "The last four characters of the key"})
    created_at = fields.String()
    revoked_at = fields.String(allow_none=True)
    key = fields.String(metadata={"description": "Only in the answer that makes it: just its hash is kept"})


class CardSchema(Schema):
    card = fields.String()
    status = fields.String(validate=validate.OneOf(["active", "blocked", "replaced"]))
    member_id = fields.String()
    replaced_by = fields.String(allow_none=True, metadata={"description": "Number of the card that took its place"})
    created_at = fields.String()


class MemberSchema(Schema):
    member_id = fields.String()
    reference = fields.String(allow_none=True)
    name = fields.String(allow_none=True)
    created_at = fields.String()
    registered_at = fields.String(
        allow_none=True, metadata={"description": "Null until somebody has said who holds the card"}
    )


class MemberWithCardsSchema(MemberSchema):
    cards = rows_of(CardSchema)


class VersionSchema(Schema):
    version = fields.Integer()
    effective_from = fields.String()
    base_rate = fields.String(metadata={"description": "Points per currency unit spent"})
    redemption_value = fields.String(metadata={"description": "Points per currency unit given"})
    expiry_policy = fields.String()
    created_at = fields.String()


class PageSchema(Schema):
    next_cursor = fields.String(allow_none=True)


class ParticipantPageSchema(PageSchema):
    participants = rows_of(ParticipantSchema)


class StorePageSchema(PageSchema):
    stores = rows_of(StoreSchema)


class TerminalPageSchema(PageSchema):
    terminals = rows_of(TerminalSchema)


class KeyPageSchema(PageSchema):
    keys = rows_of(KeySchema)


class MemberPageSchema(PageSchema):
    members = rows_of(MemberSchema)


class VersionsSchema(Schema):
    versions = rows_of(VersionSchema)
