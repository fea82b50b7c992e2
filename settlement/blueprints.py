"""The faces that head office and its people see; `cli.py` hands them to the application."""

from settlement.authenticity.web import authenticity
from settlement.proposals.web import settlements
from settlement.statements.web import statements
from settlement.valuation.web import valuations
from settlement.windows.web import settlement

BLUEPRINTS = [settlement, settlements, statements, authenticity, valuations]
