"""Members found by their phone.

Revision ID: 20261122_1730
"""

from alembic import op

from migrations.online import create_index

revision = "20261122_1730"
down_revision = "20261122_1720"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index(
        "tenants.members_phone_idx", "ON tenants.members (tenant_id, phone_hash) WHERE phone_hash IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX tenants.members_phone_idx")
