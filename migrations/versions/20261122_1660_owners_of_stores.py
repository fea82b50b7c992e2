"""A store stays with its participant: whose rate and fees it has in the months that are approved follows from that.

Revision ID: 20261122_1660
"""

from alembic import op

revision = "20261122_1660"
down_revision = "20261122_1650"
branch_labels = None
depends_on = None

# Every other column may be changed as before, whichever there are.
GRANTS = """
REVOKE UPDATE ON tenants.stores FROM clearinghouse_app;
DO $$
BEGIN
    EXECUTE (
        SELECT format('GRANT UPDATE (%s) ON tenants.stores TO clearinghouse_app',
                      string_agg(quote_ident(attname), ', '))
        FROM pg_attribute
        WHERE attrelid = 'tenants.stores'::regclass AND attnum > 0 AND NOT attisdropped
          AND attname NOT IN ('tenant_id', 'store_id', 'participant_id', 'created_at')
    );
END $$;
"""


def upgrade() -> None:
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("GRANT UPDATE ON tenants.stores TO clearinghouse_app")
