"""Sequence numbers of terminals and the close of their days.

Revision ID: 20261122_1400
"""

from alembic import op

from migrations.tenancy import isolate

revision = "20261122_1400"
down_revision = "20261122_1300"
branch_labels = None
depends_on = None

SEQUENCES = """
CREATE TABLE ledger.sequences (
    tenant_id uuid NOT NULL,
    terminal_id uuid NOT NULL,
    received int8multirange NOT NULL,
    posted int8multirange NOT NULL,
    repeated int8multirange NOT NULL,
    highest bigint NOT NULL,
    clock_skew_seconds bigint,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, terminal_id),
    FOREIGN KEY (tenant_id, terminal_id) REFERENCES tenants.terminals,
    CONSTRAINT sequences_received_check
        CHECK (coalesce(lower(received), 1) >= 1 AND highest >= coalesce(upper(received) - 1, 0)),
    CONSTRAINT sequences_posted_check CHECK (posted <@ received AND repeated <@ posted)
);
"""

# fingerprint: a sum of hashes over the entries, which the ledger's side is compared with; null without entries.
DAY_CLOSES = """
CREATE TABLE ledger.day_closes (
    tenant_id uuid NOT NULL,
    terminal_id uuid NOT NULL,
    business_date date NOT NULL,
    attempt integer NOT NULL CHECK (attempt > 0),
    accruals_count bigint NOT NULL,
    accruals_points bigint NOT NULL,
    accruals_amount bigint NOT NULL,
    redemptions_count bigint NOT NULL,
    redemptions_points bigint NOT NULL,
    redemptions_amount bigint NOT NULL,
    reversals_count bigint NOT NULL,
    reversals_points bigint NOT NULL,
    reversals_amount bigint NOT NULL,
    entries jsonb,
    fingerprint numeric,
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    submitted_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, terminal_id, business_date, attempt),
    FOREIGN KEY (tenant_id, terminal_id) REFERENCES tenants.terminals,
    CONSTRAINT day_closes_totals_check CHECK (
        least(accruals_count, accruals_points, accruals_amount, redemptions_count, redemptions_points,
              redemptions_amount, reversals_count, reversals_points, reversals_amount) >= 0),
    CONSTRAINT day_closes_entries_check CHECK ((entries IS NULL) = (fingerprint IS NULL))
);
-- Holds for the close and the ledger that were looked at: another attempt, or one transfer more, opens the day again.
CREATE TABLE ledger.day_close_acceptances (
    tenant_id uuid NOT NULL,
    terminal_id uuid NOT NULL,
    business_date date NOT NULL,
    acceptance_id uuid NOT NULL,
    attempt integer NOT NULL CHECK (attempt >= 0),
    transfers_count bigint NOT NULL CHECK (transfers_count >= 0),
    reason text NOT NULL CHECK (reason <> ''),
    accepted_by text NOT NULL CHECK (accepted_by <> ''),
    accepted_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, terminal_id, business_date, acceptance_id),
    FOREIGN KEY (tenant_id, terminal_id) REFERENCES tenants.terminals
);
"""

GRANTS = """
GRANT SELECT, INSERT ON ledger.sequences, ledger.day_closes, ledger.day_close_acceptances TO clearinghouse_app;
GRANT UPDATE (received, posted, repeated, highest, clock_skew_seconds, seen_at) ON ledger.sequences
    TO clearinghouse_app;
"""


def upgrade() -> None:
    op.execute(SEQUENCES)
    op.execute(DAY_CLOSES)
    isolate("ledger.sequences", "ledger.day_closes", "ledger.day_close_acceptances")
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP TABLE ledger.day_close_acceptances, ledger.day_closes, ledger.sequences")
