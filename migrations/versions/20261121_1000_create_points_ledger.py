"""The directory of networks, the points ledger, the programme and the settlement tables.

Revision ID: 20261121_1000
"""

from alembic import op

revision = "20261121_1000"
down_revision = None
branch_labels = None
depends_on = None

CREATE_ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'clearinghouse_app') THEN
        BEGIN
            CREATE ROLE clearinghouse_app NOLOGIN NOSUPERUSER NOBYPASSRLS;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- Another database of this server was set up at the same moment.
        END;
    END IF;
    IF NOT pg_has_role(current_user, 'clearinghouse_app', 'SET') THEN
        EXECUTE format('GRANT clearinghouse_app TO %I WITH SET TRUE', current_user);
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE insufficient_privilege USING MESSAGE = format(
        'it may not make the role clearinghouse_app or act as it; as an administrator: '
        'CREATE ROLE clearinghouse_app NOLOGIN (if it does not exist); GRANT clearinghouse_app TO %I', current_user);
END $$;
CREATE SCHEMA tenants;
CREATE SCHEMA ledger;
CREATE SCHEMA programme;
CREATE SCHEMA settlement;
"""

TENANTS = """
CREATE TABLE tenants.networks (
    tenant_id uuid PRIMARY KEY,
    code text NOT NULL UNIQUE CHECK (code ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    name text NOT NULL CHECK (name <> ''),
    time_zone text NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    funding_rate numeric(18, 6) NOT NULL CHECK (funding_rate >= 0),
    redemption_rate numeric(18, 6) NOT NULL CHECK (redemption_rate >= 0),
    opened_on date NOT NULL,
    days_accepted_late integer NOT NULL DEFAULT 35 CHECK (days_accepted_late >= 0),
    close_grace_days integer NOT NULL DEFAULT 3 CHECK (close_grace_days BETWEEN 0 AND 27),
    created_at timestamptz NOT NULL
);
CREATE TABLE tenants.participants (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    participant_id uuid NOT NULL,
    code text NOT NULL CHECK (code <> ''),
    name text NOT NULL CHECK (name <> ''),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, participant_id),
    UNIQUE (tenant_id, code)
);
CREATE TABLE tenants.stores (
    tenant_id uuid NOT NULL,
    store_id uuid NOT NULL,
    participant_id uuid NOT NULL,
    code text NOT NULL CHECK (code <> ''),
    name text NOT NULL CHECK (name <> ''),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'closed')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, store_id),
    UNIQUE (tenant_id, code),
    FOREIGN KEY (tenant_id, participant_id) REFERENCES tenants.participants
);
CREATE TABLE tenants.terminals (
    tenant_id uuid NOT NULL,
    terminal_id uuid NOT NULL,
    store_id uuid NOT NULL,
    code text NOT NULL CHECK (code <> ''),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, terminal_id),
    UNIQUE (tenant_id, store_id, code),
    FOREIGN KEY (tenant_id, store_id) REFERENCES tenants.stores
);
CREATE TABLE tenants.credentials (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    credential_id uuid NOT NULL,
    role text NOT NULL CHECK (role IN ('terminal', 'hq')),
    terminal_id uuid,
    label text NOT NULL,
    key_hash bytea NOT NULL CHECK (octet_length(key_hash) = 32),
    key_hint text NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, credential_id),
    UNIQUE (tenant_id, key_hash),
    FOREIGN KEY (tenant_id, terminal_id) REFERENCES tenants.terminals,
    CONSTRAINT credentials_terminal_check CHECK ((role = 'terminal') = (terminal_id IS NOT NULL))
);
CREATE TABLE tenants.members (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    member_id uuid NOT NULL,
    reference text,
    name text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, member_id),
    UNIQUE (tenant_id, reference)
);
CREATE TABLE tenants.cards (
    tenant_id uuid NOT NULL,
    card_id uuid NOT NULL,
    member_id uuid NOT NULL,
    number text NOT NULL CHECK (number ~ '^[0-9]{8,19}$'),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'blocked', 'replaced')),
    replaced_by_card_id uuid,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, card_id),
    UNIQUE (tenant_id, number),
    FOREIGN KEY (tenant_id, member_id) REFERENCES tenants.members,
    FOREIGN KEY (tenant_id, replaced_by_card_id) REFERENCES tenants.cards,
    CONSTRAINT cards_replaced_check CHECK ((status = 'replaced') = (replaced_by_card_id IS NOT NULL))
);
CREATE INDEX cards_member_idx ON tenants.cards (tenant_id, member_id);
"""

PROGRAMME = """
CREATE TABLE programme.versions (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    version integer NOT NULL CHECK (version > 0),
    effective_from timestamptz NOT NULL,
    base_rate numeric(12, 6) NOT NULL CHECK (base_rate >= 0),
    redemption_value numeric(12, 6) NOT NULL CHECK (redemption_value > 0),
    expiry_policy text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, version),
    UNIQUE (tenant_id, effective_from)
);
"""

# One constraint a table on the hot path, and a short one: PostgreSQL parses and plans every constraint again in every
# statement that writes (measured: the twenty that these replace took 18% of a posting).
LEDGER = """
CREATE TYPE ledger.transfer_kind AS ENUM
    ('accrual', 'redemption', 'accrual_reversal', 'redemption_reversal', 'expiry');
CREATE TYPE ledger.account_kind AS ENUM ('issued', 'lot', 'recovered', 'expired', 'deficit');

-- Which months are open: those from first_open_month on. Months close in turn.
CREATE TABLE ledger.books (
    tenant_id uuid PRIMARY KEY REFERENCES tenants.networks,
    first_open_month date NOT NULL CHECK (extract(day FROM first_open_month) = 1)
);

-- The one row that a posting locks. balance = what is left in all lots of the member.
CREATE TABLE ledger.wallets (
    tenant_id uuid NOT NULL,
    member_id uuid NOT NULL,
    balance bigint NOT NULL DEFAULT 0,
    deficit bigint NOT NULL DEFAULT 0,
    chain_length bigint NOT NULL DEFAULT 0,
    chain_head bytea NOT NULL DEFAULT sha256(''),
    CONSTRAINT wallets_points_check CHECK (least(balance, deficit, chain_length) >= 0),
    PRIMARY KEY (tenant_id, member_id),
    FOREIGN KEY (tenant_id, member_id) REFERENCES tenants.members
) WITH (fillfactor = 70);

CREATE TABLE ledger.transfers (
    tenant_id uuid NOT NULL,
    transfer_id uuid NOT NULL,
    kind ledger.transfer_kind NOT NULL,
    member_id uuid NOT NULL,
    sequence bigint NOT NULL,
    card_id uuid,
    store_id uuid,
    terminal_id uuid NOT NULL,
    order_ref text,
    reverses_transfer_id uuid,
    amount bigint NOT NULL,
    points bigint NOT NULL,
    deficit_change bigint NOT NULL,
    programme_version integer,
    occurred_at timestamptz NOT NULL,
    posted_at timestamptz NOT NULL,
    business_date date NOT NULL,
    settlement_month date NOT NULL,
    idempotency_key text,
    request_hash bytea,
    available_after bigint NOT NULL,
    deficit_after bigint NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (tenant_id, transfer_id),
    FOREIGN KEY (tenant_id, reverses_transfer_id) REFERENCES ledger.transfers,
    CONSTRAINT transfers_points_check CHECK (least(amount, points, available_after, deficit_after) >= 0)
);
CREATE UNIQUE INDEX transfers_idempotency_key ON ledger.transfers (tenant_id, terminal_id, idempotency_key);
CREATE UNIQUE INDEX transfers_order_key ON ledger.transfers (tenant_id, store_id, order_ref, kind);
CREATE UNIQUE INDEX transfers_chain_key ON ledger.transfers (tenant_id, member_id, sequence);
CREATE UNIQUE INDEX transfers_reverses_key ON ledger.transfers (tenant_id, reverses_transfer_id)
    WHERE reverses_transfer_id IS NOT NULL;
CREATE INDEX transfers_store_idx ON ledger.transfers (tenant_id, store_id, transfer_id);

CREATE TABLE ledger.lots (
    tenant_id uuid NOT NULL,
    lot_id uuid NOT NULL,
    member_id uuid NOT NULL,
    funder_id uuid NOT NULL,
    transfer_id uuid NOT NULL,
    issued_on date NOT NULL,
    expires_on date NOT NULL,
    points bigint NOT NULL,
    remaining bigint NOT NULL,
    expired bigint NOT NULL DEFAULT 0,
    -- An index on this keeps a partial update of a lot out of the indexes, which one on remaining would not.
    is_open boolean NOT NULL GENERATED ALWAYS AS (remaining > 0) STORED,
    PRIMARY KEY (tenant_id, lot_id),
    CONSTRAINT lots_points_check CHECK (least(points - 1, remaining, expired, points - remaining - expired) >= 0)
) WITH (fillfactor = 80);
CREATE INDEX lots_consumption_idx ON ledger.lots (tenant_id, member_id, expires_on, issued_on, lot_id) WHERE is_open;
CREATE INDEX lots_expiry_idx ON ledger.lots (tenant_id, expires_on) WHERE is_open;

-- source gives, target gets: every posting balances by construction. expires_on is that of the lot it opens.
CREATE TABLE ledger.postings (
    tenant_id uuid NOT NULL,
    settlement_month date NOT NULL,
    transfer_id uuid NOT NULL,
    line smallint NOT NULL,
    business_date date NOT NULL,
    source ledger.account_kind NOT NULL,
    source_id uuid NOT NULL,
    target ledger.account_kind NOT NULL,
    target_id uuid NOT NULL,
    funder_id uuid NOT NULL,
    points bigint NOT NULL CHECK (points > 0),
    expires_on date,
    PRIMARY KEY (tenant_id, settlement_month, transfer_id, line),
    FOREIGN KEY (tenant_id, transfer_id) REFERENCES ledger.transfers
) PARTITION BY RANGE (settlement_month);

-- What the kinds of transfer hand to the one writer.
CREATE TYPE ledger.posting_line AS (
    source ledger.account_kind, source_id uuid, target ledger.account_kind, target_id uuid,
    funder_id uuid, points bigint, expires_on date);

-- What the application hands to ledger.post, one an event; docs/ledger.md says which kind needs which.
CREATE TYPE ledger.posting_event AS (
    kind text, transfer_id uuid, store_id uuid, terminal_id uuid, order_ref text,
    card text, member_id uuid, amount bigint, points bigint, at_most boolean, grants jsonb,
    programme_version integer, occurred_at timestamptz, business_date date,
    original_transfer_id uuid, original_store_id uuid, original_order_ref text, original_kind text,
    expires_on date, idempotency_key text, request_hash bytea, refusal text);

-- outcome is 'posted', 'replayed' or 'refused'; a refusal has a code and wrote nothing.
CREATE TYPE ledger.posting_result AS (outcome text, code text, detail jsonb, transfer ledger.transfers);
"""

SETTLEMENT = """
CREATE TABLE settlement.windows (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    closed_at timestamptz NOT NULL,
    closed_by text NOT NULL,
    published_at timestamptz,
    funding_rate numeric(18, 6) NOT NULL,
    redemption_rate numeric(18, 6) NOT NULL,
    issued bigint,
    recovered bigint,
    expired bigint,
    opening_outstanding bigint,
    closing_outstanding bigint,
    hq_net bigint,
    rounding numeric(24, 6),
    identities jsonb,
    PRIMARY KEY (tenant_id, month),
    CONSTRAINT windows_published_check CHECK (
        (published_at IS NULL AND num_nonnulls(issued, recovered, expired, opening_outstanding,
                                               closing_outstanding, hq_net, rounding, identities) = 0)
        OR (published_at IS NOT NULL AND num_nulls(issued, recovered, expired, opening_outstanding,
                                                   closing_outstanding, hq_net, rounding, identities) = 0)),
    CONSTRAINT windows_outstanding_check
        CHECK (closing_outstanding = opening_outstanding + issued - recovered - expired)
);
-- Head office has a position, under the network's id, where it has funded points itself.
CREATE TABLE settlement.positions (
    tenant_id uuid NOT NULL,
    month date NOT NULL,
    store_id uuid NOT NULL,
    issued bigint NOT NULL,
    recovered bigint NOT NULL,
    expired bigint NOT NULL,
    to_pay bigint NOT NULL,
    to_receive bigint NOT NULL,
    net bigint NOT NULL,
    PRIMARY KEY (tenant_id, month, store_id),
    FOREIGN KEY (tenant_id, month) REFERENCES settlement.windows,
    CONSTRAINT positions_net_check CHECK (net = to_pay - to_receive)
);
-- The issuing x redeeming matrix: points that `redeeming_store_id` recovered of those that `funder_id` issued.
CREATE TABLE settlement.flows (
    tenant_id uuid NOT NULL,
    month date NOT NULL,
    funder_id uuid NOT NULL,
    redeeming_store_id uuid NOT NULL,
    points bigint NOT NULL CHECK (points <> 0),
    PRIMARY KEY (tenant_id, month, funder_id, redeeming_store_id)
);
-- A store's points by business date, which lies before the month for events that came late.
CREATE TABLE settlement.days (
    tenant_id uuid NOT NULL,
    month date NOT NULL,
    store_id uuid NOT NULL,
    day date NOT NULL,
    issued bigint NOT NULL,
    recovered bigint NOT NULL,
    expired bigint NOT NULL,
    PRIMARY KEY (tenant_id, month, store_id, day)
);
"""

TABLES_WITH_TENANT = [
    "tenants.networks",
    "tenants.participants",
    "tenants.stores",
    "tenants.terminals",
    "tenants.credentials",
    "tenants.members",
    "tenants.cards",
    "programme.versions",
    "ledger.books",
    "ledger.wallets",
    "ledger.transfers",
    "ledger.lots",
    "ledger.postings",
    "settlement.windows",
    "settlement.positions",
    "settlement.flows",
    "settlement.days",
]

ROW_LEVEL_SECURITY = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON {table}
    USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid);
"""

GRANTS = """
GRANT USAGE ON SCHEMA tenants, ledger, programme, settlement TO clearinghouse_app;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA tenants TO clearinghouse_app;
GRANT SELECT, INSERT ON programme.versions, ledger.transfers, ledger.postings TO clearinghouse_app;
GRANT SELECT, INSERT ON ledger.books, ledger.wallets, ledger.lots TO clearinghouse_app;
GRANT UPDATE (first_open_month) ON ledger.books TO clearinghouse_app;
GRANT UPDATE (balance, deficit, chain_length, chain_head) ON ledger.wallets TO clearinghouse_app;
GRANT UPDATE (remaining, expired) ON ledger.lots TO clearinghouse_app;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA settlement TO clearinghouse_app;
GRANT UPDATE (published_at, issued, recovered, expired, opening_outstanding, closing_outstanding, hq_net, rounding,
    identities) ON settlement.windows TO clearinghouse_app;
"""


def upgrade() -> None:
    op.execute(CREATE_ROLE)
    for part in (TENANTS, PROGRAMME, LEDGER, SETTLEMENT):
        op.execute(part)
    for table in TABLES_WITH_TENANT:
        op.execute(ROW_LEVEL_SECURITY.format(table=table))
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP SCHEMA settlement, programme, ledger, tenants CASCADE")
