"""The events of a batch are parsed once: `ledger.lock_wallets` takes them as they are then.

Revision ID: 20261122_1730
"""

from alembic import op

revision = "20261122_1730"
down_revision = "20261122_1720"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Only `ledger.post` calls it, which is replaced in the same transaction.
    op.execute("-- squawk-ignore ban-drop-function\nDROP FUNCTION IF EXISTS ledger.lock_wallets(uuid, jsonb)")


def downgrade() -> None:
    op.execute("DROP FUNCTION IF EXISTS ledger.lock_wallets(uuid, ledger.posting_event[])")
