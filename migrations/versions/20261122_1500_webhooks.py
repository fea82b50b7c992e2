"""Webhook endpoints and deliveries.

Revision ID: 20261122_1500
"""

from alembic import op

from migrations.tenancy import isolate

revision = "20261122_1500"
down_revision = "20261122_1400"
branch_labels = None
depends_on = None

WEBHOOKS = """
CREATE SCHEMA webhooks;

-- types: which events are wanted, none named = all. Its secret is derived from the installation's key by
-- secret_generation and never stored.
CREATE TABLE webhooks.endpoints (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    endpoint_id uuid NOT NULL,
    url text NOT NULL CHECK (url <> ''),
    description text,
    types text[] NOT NULL,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled', 'deleted')),
    disabled_because text,
    created_at timestamptz NOT NULL,
    active_since timestamptz NOT NULL,
    secret_generation integer NOT NULL DEFAULT 1 CHECK (secret_generation > 0),
    earlier_secret_until timestamptz,
    failing_since timestamptz,
    failures_in_row integer NOT NULL DEFAULT 0 CHECK (failures_in_row >= 0),
    paused_until timestamptz,
    is_slow boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, endpoint_id),
    CONSTRAINT endpoints_disabled_check CHECK ((status = 'active') = (disabled_because IS NULL)),
    CONSTRAINT endpoints_failing_check CHECK ((failing_since IS NULL) = (failures_in_row = 0))
);

-- One event for one endpoint. lane: the member, or the event itself when it is of none; in a lane they go in the
-- order of sequence, one at a time, and only the first that is pending has a due_at. No foreign key to the transfer:
-- it would lock a row that a till has just written.
CREATE TABLE webhooks.deliveries (
    tenant_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    type text NOT NULL,
    transfer_id uuid,
    payload jsonb,
    occurred_at timestamptz NOT NULL,
    lane uuid NOT NULL,
    sequence bigint NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    failed_because text,
    due_at timestamptz,
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    retries integer NOT NULL DEFAULT 0 CHECK (retries >= 0),
    queued_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, delivery_id),
    UNIQUE (tenant_id, endpoint_id, event_id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhooks.endpoints,
    CONSTRAINT deliveries_content_check CHECK ((transfer_id IS NULL) = (payload IS NOT NULL)),
    CONSTRAINT deliveries_finished_check CHECK (
        (state = 'pending') = (finished_at IS NULL) AND (state = 'failed') = (failed_because IS NOT NULL)
        AND (state = 'pending' OR due_at IS NULL))
);
CREATE INDEX deliveries_lane_idx ON webhooks.deliveries (tenant_id, endpoint_id, lane, sequence)
    WHERE state = 'pending';
CREATE INDEX deliveries_due_idx ON webhooks.deliveries (tenant_id, endpoint_id, due_at) WHERE due_at IS NOT NULL;
CREATE UNIQUE INDEX deliveries_turn_key ON webhooks.deliveries (tenant_id, endpoint_id, lane)
    WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_state_idx ON webhooks.deliveries (tenant_id, endpoint_id, state, event_id);
CREATE INDEX deliveries_purge_idx ON webhooks.deliveries (tenant_id, finished_at) WHERE finished_at IS NOT NULL;

-- Every call that was made, as it went: a status and the beginning of the answer, or an error.
CREATE TABLE webhooks.attempts (
    tenant_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    attempted_at timestamptz NOT NULL,
    milliseconds integer NOT NULL CHECK (milliseconds >= 0),
    status_code integer,
    answer text,
    error text,
    PRIMARY KEY (tenant_id, delivery_id, number),
    FOREIGN KEY (tenant_id, delivery_id) REFERENCES webhooks.deliveries,
    CONSTRAINT attempts_outcome_check CHECK ((status_code IS NULL) = (error IS NOT NULL))
);
"""

GRANTS = """
GRANT USAGE ON SCHEMA webhooks TO clearinghouse_app;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA webhooks TO clearinghouse_app;
GRANT UPDATE (url, description, types, status, disabled_because, active_since, secret_generation,
    earlier_secret_until, failing_since, failures_in_row, paused_until, is_slow) ON webhooks.endpoints
    TO clearinghouse_app;
GRANT UPDATE (state, failed_because, due_at, attempts, retries, queued_at, finished_at) ON webhooks.deliveries
    TO clearinghouse_app;
"""


def upgrade() -> None:
    op.execute(WEBHOOKS)
    op.execute(GRANTS)
    isolate("webhooks.endpoints", "webhooks.deliveries", "webhooks.attempts")


def downgrade() -> None:
    op.execute("DROP SCHEMA webhooks CASCADE")
