"""
Revision ID: 20261122_1700
"""

revision = "20261122_1700"
down_revision = "20261122_1660"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
