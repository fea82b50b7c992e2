"""Bank accounts, payment files and what banks answered.

Revision ID: 20261122_1620
"""

from alembic import op

from migrations.tenancy import isolate

revision = "20261122_1620"
down_revision = "20261122_1610"
branch_labels = None
depends_on = None

BANK_ACCOUNTS = """
-- Without a participant: head office's. What replaces an account is a new row; the earlier one is ended.
CREATE TABLE tenants.bank_accounts (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    bank_account_id uuid NOT NULL,
    participant_id uuid,
    holder text NOT NULL CHECK (holder <> ''),
    iban text,
    account_number text,
    bank_code text,
    bic text,
    creditor_id text,
    mandate_id text,
    mandate_signed_on date,
    mandate_scheme text CHECK (mandate_scheme IN ('CORE', 'B2B')),
    made_by text NOT NULL CHECK (made_by <> ''),
    made_at timestamptz NOT NULL,
    ended_at timestamptz CHECK (ended_at >= made_at),
    PRIMARY KEY (tenant_id, bank_account_id),
    FOREIGN KEY (tenant_id, participant_id) REFERENCES tenants.participants,
    CONSTRAINT bank_accounts_number_check CHECK (num_nonnulls(iban, account_number) = 1),
    -- Head office collects, participants let it.
    CONSTRAINT bank_accounts_creditor_check CHECK (
        creditor_id IS NULL OR (participant_id IS NULL AND iban IS NOT NULL)),
    CONSTRAINT bank_accounts_mandate_check CHECK (
        num_nonnulls(mandate_id, mandate_signed_on, mandate_scheme) IN (0, 3)
        AND (mandate_id IS NULL OR (participant_id IS NOT NULL AND iban IS NOT NULL)))
);
CREATE UNIQUE INDEX bank_accounts_present_key ON tenants.bank_accounts (tenant_id, participant_id)
    NULLS NOT DISTINCT WHERE ended_at IS NULL;
CREATE UNIQUE INDEX bank_accounts_mandate_key ON tenants.bank_accounts (tenant_id, mandate_id)
    WHERE ended_at IS NULL AND mandate_id IS NOT NULL;
"""

PAYMENTS = """
-- Kept as it was written: what a bank has been given can be compared with it for ever.
CREATE TABLE settlement.payment_files (
    tenant_id uuid NOT NULL,
    file_id uuid NOT NULL,
    settlement_id uuid NOT NULL,
    direction text NOT NULL CHECK (direction IN ('collection', 'payout')),
    format text NOT NULL CHECK (format = 'csv' OR format LIKE 'pain.%'),
    scheme text CHECK (scheme IN ('CORE', 'B2B')),
    due_on date NOT NULL,
    payments integer NOT NULL CHECK (payments > 0),
    total bigint NOT NULL CHECK (total > 0),
    made_by text NOT NULL CHECK (made_by <> ''),
    made_at timestamptz NOT NULL,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    content bytea NOT NULL CHECK (sha256(content) = sha256),
    PRIMARY KEY (tenant_id, file_id),
    FOREIGN KEY (tenant_id, settlement_id) REFERENCES settlement.settlements
);
CREATE INDEX payment_files_settlement_idx ON settlement.payment_files (tenant_id, settlement_id);

-- Each time that a leg became instructed stands in one file: never two that a bank could both carry out.
CREATE TABLE settlement.payment_orders (
    tenant_id uuid NOT NULL,
    file_id uuid NOT NULL,
    leg_id uuid NOT NULL,
    state_sequence integer NOT NULL,
    state text NOT NULL CHECK (state = 'instructed'),
    bank_account_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    PRIMARY KEY (tenant_id, file_id, leg_id),
    UNIQUE (tenant_id, leg_id, state_sequence),
    FOREIGN KEY (tenant_id, file_id) REFERENCES settlement.payment_files,
    FOREIGN KEY (tenant_id, leg_id) REFERENCES settlement.legs,
    FOREIGN KEY (tenant_id, leg_id, state_sequence, state)
        REFERENCES settlement.state_changes (tenant_id, subject_id, sequence, to_state),
    FOREIGN KEY (tenant_id, bank_account_id) REFERENCES tenants.bank_accounts
);

-- What the bank sent is told again by its hash and by the message's id; it is not kept, as it tells of others too.
CREATE TABLE settlement.bank_files (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    bank_file_id uuid NOT NULL,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('camt.053', 'camt.054')),
    account text NOT NULL,
    message_id text NOT NULL CHECK (message_id <> ''),
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    others integer NOT NULL CHECK (others >= 0),
    not_booked integer NOT NULL CHECK (not_booked >= 0),
    read_by text NOT NULL CHECK (read_by <> ''),
    read_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, bank_file_id),
    UNIQUE (tenant_id, sha256),
    UNIQUE (tenant_id, account, kind, message_id)
);

CREATE TABLE settlement.bank_entries (
    tenant_id uuid NOT NULL,
    bank_file_id uuid NOT NULL,
    entry integer NOT NULL CHECK (entry > 0),
    leg_id uuid NOT NULL,
    is_return boolean NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    booked_on date,
    reference text NOT NULL,
    reason text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('confirmed', 'failed', 'agrees', 'repeated', 'surplus')),
    PRIMARY KEY (tenant_id, bank_file_id, entry),
    FOREIGN KEY (tenant_id, bank_file_id) REFERENCES settlement.bank_files,
    FOREIGN KEY (tenant_id, leg_id) REFERENCES settlement.legs
);
CREATE INDEX bank_entries_leg_idx ON settlement.bank_entries (tenant_id, leg_id);
-- A booking that the bank gives a reference counts once.
CREATE UNIQUE INDEX bank_entries_booking_key ON settlement.bank_entries (tenant_id, leg_id, reference, is_return)
    WHERE outcome <> 'repeated' AND reference <> '';
"""

GRANTS = """
GRANT SELECT, INSERT ON settlement.payment_files, settlement.payment_orders, settlement.bank_files,
    settlement.bank_entries TO clearinghouse_app;
GRANT SELECT, INSERT ON tenants.bank_accounts TO clearinghouse_app;
GRANT UPDATE (ended_at) ON tenants.bank_accounts TO clearinghouse_app;
"""


def upgrade() -> None:
    op.execute(BANK_ACCOUNTS)
    op.execute(PAYMENTS)
    isolate(
        "tenants.bank_accounts",
        "settlement.payment_files",
        "settlement.payment_orders",
        "settlement.bank_files",
        "settlement.bank_entries",
    )
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP TABLE settlement.bank_entries, settlement.bank_files, settlement.payment_orders")
    op.execute("DROP TABLE settlement.payment_files, tenants.bank_accounts")
