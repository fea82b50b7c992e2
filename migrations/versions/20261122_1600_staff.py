"""The people who settle: preparers, approvers, treasurers, owners of stores, auditors.

Revision ID: 20261122_1600
"""

from alembic import op

from migrations.tenancy import isolate

revision = "20261122_1600"
down_revision = "20261122_1500"
branch_labels = None
depends_on = None

STAFF = """
CREATE TABLE tenants.staff (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    staff_id uuid NOT NULL,
    code text NOT NULL CHECK (code <> ''),
    name text NOT NULL CHECK (name <> ''),
    roles text[] NOT NULL,
    participant_id uuid,
    created_at timestamptz NOT NULL,
    left_at timestamptz,
    PRIMARY KEY (tenant_id, staff_id),
    UNIQUE (tenant_id, code),
    FOREIGN KEY (tenant_id, participant_id) REFERENCES tenants.participants,
    CONSTRAINT staff_roles_check CHECK (
        cardinality(roles) > 0 AND roles <@ ARRAY['preparer', 'approver', 'treasurer', 'owner', 'auditor']),
    -- Who owns stores acts for one participant, and in no role of head office.
    CONSTRAINT staff_owner_check CHECK (
        ('owner' = ANY (roles)) = (participant_id IS NOT NULL) AND (participant_id IS NULL OR cardinality(roles) = 1))
);
"""

GRANTS = """
GRANT SELECT, INSERT ON tenants.staff TO clearinghouse_app;
GRANT UPDATE (roles, left_at) ON tenants.staff TO clearinghouse_app;
"""


def upgrade() -> None:
    op.execute(STAFF)
    isolate("tenants.staff")
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP TABLE tenants.staff")
