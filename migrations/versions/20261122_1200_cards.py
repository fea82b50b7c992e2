"""Card batches, registration, payment tokens and what was done to a card.

Revision ID: 20261122_1200
"""

revision = "20261122_1200"
down_revision = "20261122_1100"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
