"""The audit log: every administrative act, each entry chained to the one before it.

Revision ID: 20261122_1700
"""

from alembic import op

from migrations.tenancy import isolate

revision = "20261122_1700"
down_revision = "20261122_1660"
branch_labels = None
depends_on = None

# No reference to tenants.networks: the installation's own chain is under the network id that is all zeros.
# `previous_hash` refers to an entry that is there and that no other entry refers to, so there is one chain; what no
# constraint can see, that nothing was changed by the owner of the table, `audit verify` recomputes.
AUDIT_LOG = """
CREATE TABLE tenants.audit_log (
    tenant_id uuid NOT NULL,
    sequence bigint NOT NULL CHECK (sequence > 0),
    happened_at timestamptz NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('key', 'staff', 'command line', 'job', 'program')),
    actor text NOT NULL,
    via text,
    action text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('done', 'read', 'refused')),
    error_code text,
    subject text[] NOT NULL,
    written text[] NOT NULL,
    request_id text,
    body_digest bytea CHECK (length(body_digest) = 32),
    previous_hash bytea,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant_id, sequence),
    UNIQUE (tenant_id, hash),
    UNIQUE (tenant_id, previous_hash),
    FOREIGN KEY (tenant_id, previous_hash) REFERENCES tenants.audit_log (tenant_id, hash),
    CONSTRAINT audit_log_first_check CHECK ((sequence = 1) = (previous_hash IS NULL)),
    CONSTRAINT audit_log_refusal_check CHECK ((outcome = 'refused') = (error_code IS NOT NULL)),
    -- Codes, ids, days and hashes only: a text that somebody has written would be a bug of ours.
    CONSTRAINT audit_log_words_check CHECK (
        (actor || ' ' || coalesce(via, '') || ' ' || coalesce(request_id, '') || ' ' || coalesce(error_code, '')
            || ' ' || array_to_string(subject || written, ' ')) ~ '^[A-Za-z0-9._:/+ -]*$')
);
"""


def upgrade() -> None:
    op.execute(AUDIT_LOG)
    isolate("tenants.audit_log")
    op.execute("GRANT SELECT, INSERT ON tenants.audit_log TO clearinghouse_app")


def downgrade() -> None:
    op.execute("DROP TABLE tenants.audit_log")
