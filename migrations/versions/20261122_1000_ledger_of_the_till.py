"""Holds, partial reversals, tender rules, merged members and the outbox in the ledger.

Revision ID: 20261122_1000
"""

revision = "20261122_1000"
down_revision = "20261121_1000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
