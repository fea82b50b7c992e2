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

# What a person's key may do comes from the person's roles, so such a key has no scopes of its own. The function that
# reads keys gives more columns than before, which CREATE OR REPLACE can't do: it is made anew after this revision.
KEYS = """
DROP FUNCTION IF EXISTS tenants.find_principal(uuid, bytea);
ALTER TABLE tenants.credentials
    ADD COLUMN staff_id uuid,
    DROP CONSTRAINT credentials_role_check,
    DROP CONSTRAINT credentials_scopes_check,
    ADD CONSTRAINT credentials_role_check CHECK (role IN ('terminal', 'hq', 'staff')),
    ADD CONSTRAINT credentials_staff_check CHECK ((role = 'staff') = (staff_id IS NOT NULL)),
    ADD CONSTRAINT credentials_scopes_check CHECK (
        (cardinality(scopes) = 0) = (role = 'staff') AND scopes <@ CASE role
        WHEN 'terminal' THEN ARRAY['accrue', 'redeem', 'reverse', 'read', 'close', 'register']
        WHEN 'hq' THEN ARRAY['read', 'directory', 'settlement', 'keys', 'webhooks']
        ELSE ARRAY[]::text[] END),
    ADD FOREIGN KEY (tenant_id, staff_id) REFERENCES tenants.staff;
"""

GRANTS = """
GRANT SELECT, INSERT ON tenants.staff TO clearinghouse_app;
GRANT UPDATE (roles, left_at) ON tenants.staff TO clearinghouse_app;
"""

DOWNGRADE = """
DELETE FROM tenants.credentials WHERE role = 'staff';
ALTER TABLE tenants.credentials
    DROP COLUMN staff_id,
    DROP CONSTRAINT credentials_role_check,
    DROP CONSTRAINT credentials_scopes_check,
    ADD CONSTRAINT credentials_role_check CHECK (role IN ('terminal', 'hq')),
    ADD CONSTRAINT credentials_scopes_check CHECK (cardinality(scopes) > 0 AND scopes <@ CASE role
        WHEN 'terminal' THEN ARRAY['accrue', 'redeem', 'reverse', 'read', 'close', 'register']
        ELSE ARRAY['read', 'directory', 'settlement', 'keys', 'webhooks'] END);
DROP TABLE tenants.staff;
"""


def upgrade() -> None:
    op.execute(STAFF)
    isolate("tenants.staff")
    op.execute(KEYS)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute(DOWNGRADE)
