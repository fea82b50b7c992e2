"""Webhook endpoints and deliveries.

Revision ID: 20261122_1500
"""

revision = "20261122_1500"
down_revision = "20261122_1400"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
