"""How head office names bank accounts, and is told of them."""

from __future__ import annotations

from apiflask import Schema
from marshmallow import fields, validate

from clearinghouse.directory.schemas import PageSchema, name_field
from tenants.bank_accounts.rules import (
    ACCOUNT_NUMBER_PATTERN,
    BANK_CODE_PATTERN,
    CREDITOR_PATTERN,
    MANDATE_PATTERN,
    SCHEMES,
)
from tenants.foundation.web import rows_of

# Longer than any IBAN or BIC with spaces.
NUMBER_LENGTH_MAX = 64


def number_field(example: str, description: str) -> fields.String:
    metadata = {"description": description, "example": example}
    return fields.String(validate=validate.Length(1, NUMBER_LENGTH_MAX), metadata=metadata)


def form_field(pattern: str, example: str, description: str) -> fields.String:
    metadata = {"description": description, "example": example}
    return fields.String(validate=validate.Regexp(pattern + r"\Z"), metadata=metadata)


class BankDetailsSchema(Schema):
    holder = name_field("Acme Restaurants LLC", description="In whose name the account is")
    iban = number_field("DE89370400440532013000", "The account, where accounts have IBANs; without spaces")
    account_number = form_field(ACCOUNT_NUMBER_PATTERN, "1234567", "The account, where there are no IBANs")
    bank_code = form_field(BANK_CODE_PATTERN, "021000021", "What names the bank there: a routing number, a sort code")
    bic = number_field("COBADEFFXXX", "BIC of the bank, where payments need it")


class HeadOfficeDetailsSchema(BankDetailsSchema):
    creditor_id = form_field(
        CREDITOR_PATTERN, "DE98ZZZ09999999999", "SEPA creditor identifier, under which direct debits are collected"
    )


class ParticipantDetailsSchema(BankDetailsSchema):
    mandate_id = form_field(MANDATE_PATTERN, "ACME-1", "Of the mandate for SEPA direct debits; unique")
    mandate_signed_on = fields.Date(metadata={"description": "When the mandate was signed"})
    mandate_scheme = fields.String(
        validate=validate.OneOf(SCHEMES), metadata={"description": "CORE, or B2B between businesses"}
    )


class BankAccountSchema(Schema):
    participant = fields.String(allow_none=True, metadata={"description": "Code; null for head office"})
    holder = fields.String()
    iban = fields.String(
        allow_none=True,
        metadata={"description": "In full only for who pays; else its country and last four characters"},
    )
    account_number = fields.String(allow_none=True, metadata={"description": "Likewise"})
    bank_code = fields.String(allow_none=True)
    bic = fields.String(allow_none=True)
    creditor_id = fields.String(allow_none=True)
    mandate_id = fields.String(allow_none=True)
    mandate_signed_on = fields.String(allow_none=True)
    mandate_scheme = fields.String(allow_none=True)
    made_by = fields.String()
    made_at = fields.String()


class BankAccountPageSchema(PageSchema):
    bank_accounts = rows_of(BankAccountSchema)
