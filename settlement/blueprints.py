"""The faces that head office and its people see; `cli.py` hands them to the application."""

from settlement.adjustments.web import adjustments
from settlement.disputes.web import disputes
from settlement.owners.web import own
from settlement.payments.web import payments
from settlement.proposals.web import settlements
from settlement.valuation.web import valuations
from settlement.windows.web import settlement

BLUEPRINTS = [settlement, settlements, adjustments, disputes, own, payments, valuations]
