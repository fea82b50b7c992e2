"""The faces that head office and its people see; `cli.py` hands them to the application."""

from settlement.adjustments.web import adjustments
from settlement.disputes.web import disputes
from settlement.fees.web import fees
from settlement.owners.web import own
from settlement.proposals.web import settlements
from settlement.rates.web import rates
from settlement.terms.web import terms
from settlement.valuation.web import valuations
from settlement.windows.web import settlement

BLUEPRINTS = [settlement, settlements, rates, fees, terms, adjustments, disputes, own, valuations]
