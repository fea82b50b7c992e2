"""Payment files and banks' files as they are answered and as `--json` prints them."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

from clearinghouse.directory.service import show_moment
from settlement.bank_files.rules import OUTCOMES
from settlement.bank_files.service import Reading
from settlement.legs.rules import end_to_end_id
from settlement.payments.rules import Waiting
from settlement.payments.service import Instruction, file_name
from settlement.payments.tables import PaymentFile
from tenants.foundation import ids


def show_file(file: PaymentFile, month: date) -> dict[str, Any]:
    return {
        "file_id": ids.show(ids.PAYMENT_FILE, file.file_id),
        "name": file_name(file, month),
        "direction": file.direction,
        "format": file.format,
        "scheme": file.scheme,
        "due_on": file.due_on.isoformat(),
        "payments": file.payments,
        "total": file.total,
        "sha256": file.sha256.hex(),
        "made_by": file.made_by,
        "made_at": show_moment(file.made_at),
    }


def show_instruction(made: Instruction, month: date) -> dict[str, Any]:
    return {
        "format": made.format,
        "payment_files": [show_file(file, month) for file in made.files],
        "waiting": [show_waiting(waiting) for waiting in made.waiting],
    }


def show_waiting(waiting: Waiting) -> dict[str, Any]:
    return {
        "leg_id": ids.show(ids.LEG, waiting.leg_id),
        "end_to_end_id": end_to_end_id(waiting.leg_id),
        "store": waiting.store_code,
        "amount": waiting.amount,
        "because": waiting.because,
    }


def show_reading(reading: Reading) -> dict[str, Any]:
    """How many entries did what; `entries` are those that changed nothing as well."""
    file, counts = reading.file, Counter(each.outcome for each in reading.judged)
    return {
        "bank_file_id": ids.show(ids.BANK_FILE, file.bank_file_id),
        "kind": file.kind,
        "message_id": file.message_id,
        "name": file.name,
        **{outcome: counts[outcome] for outcome in OUTCOMES},
        "not_booked": file.not_booked,
        "others": file.others,
        "read_by": file.read_by,
        "read_at": show_moment(file.read_at),
        "entries": [
            {
                "leg_id": ids.show(ids.LEG, each.entry.leg_id),
                "outcome": each.outcome,
                "is_return": each.entry.is_return,
                "amount": each.entry.amount,
                "booked_on": each.entry.booked_on and each.entry.booked_on.isoformat(),
                "reference": each.entry.reference,
                "reason": each.entry.reason,
            }
            for each in reading.judged
        ],
    }
