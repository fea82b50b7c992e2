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

GRANTS = """
GRANT SELECT, INSERT ON tenants.bank_accounts TO clearinghouse_app;
GRANT UPDATE (ended_at) ON tenants.bank_accounts TO clearinghouse_app;
"""


def upgrade() -> None:
    op.execute(BANK_ACCOUNTS)
    isolate("tenants.bank_accounts")
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP TABLE tenants.bank_accounts")
