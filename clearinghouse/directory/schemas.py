"""What head office may send, and what it is answered. Rates are decimal strings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.programme.rules import CHARGED_TO, LIMITED, RETURN_POLICIES, SPANS
from tenants.credentials.rules import (
    HQ,
    OVERLAP_DEFAULT,
    OVERLAP_MAX,
    RATE_MAX,
    RATES,
    SCOPES,
    TERMINAL,
    all_scopes,
    scopes_of,
)
from tenants.foundation.web import part, passes, rows_of
from tenants.members.rules import COUNTRY_PATTERN, PHONE_LENGTH_MAX, check_country, check_email
from tenants.members.service import REFERENCE_PATTERN, check_card_number, check_reason, check_reference
from tenants.networks.service import (
    CODE_PATTERN,
    NAME_PATTERN,
    RETENTION_MONTHS_MAX,
    check_code,
    check_name,
    check_rate,
)

# A moment in the year 9999 can fall into the year 10000 in another time zone, which Python can't read back.
MOMENT_LIMIT = datetime(9999, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


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


def rate_field(example: str, required: bool = True, **metadata: str) -> fields.Decimal:
    metadata = {"example": example, **metadata}
    return fields.Decimal(required=required, as_string=True, validate=passes(check_rate), metadata=metadata)


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


def scopes_field(role: str) -> fields.List:
    meanings = "; ".join(f"{scope}: {meaning}" for scope, meaning in SCOPES[role].items())
    return fields.List(
        fields.String(validate=validate.OneOf(scopes_of(role))),
        validate=validate.Length(1),
        metadata={"description": f"What the key may do; everything when left out. {meanings}"},
    )


def rate_limit_field(**options: Any) -> fields.Integer:
    description = f"Requests per second; null: {RATES[TERMINAL]} for a terminal, {RATES[HQ]} for others"
    return fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(1, RATE_MAX),
        metadata={"description": description, "example": 10},
        **options,
    )


class KeyTermsSchema(Schema):
    """What may be said of any new key."""

    expires_at = fields.AwareDateTime(
        metadata={"description": "When the key stops by itself, with UTC offset; never when left out"}
    )
    rate_limit = rate_limit_field()


class NewTerminalKeySchema(KeyTermsSchema):
    label = fields.String(load_default="till", validate=passes(check_name), metadata={"example": "till"})
    scopes = scopes_field(TERMINAL)


class NewKeySchema(KeyTermsSchema):
    label = name_field("finance reports", description="Who or what uses the key")
    scopes = scopes_field(HQ)
    staff = code_field(
        "ana",
        required=False,
        description="Code of the person whose key it is, without `scopes`; a head office key when left out",
    )


class KeyChangeSchema(Schema):
    rate_limit = rate_limit_field(required=True)


class NewRotationSchema(Schema):
    overlap_hours = fields.Integer(
        strict=True,
        load_default=OVERLAP_DEFAULT // HOUR,
        validate=validate.Range(0, OVERLAP_MAX // HOUR),
        metadata={"description": "How much longer the old key works"},
    )


def phone_field(required: bool = False, allow_none: bool = False) -> fields.String:
    description = "With + and the country code, or as it is dialled in `country`"
    return fields.String(
        required=required,
        allow_none=allow_none,
        validate=validate.Length(1, PHONE_LENGTH_MAX),
        metadata={"description": description, "example": "+4915123456789"},
    )


def country_field() -> fields.String:
    description = "Of a phone that names none itself (ISO 3166); the network's `phone_region` when left out"
    metadata = {"pattern": f"^{COUNTRY_PATTERN}$", "description": description, "example": "DE"}
    return fields.String(validate=passes(check_country), metadata=metadata)


def email_field(allow_none: bool = False) -> fields.String:
    return fields.String(allow_none=allow_none, validate=passes(check_email), metadata={"example": "ada@example.com"})


class NewMemberSchema(Schema):
    reference = reference_field(description="The network's own number for the member; unique")
    name = name_field("Ada Lovelace", required=False)
    phone = phone_field()
    email = email_field()
    country = country_field()


class MemberChangeSchema(Schema):
    """What is left out stays as it is; null empties it."""

    reference = reference_field(allow_none=True, description="The network's own number for the member; unique")
    name = name_field("Ada Lovelace", required=False, allow_none=True)
    phone = phone_field(allow_none=True)
    email = email_field(allow_none=True)
    country = country_field()
    reason = reason_field()


class NetworkChangeSchema(Schema):
    """What is left out stays as it is; null empties it."""

    phone_region = fields.String(
        allow_none=True,
        validate=passes(check_country),
        metadata={
            "pattern": f"^{COUNTRY_PATTERN}$",
            "description": "Country (ISO 3166) of phone numbers that name none themselves",
            "example": "DE",
        },
    )
    retention_months = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(1, RETENTION_MONTHS_MAX),
        metadata={
            "description": "Months without activity and points after which members are erased; null: never",
            "example": 36,
        },
    )


class NewCardSchema(Schema):
    number = card_number_field(description="8 to 19 digits with a Luhn check digit; made up when left out")


class VelocityLimitsSchema(Schema):
    velocity_limits = fields.Dict(
        keys=fields.String(validate=validate.OneOf(LIMITED)),
        values=fields.Dict(
            keys=fields.String(validate=validate.OneOf(SPANS)),
            values=fields.Dict(
                keys=fields.String(validate=validate.OneOf(["count", "points"])), values=fields.Integer(strict=True)
            ),
        ),
        metadata={"description": "Redemptions at most", "example": {"member": {"day": {"count": 5, "points": 5000}}}},
    )


class CardActionSchema(Schema):
    reason = reason_field()


class ReplacementSchema(NewCardSchema):
    reason = reason_field()


class NewVersionSchema(VelocityLimitsSchema):
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
    minimum_points = fields.Integer(strict=True, metadata={"description": "The least that can be redeemed at once"})
    step_points = fields.Integer(strict=True, metadata={"description": "Redemptions are multiples of it"})
    maximum_share = rate_field("0.5", required=False, description="Of a bill, that points may pay")
    return_policy = fields.String(
        validate=validate.OneOf(RETURN_POLICIES),
        metadata={
            "description": "Spent points that a return would take back: the member owes, or the store bears them"
        },
    )
    return_grace_days = fields.Integer(
        strict=True, metadata={"description": "For points given back to an expired lot"}
    )
    offline_limit = fields.Integer(strict=True, metadata={"description": "Points an offline redemption is good for"})
    offline_charged_to = fields.String(validate=validate.OneOf(CHARGED_TO))
    pin_from = fields.Integer(
        strict=True, allow_none=True, metadata={"description": "Minor units from which a PIN is asked for"}
    )
    code_from = fields.Integer(
        strict=True, allow_none=True, metadata={"description": "Minor units from which a wallet code is asked for"}
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
    opened_on = fields.String()
    days_accepted_late = fields.Integer()
    close_grace_days = fields.Integer()
    phone_region = fields.String(
        allow_none=True, metadata={"description": "Country of phone numbers that name none themselves"}
    )
    retention_months = fields.Integer(
        allow_none=True,
        metadata={"description": "Months without activity and points after which members are erased"},
    )
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
    role = fields.String(validate=validate.OneOf(list(SCOPES)))
    terminal_id = fields.String(allow_none=True)
    staff_id = fields.String(allow_none=True, metadata={"description": "Of a person's key: whose it is"})
    label = fields.String()
    hint = fields.String(metadata={"description": "The last four characters of the key"})
    scopes = fields.List(
        fields.String(validate=validate.OneOf(all_scopes())),
        metadata={"description": "Of a person's key none: it may do what the person's roles allow at the time"},
    )
    rate_limit = rate_limit_field()
    replaces = fields.String(allow_none=True, metadata={"description": "The key whose place it takes"})
    created_at = fields.String()
    last_used_at = fields.String(allow_none=True, metadata={"description": "Right to about a minute"})
    expires_at = fields.String(allow_none=True)
    revoked_at = fields.String(allow_none=True)


class MadeKeySchema(KeySchema):
    key = fields.String(metadata={"description": "Only in the answer that makes it: just its hash is kept"})


class RotationSchema(Schema):
    new_key = fields.Nested(part(MadeKeySchema))
    old_key = fields.Nested(part(KeySchema))


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
    phone = fields.String(
        allow_none=True, metadata={"description": "E.164; without the scope `directory` its last digits only"}
    )
    email = fields.String(allow_none=True, metadata={"description": "Likewise masked"})
    created_at = fields.String()
    registered_at = fields.String(
        allow_none=True, metadata={"description": "Null until somebody has said who holds the card"}
    )
    erased_at = fields.String(
        allow_none=True, metadata={"description": "Since when nobody knows any more who the member was"}
    )


class MemberWithCardsSchema(MemberSchema):
    cards = rows_of(CardSchema)


class VersionSchema(Schema):
    version = fields.Integer()
    effective_from = fields.String()
    base_rate = fields.String(metadata={"description": "Points per currency unit spent"})
    redemption_value = fields.String(metadata={"description": "Points per currency unit given"})
    expiry_policy = fields.String()
    minimum_points = fields.Integer()
    step_points = fields.Integer()
    maximum_share = fields.String()
    return_policy = fields.String()
    return_grace_days = fields.Integer()
    offline_limit = fields.Integer()
    offline_charged_to = fields.String()
    pin_from = fields.Integer(allow_none=True)
    code_from = fields.Integer(allow_none=True)
    velocity_limits = fields.Dict()
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
