"""The groups whose commands are of several nouns, put together; `cli.py` takes them from here."""

from settlement.approvals.commands import postpone_window, settlement
from settlement.checks.commands import check_of_month
from settlement.disputes.commands import dispute
from settlement.owners.commands import lines
from settlement.proofs.commands import verify
from settlement.reports.commands import export
from settlement.seals.commands import seal
from settlement.windows.commands import window

dispute.add_command(lines)
settlement.add_command(check_of_month)
settlement.add_command(export)
settlement.add_command(verify)
window.add_command(postpone_window)
window.add_command(seal)
