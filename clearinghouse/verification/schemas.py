"""PINs and wallets. A PIN is only ever received, the wallet's secret only ever sent."""

from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from tenants.verification.rules import PIN_PATTERN


def pin_field(required: bool, description: str) -> fields.String:
    return fields.String(
        required=required,
        validate=validate.Regexp(rf"{PIN_PATTERN}\Z", error="A PIN has 4 to 8 digits."),
        metadata={"description": description, "pattern": f"^{PIN_PATTERN}$", "example": "4711", "format": "password"},
    )


class NewPinSchema(Schema):
    pin = pin_field(True, "4 to 8 digits, not all the same and not in order like 1234 or 9876")


class PinChangeSchema(NewPinSchema):
    current_pin = pin_field(False, "The PIN until now, if the member has one; a wrong one counts as a try")


class PinStateSchema(Schema):
    member_id = fields.String()
    status = fields.String(validate=validate.OneOf(["not_set", "set", "locked"]))
    tries_left = fields.Integer(metadata={"description": "Wrong tries until it is locked"})
    set_at = fields.String(allow_none=True)
    locked_at = fields.String(allow_none=True)


class WalletSchema(Schema):
    member_id = fields.String()
    generation = fields.Integer(metadata={"description": "Raised when the wallet is rotated"})
    secret = fields.String(metadata={"description": "Base 32, for the member's phone only", "format": "password"})
    uri = fields.String(metadata={"description": "otpauth://, as authenticator apps read it from a QR code"})
    algorithm = fields.String(metadata={"example": "SHA1"})
    digits = fields.Integer(metadata={"example": 8})
    period = fields.Integer(metadata={"description": "Seconds", "example": 30})
    generated_at = fields.String()


class WalletCodeSchema(Schema):
    card = fields.String(metadata={"description": "The member's newest active card"})
    code = fields.String(metadata={"example": "94287082"})
    text = fields.String(
        metadata={
            "description": "What a till scans: the card's number, a dash, the code",
            "example": "6290000000000014-94287082",
        }
    )
    valid_until = fields.String(metadata={"description": "The next code comes then; tills take it 30 seconds longer"})
