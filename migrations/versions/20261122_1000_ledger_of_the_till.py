"""Holds, partial reversals, tender rules, merged members and the outbox in the ledger.

Revision ID: 20261122_1000
"""

from alembic import op

from migrations.tenancy import isolate

revision = "20261122_1000"
down_revision = "20261121_1000"
branch_labels = None
depends_on = None

KINDS = """
ALTER TYPE ledger.transfer_kind ADD VALUE 'hold';
ALTER TYPE ledger.transfer_kind ADD VALUE 'capture';
ALTER TYPE ledger.transfer_kind ADD VALUE 'void';
ALTER TYPE ledger.transfer_kind ADD VALUE 'hold_expiry';
ALTER TYPE ledger.transfer_kind ADD VALUE 'merge_out';
ALTER TYPE ledger.transfer_kind ADD VALUE 'merge_in';
ALTER TYPE ledger.account_kind ADD VALUE 'held';
ALTER TYPE ledger.account_kind ADD VALUE 'borne';
ALTER TYPE ledger.account_kind ADD VALUE 'moved';
"""

PROGRAMME = """
ALTER TABLE programme.versions
    ADD COLUMN minimum_points bigint NOT NULL DEFAULT 1 CHECK (minimum_points > 0),
    ADD COLUMN step_points bigint NOT NULL DEFAULT 1 CHECK (step_points > 0),
    ADD COLUMN maximum_share numeric(7, 6) NOT NULL DEFAULT 1 CHECK (maximum_share > 0 AND maximum_share <= 1),
    ADD COLUMN return_policy text NOT NULL DEFAULT 'deficit' CHECK (return_policy IN ('deficit', 'clamp')),
    ADD COLUMN return_grace_days integer NOT NULL DEFAULT 0 CHECK (return_grace_days BETWEEN 0 AND 3650),
    ADD COLUMN offline_limit bigint NOT NULL DEFAULT 0 CHECK (offline_limit >= 0),
    ADD COLUMN offline_charged_to text NOT NULL DEFAULT 'member' CHECK (offline_charged_to IN ('member', 'store')),
    ADD COLUMN pin_from bigint CHECK (pin_from >= 0),
    ADD COLUMN code_from bigint CHECK (code_from >= 0),
    ADD COLUMN velocity_limits jsonb NOT NULL DEFAULT '{}';
"""

LEDGER = """
-- Whether anybody listens: postings write to the outbox of such networks only.
ALTER TABLE ledger.books ADD COLUMN events_wanted boolean NOT NULL DEFAULT false;

ALTER TABLE ledger.wallets
    ADD COLUMN held bigint NOT NULL DEFAULT 0,
    ADD COLUMN last_code_step bigint NOT NULL DEFAULT 0,
    ADD COLUMN merged_into_member_id uuid,
    DROP CONSTRAINT wallets_points_check,
    ADD CONSTRAINT wallets_points_check CHECK (least(balance, deficit, held, chain_length) >= 0);

-- The transfer that this one resolves or continues: a hold, the other half of a merge.
ALTER TABLE ledger.transfers
    ADD COLUMN refers_to_transfer_id uuid,
    ADD FOREIGN KEY (tenant_id, refers_to_transfer_id) REFERENCES ledger.transfers;
DROP INDEX ledger.transfers_reverses_key;
CREATE INDEX transfers_reverses_idx ON ledger.transfers (tenant_id, reverses_transfer_id)
    WHERE reverses_transfer_id IS NOT NULL;

-- What a purchase consisted of, and under a reversal's id what of it came back. rate: points per minor unit.
CREATE TABLE ledger.purchase_lines (
    tenant_id uuid NOT NULL,
    transfer_id uuid NOT NULL,
    line text NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),
    rate numeric(20, 10) NOT NULL CHECK (rate >= 0),
    PRIMARY KEY (tenant_id, transfer_id, line),
    FOREIGN KEY (tenant_id, transfer_id) REFERENCES ledger.transfers
);

-- The state of a hold; hold_id is the transfer that placed it, resolved_by the one that resolved it.
CREATE TABLE ledger.holds (
    tenant_id uuid NOT NULL,
    hold_id uuid NOT NULL,
    member_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'captured', 'voided', 'expired')),
    expires_at timestamptz NOT NULL,
    resolved_by uuid,
    PRIMARY KEY (tenant_id, hold_id),
    FOREIGN KEY (tenant_id, hold_id) REFERENCES ledger.transfers,
    FOREIGN KEY (tenant_id, resolved_by) REFERENCES ledger.transfers,
    CONSTRAINT holds_resolved_check CHECK ((state = 'held') = (resolved_by IS NULL))
);
CREATE INDEX holds_expiry_idx ON ledger.holds (tenant_id, expires_at) WHERE state = 'held';
CREATE INDEX holds_member_idx ON ledger.holds (tenant_id, member_id) WHERE state = 'held';

-- Written by what it tells of, in the same transaction; emptied by whoever carries it on. Either a transfer, or
-- something else that happened (type, payload).
CREATE TABLE ledger.outbox (
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    transfer_id uuid,
    type text,
    payload jsonb,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, event_id),
    CONSTRAINT outbox_content_check CHECK ((transfer_id IS NULL) = (type IS NOT NULL AND payload IS NOT NULL))
);

ALTER TYPE ledger.posting_event
    ADD ATTRIBUTE beyond_limit bigint,
    ADD ATTRIBUTE beyond_charged_to text,
    ADD ATTRIBUTE hold_id uuid,
    ADD ATTRIBUTE hold_until timestamptz,
    ADD ATTRIBUTE purchase_lines jsonb,
    ADD ATTRIBUTE return_policy text,
    ADD ATTRIBUTE grace_days integer,
    ADD ATTRIBUTE code_step bigint,
    ADD ATTRIBUTE velocity_limits jsonb,
    ADD ATTRIBUTE refusal_detail jsonb;

-- The number of the card, also where the event named an earlier transfer instead.
ALTER TYPE ledger.posting_result ADD ATTRIBUTE card text;

-- What a kind of event makes of itself before it is written: the transfer and its lines, or why it can't be.
CREATE TYPE ledger.posting_draft AS (
    transfer ledger.transfers, lines ledger.posting_line[], code text, detail jsonb);
"""

GRANTS = """
GRANT UPDATE (events_wanted) ON ledger.books TO clearinghouse_app;
GRANT UPDATE (held, last_code_step, merged_into_member_id) ON ledger.wallets TO clearinghouse_app;
GRANT UPDATE (member_id, expires_on) ON ledger.lots TO clearinghouse_app;
GRANT SELECT, INSERT ON ledger.purchase_lines TO clearinghouse_app;
GRANT SELECT, INSERT ON ledger.holds TO clearinghouse_app;
GRANT UPDATE (state, resolved_by) ON ledger.holds TO clearinghouse_app;
GRANT SELECT, INSERT, DELETE ON ledger.outbox TO clearinghouse_app;
"""

MEMBERS = """
ALTER TABLE tenants.members
    ADD COLUMN merged_into_member_id uuid,
    ADD FOREIGN KEY (tenant_id, merged_into_member_id) REFERENCES tenants.members;
"""

SETTLEMENT = """
-- Points that a store answers for itself: taken back from nobody (a return), or given without cover (offline).
ALTER TABLE settlement.windows
    ADD COLUMN borne bigint,
    DROP CONSTRAINT windows_outstanding_check,
    ADD CONSTRAINT windows_outstanding_check
        CHECK (closing_outstanding = opening_outstanding + issued + borne - recovered - expired);
UPDATE settlement.windows SET borne = 0 WHERE published_at IS NOT NULL;
ALTER TABLE settlement.windows
    DROP CONSTRAINT windows_published_check,
    ADD CONSTRAINT windows_published_check CHECK (
        (published_at IS NULL AND num_nonnulls(issued, borne, recovered, expired, opening_outstanding,
                                               closing_outstanding, hq_net, rounding, identities) = 0)
        OR (published_at IS NOT NULL AND num_nulls(issued, borne, recovered, expired, opening_outstanding,
                                                   closing_outstanding, hq_net, rounding, identities) = 0));
GRANT UPDATE (borne) ON settlement.windows TO clearinghouse_app;
ALTER TABLE settlement.positions ADD COLUMN borne bigint NOT NULL DEFAULT 0;
ALTER TABLE settlement.days ADD COLUMN borne bigint NOT NULL DEFAULT 0;
"""


def upgrade() -> None:
    for part in (KINDS, PROGRAMME, LEDGER, GRANTS, MEMBERS, SETTLEMENT):
        op.execute(part)
    isolate("ledger.purchase_lines", "ledger.holds", "ledger.outbox")


def downgrade() -> None:
    raise NotImplementedError("Kinds of transfers that have been posted can't be taken back: restore a backup.")
