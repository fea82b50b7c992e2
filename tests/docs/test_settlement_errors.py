"""What docs/settlement-errors.md tells head office is what the settlement packages raise."""

from __future__ import annotations

from settlement.bank_files.camt import NotReadable
from settlement.valuation.rules import FinalRateMissing
from tests.conftest import ROOT
from tests.docs.error_codes import codes_in_table, find_codes

DOCUMENT = (ROOT / "docs" / "settlement-errors.md").read_text()

# What the calls of the close are made of.
MODULES = ("settlement/", "tenants/bank_accounts/", "tenants/rates/", "tenants/staff/", "tenants/validity/")
# What an operator of the program sees, not a caller of the API.
MODULES_ELSEWHERE = ("settlement/demo/", "settlement/serving/")
# Also raised on the way of these calls, by what all packages share.
SHARED = {("invalid_month", 422), ("invalid_name", 422), ("month_detached", 409)}
# Errors of a class of their own, which have to be loaded to be found.
OWN_CLASSES = (NotReadable, FinalRateMissing)
# Put together from the name of what it is about.
COMPOSED = {("rate_unknown", 404), ("fee_unknown", 404), ("rate_overlap", 409), ("fee_overlap", 409)}


def test_every_code_of_the_close_is_in_the_table_with_its_status() -> None:
    found = list(find_codes())
    expected = {
        (code, status)
        for module, code, status in found
        if module.startswith(MODULES) and not module.startswith(MODULES_ELSEWHERE)
    }

    assert len(expected) >= 60
    assert {kind.code for kind in OWN_CLASSES} <= {code for code, _ in expected}
    assert {(code, status) for _, code, status in found} >= SHARED
    assert set(codes_in_table(DOCUMENT).items()) == expected | SHARED | COMPOSED
