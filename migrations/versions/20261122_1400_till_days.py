"""Sequence numbers of terminals and the close of their days.

Revision ID: 20261122_1400
"""

revision = "20261122_1400"
down_revision = "20261122_1300"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
