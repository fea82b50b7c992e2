"""The faces that head office and its people see; `cli.py` hands them to the application."""

from settlement.accounting.web import journals
from settlement.adjustments.web import adjustments
from settlement.approvals.web import settlements
from settlement.authenticity.web import authenticity
from settlement.checks.web import checks
from settlement.deposits.web import deposits
from settlement.disputes.web import disputes
from settlement.exposure.web import exposures
from settlement.fees.web import fees
from settlement.owners.web import own
from settlement.payments.web import payments
from settlement.proofs.web import proofs
from settlement.rates.web import rates
from settlement.reports.web import reports
from settlement.seals.web import seals
from settlement.statements.web import statements
from settlement.terms.web import terms
from settlement.valuation.web import valuations
from settlement.windows.web import settlement

BLUEPRINTS = [
    settlement,
    settlements,
    adjustments,
    authenticity,
    checks,
    deposits,
    disputes,
    exposures,
    fees,
    journals,
    own,
    payments,
    proofs,
    rates,
    reports,
    seals,
    statements,
    terms,
    valuations,
]
