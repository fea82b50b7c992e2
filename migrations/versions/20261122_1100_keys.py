"""Scopes, rotation and last use of API keys.

Revision ID: 20261122_1100
"""

revision = "20261122_1100"
down_revision = "20261122_1000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
