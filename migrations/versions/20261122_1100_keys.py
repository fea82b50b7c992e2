"""Scopes, rotation and last use of API keys.

Revision ID: 20261122_1100
"""

from alembic import op

revision = "20261122_1100"
down_revision = "20261122_1000"
branch_labels = None
depends_on = None

# Keys that are there go on doing all that their role may do. The function that reads them gives more columns than
# before, which CREATE OR REPLACE can't do: it is made anew with the others after this revision.
UPGRADE = """
DROP FUNCTION IF EXISTS tenants.find_principal(uuid, bytea);
ALTER TABLE tenants.credentials
    ADD COLUMN scopes text[],
    ADD COLUMN replaces_credential_id uuid,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN last_used_at timestamptz,
    ADD COLUMN rate_limit integer;
UPDATE tenants.credentials SET scopes = CASE role
    WHEN 'terminal' THEN ARRAY['accrue', 'redeem', 'reverse', 'read', 'close', 'register']
    ELSE ARRAY['read', 'directory', 'settlement', 'keys', 'webhooks'] END;
ALTER TABLE tenants.credentials
    ALTER COLUMN scopes SET NOT NULL,
    ADD CONSTRAINT credentials_scopes_check CHECK (cardinality(scopes) > 0 AND scopes <@ CASE role
        WHEN 'terminal' THEN ARRAY['accrue', 'redeem', 'reverse', 'read', 'close', 'register']
        ELSE ARRAY['read', 'directory', 'settlement', 'keys', 'webhooks'] END),
    ADD CONSTRAINT credentials_rate_limit_check CHECK (rate_limit BETWEEN 1 AND 1000),
    ADD CONSTRAINT credentials_replaces_check CHECK (replaces_credential_id <> credential_id),
    ADD CONSTRAINT credentials_tenant_id_replaces_credential_id_key UNIQUE (tenant_id, replaces_credential_id),
    ADD FOREIGN KEY (tenant_id, replaces_credential_id) REFERENCES tenants.credentials;
"""

DOWNGRADE = """
DROP FUNCTION tenants.find_principal(uuid, bytea), tenants.note_use(uuid, bytea);
ALTER TABLE tenants.credentials
    DROP COLUMN scopes,
    DROP COLUMN replaces_credential_id,
    DROP COLUMN expires_at,
    DROP COLUMN last_used_at,
    DROP COLUMN rate_limit;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
