"""The faces that head office and its people see; `cli.py` hands them to the application."""

from settlement.deposits.web import deposits
from settlement.exposure.web import exposures
from settlement.proposals.web import settlements
from settlement.valuation.web import valuations
from settlement.windows.web import settlement

BLUEPRINTS = [settlement, settlements, exposures, deposits, valuations]
