"""Adjustments and disputes that are sent again are made once.

Revision ID: 20261122_1640
"""

from alembic import op

revision = "20261122_1640"
down_revision = "20261122_1630"
branch_labels = None
depends_on = None

KEYS = """
ALTER TABLE settlement.adjustments ADD COLUMN idempotency_key text, ADD UNIQUE (tenant_id, made_by, idempotency_key);
ALTER TABLE settlement.disputes ADD COLUMN idempotency_key text, ADD UNIQUE (tenant_id, opened_by, idempotency_key);
"""

DOWNGRADE = """
ALTER TABLE settlement.adjustments DROP COLUMN idempotency_key;
ALTER TABLE settlement.disputes DROP COLUMN idempotency_key;
"""


def upgrade() -> None:
    op.execute(KEYS)


def downgrade() -> None:
    op.execute(DOWNGRADE)
