"""PINs and wallet codes of members.

Revision ID: 20261122_1300
"""

revision = "20261122_1300"
down_revision = "20261122_1200"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
