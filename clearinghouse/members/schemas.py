from __future__ import annotations

from apiflask import Schema
from marshmallow import fields

from clearinghouse.cards.schemas import CardChangeSchema
from clearinghouse.directory.schemas import MemberSchema, MemberWithCardsSchema, country_field, phone_field
from clearinghouse.pos.schemas import TransferSchema
from tenants.foundation.web import rows_of


class SearchSchema(Schema):
    phone = phone_field(required=True)
    country = country_field()


class FoundSchema(Schema):
    members = rows_of(MemberWithCardsSchema)


class ExportSchema(MemberWithCardsSchema):
    exported_at = fields.String()
    merged_members = rows_of(MemberSchema)
    changes = rows_of(CardChangeSchema)
    payment_tokens = fields.Integer(metadata={"description": "How many payment cards are bound; none is kept"})
    pin_set_at = fields.String(allow_none=True)
    wallet_made_at = fields.String(allow_none=True)
    available = fields.Integer()
    held = fields.Integer()
    deficit = fields.Integer()
    transfers = rows_of(TransferSchema)
