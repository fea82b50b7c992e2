"""The faces that head office and its people see; `cli.py` hands them to the application."""

from settlement.payments.web import payments
from settlement.proposals.web import settlements
from settlement.valuation.web import valuations
from settlement.windows.web import settlement

BLUEPRINTS = [settlement, settlements, payments, valuations]
