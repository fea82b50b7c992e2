"""Settlements: what a closed month comes to in money, who proposed and approved it, and what became of each payment.

Revision ID: 20261122_1610
"""

from alembic import op

from migrations.tenancy import isolate

revision = "20261122_1610"
down_revision = "20261122_1600"
branch_labels = None
depends_on = None

RATES = """
CREATE EXTENSION IF NOT EXISTS btree_gist;
-- Without a participant: the network's. valid_until is the last day. Never two of the same at once.
CREATE TABLE tenants.rates (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    rate_id uuid NOT NULL,
    participant_id uuid,
    valid_from date NOT NULL,
    valid_until date CHECK (valid_until >= valid_from),
    funding_rate numeric(18, 6) NOT NULL CHECK (funding_rate >= 0),
    redemption_rate numeric(18, 6) NOT NULL CHECK (redemption_rate >= 0),
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    withdrawn_by text,
    withdrawn_at timestamptz,
    PRIMARY KEY (tenant_id, rate_id),
    FOREIGN KEY (tenant_id, participant_id) REFERENCES tenants.participants,
    CONSTRAINT rates_withdrawn_check CHECK ((withdrawn_by IS NULL) = (withdrawn_at IS NULL)),
    CONSTRAINT rates_overlap EXCLUDE USING gist (
        tenant_id WITH =, coalesce(participant_id, tenant_id) WITH =, daterange(valid_from, valid_until, '[]') WITH &&
    ) WHERE (withdrawn_at IS NULL)
);
INSERT INTO tenants.rates (tenant_id, rate_id, valid_from, funding_rate, redemption_rate, made_by, made_at)
SELECT tenant_id, gen_random_uuid(), date_trunc('month', opened_on), funding_rate, redemption_rate, 'upgrade', now()
FROM tenants.networks;
ALTER TABLE tenants.networks DROP COLUMN funding_rate, DROP COLUMN redemption_rate;

-- rate: minor units per transfer, per point or per month; of volume, the share of the amounts purchased.
CREATE TABLE settlement.fees (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    fee_id uuid NOT NULL,
    code text NOT NULL CHECK (code <> ''),
    participant_id uuid,
    basis text NOT NULL CHECK (basis IN ('transfer', 'point_issued', 'point_recovered', 'volume', 'month')),
    rate numeric(18, 6) NOT NULL CHECK (rate >= 0),
    tax_rate numeric(9, 6) NOT NULL CHECK (tax_rate >= 0 AND tax_rate <= 1),
    valid_from date NOT NULL,
    valid_until date CHECK (valid_until >= valid_from),
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    withdrawn_by text,
    withdrawn_at timestamptz,
    PRIMARY KEY (tenant_id, fee_id),
    FOREIGN KEY (tenant_id, participant_id) REFERENCES tenants.participants,
    CONSTRAINT fees_volume_check CHECK (basis <> 'volume' OR rate <= 1),
    CONSTRAINT fees_withdrawn_check CHECK ((withdrawn_by IS NULL) = (withdrawn_at IS NULL)),
    CONSTRAINT fees_overlap EXCLUDE USING gist (
        tenant_id WITH =, code WITH =, coalesce(participant_id, tenant_id) WITH =,
        daterange(valid_from, valid_until, '[]') WITH &&
    ) WHERE (withdrawn_at IS NULL)
);

-- How a network settles, from a month on. The days count from the month's end.
CREATE TABLE settlement.terms (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    from_month date NOT NULL CHECK (extract(day FROM from_month) = 1),
    model text NOT NULL CHECK (model IN ('pooled', 'on_redemption')),
    minimum_payout bigint NOT NULL CHECK (minimum_payout >= 0),
    dispute_days integer NOT NULL,
    approval_days integer NOT NULL,
    collection_days integer NOT NULL,
    payout_days integer NOT NULL,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, from_month),
    CONSTRAINT terms_days_check CHECK (0 < dispute_days AND dispute_days < approval_days
        AND approval_days < collection_days AND collection_days < payout_days AND payout_days <= 90)
);
"""

STATES = """
-- The table of states, the same for every network.
CREATE TABLE settlement.transitions (
    subject text NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    PRIMARY KEY (subject, from_state, to_state)
);
INSERT INTO settlement.transitions (subject, from_state, to_state) VALUES
    ('window', 'open', 'closed'),
    ('window', 'closed', 'settled'),
    ('settlement', 'none', 'proposed'),
    ('settlement', 'proposed', 'rejected'),
    ('settlement', 'proposed', 'approved'),
    ('settlement', 'approved', 'settling'),
    ('settlement', 'approved', 'settled'),
    ('settlement', 'settling', 'settled'),
    ('leg', 'none', 'pending'),
    ('leg', 'pending', 'instructed'),
    ('leg', 'pending', 'confirmed'),
    ('leg', 'pending', 'failed'),
    ('leg', 'instructed', 'confirmed'),
    ('leg', 'instructed', 'failed'),
    ('leg', 'confirmed', 'failed'),
    ('leg', 'failed', 'pending'),
    ('leg', 'failed', 'confirmed'),
    ('leg', 'failed', 'carried'),
    ('dispute', 'none', 'opened'),
    ('dispute', 'opened', 'accepted'),
    ('dispute', 'opened', 'rejected'),
    ('dispute', 'opened', 'expired');

-- Each change goes on from the one before (the first foreign key) by a step of the table above (the second).
CREATE TABLE settlement.state_changes (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    subject_id uuid NOT NULL,
    sequence integer NOT NULL CHECK (sequence > 0),
    after_sequence integer GENERATED ALWAYS AS (NULLIF(sequence, 1) - 1) STORED,
    subject text NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    changed_by text NOT NULL CHECK (changed_by <> ''),
    changed_at timestamptz NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (tenant_id, subject_id, sequence),
    CONSTRAINT state_changes_reached_key UNIQUE (tenant_id, subject_id, sequence, to_state),
    FOREIGN KEY (tenant_id, subject_id, after_sequence, from_state)
        REFERENCES settlement.state_changes (tenant_id, subject_id, sequence, to_state),
    FOREIGN KEY (subject, from_state, to_state) REFERENCES settlement.transitions,
    CONSTRAINT state_changes_first_check CHECK ((sequence = 1) = (from_state IN ('none', 'open')))
);
"""

# What a state column says is what the last change reached: {table} (state_sequence, state) -> state_changes.
REACHED = """
ALTER TABLE {table} ADD FOREIGN KEY (tenant_id, {subject_id}, state_sequence, state)
    REFERENCES settlement.state_changes (tenant_id, subject_id, sequence, to_state);
"""

WINDOWS = """
ALTER TABLE settlement.windows
    ADD COLUMN window_id uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN state text NOT NULL DEFAULT 'closed',
    ADD COLUMN state_sequence integer NOT NULL DEFAULT 1,
    ADD COLUMN dispute_until date,
    ADD COLUMN approve_by date,
    ADD COLUMN collect_on date,
    ADD COLUMN pay_on date,
    ADD COLUMN merkle_root bytea CHECK (octet_length(merkle_root) = 32);
UPDATE settlement.windows SET
    dispute_until = month + interval '1 month' + interval '9 days',
    approve_by = month + interval '1 month' + interval '11 days',
    collect_on = month + interval '1 month' + interval '14 days',
    pay_on = month + interval '1 month' + interval '17 days';
INSERT INTO settlement.state_changes
    (tenant_id, subject_id, sequence, subject, from_state, to_state, changed_by, changed_at, reason)
SELECT tenant_id, window_id, 1, 'window', 'open', 'closed', closed_by, closed_at, '' FROM settlement.windows;
ALTER TABLE settlement.windows
    ALTER COLUMN window_id DROP DEFAULT,
    ALTER COLUMN state DROP DEFAULT,
    ALTER COLUMN state_sequence DROP DEFAULT,
    ALTER COLUMN dispute_until SET NOT NULL,
    ALTER COLUMN approve_by SET NOT NULL,
    ALTER COLUMN collect_on SET NOT NULL,
    ALTER COLUMN pay_on SET NOT NULL,
    DROP CONSTRAINT windows_published_check,
    DROP COLUMN funding_rate,
    DROP COLUMN redemption_rate,
    DROP COLUMN hq_net,
    DROP COLUMN rounding,
    ADD UNIQUE (tenant_id, window_id),
    ADD CONSTRAINT windows_days_check
        CHECK (month < dispute_until AND dispute_until < approve_by
            AND approve_by < collect_on AND collect_on < pay_on),
    ADD CONSTRAINT windows_published_check CHECK (
        num_nonnulls(published_at, issued, borne, recovered, expired, opening_outstanding, closing_outstanding,
                     identities) IN (0, 8));
ALTER TABLE settlement.positions DROP COLUMN to_pay, DROP COLUMN to_receive, DROP COLUMN net;

-- What a store's transfers of a month hash to: a leaf of the window's Merkle tree. Those without a store are head
-- office's.
CREATE TABLE settlement.seals (
    tenant_id uuid NOT NULL,
    month date NOT NULL,
    store_id uuid NOT NULL,
    transfers bigint NOT NULL CHECK (transfers >= 0),
    leaf bytea NOT NULL CHECK (octet_length(leaf) = 32),
    PRIMARY KEY (tenant_id, month, store_id),
    FOREIGN KEY (tenant_id, month) REFERENCES settlement.windows
);
"""

SETTLEMENTS = """
-- stores_net and hq_net are each summed from the lines; a person never approves what he or she proposed.
CREATE TABLE settlement.settlements (
    tenant_id uuid NOT NULL,
    settlement_id uuid NOT NULL,
    month date NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    state text NOT NULL,
    state_sequence integer NOT NULL,
    model text NOT NULL,
    minimum_payout bigint NOT NULL,
    proposed_by uuid NOT NULL,
    proposed_at timestamptz NOT NULL,
    approved_by uuid,
    approved_at timestamptz,
    stores_net bigint NOT NULL,
    hq_net bigint NOT NULL,
    rounding numeric(24, 6) NOT NULL,
    identities jsonb NOT NULL,
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    PRIMARY KEY (tenant_id, settlement_id),
    UNIQUE (tenant_id, month, version),
    FOREIGN KEY (tenant_id, month) REFERENCES settlement.windows,
    FOREIGN KEY (tenant_id, proposed_by) REFERENCES tenants.staff,
    FOREIGN KEY (tenant_id, approved_by) REFERENCES tenants.staff,
    CONSTRAINT settlements_zero_sum CHECK (stores_net + hq_net = 0),
    CONSTRAINT settlements_four_eyes CHECK (approved_by <> proposed_by),
    CONSTRAINT settlements_approved_check CHECK (
        (state IN ('approved', 'settling', 'settled')) = (approved_by IS NOT NULL)
        AND (approved_by IS NULL) = (approved_at IS NULL))
);
CREATE UNIQUE INDEX settlements_live_key ON settlement.settlements (tenant_id, month) WHERE state <> 'rejected';

-- What a payer owes a payee: stores, or the network's id for head office. So every line balances.
CREATE TABLE settlement.lines (
    tenant_id uuid NOT NULL,
    settlement_id uuid NOT NULL,
    line integer NOT NULL CHECK (line > 0),
    kind text NOT NULL CHECK (kind IN ('opening_balance', 'funding', 'redemption', 'bilateral', 'margin', 'borne',
        'fee', 'tax', 'adjustment', 'dispute_accepted', 'disputed', 'carried_forward')),
    payer_id uuid NOT NULL,
    payee_id uuid NOT NULL,
    quantity bigint,
    rate numeric(18, 6),
    exact numeric(24, 6) NOT NULL,
    amount bigint NOT NULL,
    origin_month date NOT NULL,
    reference uuid,
    note text NOT NULL,
    PRIMARY KEY (tenant_id, settlement_id, line),
    -- The settlement's own row is summed from its lines, so they are there before it.
    FOREIGN KEY (tenant_id, settlement_id) REFERENCES settlement.settlements DEFERRABLE INITIALLY DEFERRED,
    -- Only head office, when it funds points, owes itself.
    CONSTRAINT lines_parties_check CHECK (payer_id <> payee_id OR (kind = 'funding' AND payer_id = tenant_id)),
    CONSTRAINT lines_rounded_check CHECK (abs(amount - exact) <= 0.5)
);

-- The one payment of a store. amount is positive where the store remits, negative where it receives.
CREATE TABLE settlement.legs (
    tenant_id uuid NOT NULL,
    leg_id uuid NOT NULL,
    settlement_id uuid NOT NULL,
    store_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount <> 0),
    due_on date NOT NULL,
    state text NOT NULL,
    state_sequence integer NOT NULL,
    PRIMARY KEY (tenant_id, leg_id),
    UNIQUE (tenant_id, settlement_id, store_id),
    FOREIGN KEY (tenant_id, settlement_id) REFERENCES settlement.settlements,
    FOREIGN KEY (tenant_id, store_id) REFERENCES tenants.stores
);
CREATE INDEX legs_unpaid_idx ON settlement.legs (tenant_id, state, due_on) WHERE state <> 'confirmed';

-- Money that somebody decided on, in the settlement of the first month that was open then.
CREATE TABLE settlement.adjustments (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    adjustment_id uuid NOT NULL,
    settlement_month date NOT NULL CHECK (extract(day FROM settlement_month) = 1),
    origin_month date NOT NULL CHECK (extract(day FROM origin_month) = 1),
    payer_id uuid NOT NULL,
    payee_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    reason text NOT NULL CHECK (reason IN
        ('correction', 'goodwill', 'compensation', 'penalty', 'dispute_released', 'leg_carried')),
    note text NOT NULL,
    reference uuid,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, adjustment_id),
    UNIQUE (tenant_id, reference),
    CONSTRAINT adjustments_parties_check CHECK (payer_id <> payee_id),
    CONSTRAINT adjustments_origin_check CHECK (origin_month <= settlement_month),
    CONSTRAINT adjustments_reference_check
        CHECK ((reason IN ('dispute_released', 'leg_carried')) = (reference IS NOT NULL))
);
CREATE INDEX adjustments_month_idx ON settlement.adjustments (tenant_id, settlement_month);

-- line_key names a line in every version of the month: kind/payer/payee/reference. amount is in the line's direction.
CREATE TABLE settlement.disputes (
    tenant_id uuid NOT NULL,
    dispute_id uuid NOT NULL,
    month date NOT NULL,
    store_id uuid NOT NULL,
    line_key text NOT NULL,
    amount bigint NOT NULL CHECK (amount <> 0),
    reason text NOT NULL CHECK (reason <> ''),
    opened_by uuid NOT NULL,
    opened_at timestamptz NOT NULL,
    state text NOT NULL,
    state_sequence integer NOT NULL,
    PRIMARY KEY (tenant_id, dispute_id),
    FOREIGN KEY (tenant_id, month) REFERENCES settlement.windows,
    FOREIGN KEY (tenant_id, store_id) REFERENCES tenants.stores,
    FOREIGN KEY (tenant_id, opened_by) REFERENCES tenants.staff
);
CREATE INDEX disputes_month_idx ON settlement.disputes (tenant_id, month);
"""

GRANTS = """
GRANT SELECT, INSERT ON tenants.rates, settlement.fees, settlement.terms, settlement.state_changes, settlement.seals,
    settlement.settlements, settlement.lines, settlement.legs, settlement.adjustments, settlement.disputes
    TO clearinghouse_app;
GRANT SELECT ON settlement.transitions TO clearinghouse_app;
GRANT UPDATE (valid_until, withdrawn_by, withdrawn_at) ON tenants.rates, settlement.fees TO clearinghouse_app;
GRANT UPDATE (state, state_sequence) ON settlement.windows, settlement.settlements, settlement.legs,
    settlement.disputes TO clearinghouse_app;
GRANT UPDATE (merkle_root, dispute_until, approve_by, collect_on, pay_on) ON settlement.windows TO clearinghouse_app;
GRANT UPDATE (approved_by, approved_at) ON settlement.settlements TO clearinghouse_app;
GRANT UPDATE (due_on) ON settlement.legs TO clearinghouse_app;
"""

SUBJECTS = {
    "settlement.windows": "window_id",
    "settlement.settlements": "settlement_id",
    "settlement.legs": "leg_id",
    "settlement.disputes": "dispute_id",
}


def upgrade() -> None:
    for part in (RATES, STATES, WINDOWS, SETTLEMENTS):
        op.execute(part)
    for table, subject_id in SUBJECTS.items():
        op.execute(REACHED.format(table=table, subject_id=subject_id))
    isolate(
        "tenants.rates",
        "settlement.fees",
        "settlement.terms",
        "settlement.state_changes",
        "settlement.seals",
        "settlement.settlements",
        "settlement.lines",
        "settlement.legs",
        "settlement.adjustments",
        "settlement.disputes",
    )
    op.execute(GRANTS)


def downgrade() -> None:
    raise NotImplementedError("The figures in money of earlier months are gone: restore the backup made before.")
