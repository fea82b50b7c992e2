"""The faces that head office and its people see; `cli.py` hands them to the application."""

from settlement.accounting.web import journals
from settlement.adjustments.web import adjustments
from settlement.checks.web import checks
from settlement.disputes.web import disputes
from settlement.owners.web import own
from settlement.payments.web import payments
from settlement.proofs.web import proofs
from settlement.proposals.web import settlements
from settlement.reports.web import reports
from settlement.seals.web import seals
from settlement.valuation.web import valuations
from settlement.windows.web import settlement

BLUEPRINTS = [
    settlement,
    settlements,
    adjustments,
    checks,
    disputes,
    journals,
    own,
    payments,
    proofs,
    reports,
    seals,
    valuations,
]
