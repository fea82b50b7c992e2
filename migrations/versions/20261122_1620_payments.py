"""Bank accounts, payment files and what banks answered.

Revision ID: 20261122_1620
"""

revision = "20261122_1620"
down_revision = "20261122_1610"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
