"""The faces that head office and its people see; `cli.py` hands them to the application."""

from settlement.adjustments.web import adjustments
from settlement.checks.web import checks
from settlement.disputes.web import disputes
from settlement.owners.web import own
from settlement.payments.web import payments
<<<<<<< HEAD
=======
from settlement.proofs.web import proofs
>>>>>>> main
from settlement.proposals.web import settlements
from settlement.seals.web import seals
from settlement.valuation.web import valuations
from settlement.windows.web import settlement

<<<<<<< HEAD
BLUEPRINTS = [settlement, settlements, adjustments, disputes, own, payments, valuations]
=======
BLUEPRINTS = [
    settlement,
    settlements,
    adjustments,
    checks,
    disputes,
    own,
    payments,
    proofs,
    seals,
    valuations,
]
>>>>>>> main
