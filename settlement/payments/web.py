"""Payment files out, banks' files in, and what becomes of legs, under /v1/settlement. For treasurers.

What makes and reads files is loaded with the first of them, as its registers and schemas cost megabytes.
"""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from settlement.bank_files.service import read_bank_file
from settlement.legs.queries import ShownLeg
from settlement.legs.service import carry_leg, confirm_leg, fail_leg, list_legs, list_receivables, retry_leg
from settlement.legs.show import show_leg
from settlement.payments.rules import CSV
from settlement.payments.schemas import (
    BankFileQuerySchema,
    ConfirmationSchema,
    FailureSchema,
    InstructionQuerySchema,
    InstructionSchema,
    LegReasonSchema,
    LegSchema,
    LegsSchema,
    PaymentFilesSchema,
    ReadingSchema,
)
from settlement.payments.service import file_name, get_payment_file, instruct, list_payment_files
from settlement.payments.show import show_file, show_instruction, show_reading
from tenants.credentials.rules import HQ, PAY, READ, SETTLEMENT, STAFF
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.months import parse_month
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer, body, file_body, query
from tenants.staff.service import actor_of

payments = APIBlueprint("payments", __name__, url_prefix="/v1/settlement", tag="Payments")

XML_TYPE, CSV_TYPE = "application/xml", "text/csv"
A_FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
A_PAYMENT_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": {XML_TYPE: A_FILE, CSV_TYPE: A_FILE}}
}


@payments.post("/windows/<month>/payment-files")
@authenticated(STAFF, scope=PAY)
@body(InstructionQuerySchema, optional=True)
@payments.output(InstructionSchema, status_code=201)
@refusals(also={500})
def post_payment_files(principal: Principal, month: str, body: dict[str, Any]) -> Response:
    """Make the files for the bank of what is pending

    Legs that lack something wait, and say what. Sent again, it makes files only of what has become pending since.
    """
    day = parse_month(month)
    made = instruct(principal.tenant_id, day, actor_of(principal), body.get("format"))
    return answer(show_instruction(made, day), 201)


@payments.get("/windows/<month>/payment-files")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@payments.output(PaymentFilesSchema)
@refusals(also={409})
def get_payment_files(principal: Principal, month: str) -> Response:
    """List the files that were made for a month, oldest first"""
    day = parse_month(month)
    files = list_payment_files(principal.tenant_id, day)
    return answer({"payment_files": [show_file(file, day) for file in files]})


@payments.get("/payment-files/<file_id>")
@authenticated(STAFF, scope=PAY)
@payments.doc(responses=A_PAYMENT_FILE)
@refusals(also={500})
def get_file(principal: Principal, file_id: str) -> Response:
    """The file itself: pain.001, pain.008 or CSV

    It is the same for ever.
    """
    file, content, month = get_payment_file(principal.tenant_id, ids.parse(ids.PAYMENT_FILE, file_id))
    headers = {"Content-Disposition": f'attachment; filename="{file_name(file, month)}"'}
    return Response(content, headers=headers, content_type=CSV_TYPE if file.format == CSV else XML_TYPE)


@payments.post("/bank-files")
@authenticated(STAFF, scope=PAY)
@query(BankFileQuerySchema)
@file_body(XML_TYPE)
@payments.output(ReadingSchema, status_code=201)
def post_bank_file(principal: Principal, content: bytes, query: dict[str, Any]) -> Response:
    """Read what the bank sent: a camt.053 or camt.054, as it is

    It confirms and fails legs by EndToEndId and amount. A file that is wrong, of another account or network, or was
    read before is refused, and changes nothing.
    """
    month = parse_month(query["month"]) if "month" in query else None
    reading = read_bank_file(principal.tenant_id, actor_of(principal), content, query.get("name", ""), month)
    return answer(show_reading(reading), 201)


@payments.get("/windows/<month>/legs")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@payments.output(LegsSchema)
@refusals(also={409})
def get_legs(principal: Principal, month: str) -> Response:
    """What each store remits or receives, and what has become of it"""
    return answer({"legs": [show_leg(row) for row in list_legs(principal.tenant_id, parse_month(month))]})


@payments.get("/receivables")
@authenticated(HQ, STAFF, scope=(READ, SETTLEMENT))
@payments.output(LegsSchema)
def get_receivables(principal: Principal) -> Response:
    """Failed legs of all months, by when they were due"""
    return answer({"legs": [show_leg(row) for row in list_receivables(principal.tenant_id)]})


@payments.post("/legs/<leg_id>/confirm")
@authenticated(STAFF, scope=PAY)
@body(ConfirmationSchema)
@payments.output(LegSchema)
def post_confirmation(principal: Principal, leg_id: str, body: dict[str, Any]) -> Response:
    """Confirm a leg by hand, and say where its payment has been seen"""
    parsed = ids.parse(ids.LEG, leg_id)
    return answer_leg(confirm_leg(principal.tenant_id, parsed, actor_of(principal), body["reference"]))


@payments.post("/legs/<leg_id>/fail")
@authenticated(STAFF, scope=PAY)
@body(FailureSchema)
@payments.output(LegSchema)
def post_failure(principal: Principal, leg_id: str, body: dict[str, Any]) -> Response:
    """Mark a leg as not paid: it becomes a receivable"""
    parsed = ids.parse(ids.LEG, leg_id)
    return answer_leg(fail_leg(principal.tenant_id, parsed, actor_of(principal), body["reason"]))


@payments.post("/legs/<leg_id>/retry")
@authenticated(STAFF, scope=PAY)
@body(LegReasonSchema, optional=True)
@payments.output(LegSchema)
def post_retry(principal: Principal, leg_id: str, body: dict[str, Any]) -> Response:
    """Have a failed leg paid again: it is in the next payment file"""
    parsed = ids.parse(ids.LEG, leg_id)
    return answer_leg(retry_leg(principal.tenant_id, parsed, actor_of(principal), body.get("reason")))


@payments.post("/legs/<leg_id>/carry")
@authenticated(STAFF, scope=PAY)
@body(LegReasonSchema, optional=True)
@payments.output(LegSchema)
def post_carry(principal: Principal, leg_id: str, body: dict[str, Any]) -> Response:
    """Settle what a failed leg leaves owed with the open month"""
    parsed = ids.parse(ids.LEG, leg_id)
    return answer_leg(carry_leg(principal.tenant_id, parsed, actor_of(principal), body.get("reason")))


def answer_leg(row: ShownLeg) -> Response:
    return answer(show_leg(row))
