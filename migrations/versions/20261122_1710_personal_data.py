"""Personal data: encrypted beside the plain columns, searchable by phone, erased with a certificate.

The plain columns stay until a later release drops them. The release before goes on reading and writing them beside
this one; `clearinghouse data-key encrypt` empties them once all processes are of this release.

Revision ID: 20261122_1710
"""

from alembic import op

from migrations.tenancy import isolate

revision = "20261122_1710"
down_revision = "20261122_1700"
branch_labels = None
depends_on = None

NETWORKS = """
ALTER TABLE tenants.networks
    ADD COLUMN phone_region text CHECK (phone_region ~ '^[A-Z]{2}$'),
    ADD COLUMN retention_months integer CHECK (retention_months BETWEEN 1 AND 600);
"""

# Members are read once to check the constraints: a million take less than half a second.
MEMBERS = """
ALTER TABLE tenants.members
    ADD COLUMN name_encrypted bytea,
    ADD COLUMN phone_encrypted bytea,
    ADD COLUMN email_encrypted bytea,
    ADD COLUMN phone_hash bytea,
    ADD COLUMN erased_at timestamptz,
    ADD CONSTRAINT members_phone_check CHECK (
        (phone_encrypted IS NULL) = (phone_hash IS NULL) AND octet_length(phone_hash) = 32),
    ADD CONSTRAINT members_erased_check CHECK (
        erased_at IS NULL
        OR num_nonnulls(reference, name, name_encrypted, phone_encrypted, email_encrypted, phone_hash) = 0);
CREATE INDEX members_phone_idx ON tenants.members (tenant_id, phone_hash) WHERE phone_hash IS NOT NULL;
"""

STAFF = """
ALTER TABLE tenants.staff
    ADD COLUMN name_encrypted bytea,
    ALTER COLUMN name DROP NOT NULL,
    ADD CONSTRAINT staff_name_given_check CHECK (num_nonnulls(name, name_encrypted) > 0);
"""

BANK_ACCOUNTS = """
ALTER TABLE tenants.bank_accounts
    ADD COLUMN holder_encrypted bytea,
    ADD COLUMN iban_encrypted bytea,
    ADD COLUMN account_number_encrypted bytea,
    ALTER COLUMN holder DROP NOT NULL,
    DROP CONSTRAINT bank_accounts_number_check,
    DROP CONSTRAINT bank_accounts_creditor_check,
    DROP CONSTRAINT bank_accounts_mandate_check,
    ADD CONSTRAINT bank_accounts_holder_given_check CHECK (num_nonnulls(holder, holder_encrypted) > 0),
    ADD CONSTRAINT bank_accounts_number_check CHECK (
        num_nonnulls(iban, account_number, iban_encrypted, account_number_encrypted) = 1),
    ADD CONSTRAINT bank_accounts_creditor_check CHECK (
        creditor_id IS NULL OR (participant_id IS NULL AND num_nonnulls(iban, iban_encrypted) = 1)),
    ADD CONSTRAINT bank_accounts_mandate_check CHECK (
        num_nonnulls(mandate_id, mandate_signed_on, mandate_scheme) IN (0, 3)
        AND (mandate_id IS NULL OR (participant_id IS NOT NULL AND num_nonnulls(iban, iban_encrypted) = 1)));
"""

# sha256 is that of the file, which the check compares only as long as it is plain.
PAYMENT_FILES = """
ALTER TABLE settlement.payment_files
    ADD COLUMN content_encrypted bytea,
    ALTER COLUMN content DROP NOT NULL,
    ADD CONSTRAINT payment_files_content_given_check CHECK (num_nonnulls(content, content_encrypted) > 0);
"""

# One for each member who was erased: who did it, when, why, and how much of what. Nothing of the member.
ERASURES = """
CREATE TABLE tenants.erasures (
    tenant_id uuid NOT NULL,
    member_id uuid NOT NULL,
    reason text NOT NULL CHECK (reason IN
        ('not_needed', 'consent_withdrawn', 'objection', 'unlawful', 'legal_obligation', 'retention')),
    erased_by text NOT NULL CHECK (erased_by <> ''),
    erased_at timestamptz NOT NULL,
    fields text[] NOT NULL,
    members integer NOT NULL CHECK (members > 0),
    cards integer NOT NULL CHECK (cards >= 0),
    payment_tokens integer NOT NULL CHECK (payment_tokens >= 0),
    points_forfeited bigint NOT NULL CHECK (points_forfeited >= 0),
    transfer_id uuid,
    PRIMARY KEY (tenant_id, member_id),
    FOREIGN KEY (tenant_id, member_id) REFERENCES tenants.members,
    FOREIGN KEY (tenant_id, transfer_id) REFERENCES ledger.transfers,
    CONSTRAINT erasures_forfeited_check CHECK ((points_forfeited > 0) = (transfer_id IS NOT NULL))
);
GRANT SELECT, INSERT ON tenants.erasures TO clearinghouse_app;
"""

PLAIN_IS_LEFT = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM tenants.members
               WHERE num_nonnulls(name_encrypted, phone_encrypted, email_encrypted, erased_at) > 0)
       OR EXISTS (SELECT FROM tenants.staff WHERE name_encrypted IS NOT NULL)
       OR EXISTS (SELECT FROM tenants.bank_accounts WHERE holder_encrypted IS NOT NULL)
       OR EXISTS (SELECT FROM settlement.payment_files WHERE content_encrypted IS NOT NULL) THEN
        RAISE EXCEPTION 'What has been encrypted can''t be read without these columns: restore a backup.';
    END IF;
END $$;
"""

DOWNGRADE = """
DROP TABLE tenants.erasures;
ALTER TABLE settlement.payment_files ALTER COLUMN content SET NOT NULL, DROP COLUMN content_encrypted;
ALTER TABLE tenants.bank_accounts
    DROP CONSTRAINT bank_accounts_number_check,
    DROP CONSTRAINT bank_accounts_creditor_check,
    DROP CONSTRAINT bank_accounts_mandate_check,
    DROP COLUMN holder_encrypted,
    DROP COLUMN iban_encrypted,
    DROP COLUMN account_number_encrypted,
    ALTER COLUMN holder SET NOT NULL,
    ADD CONSTRAINT bank_accounts_number_check CHECK (num_nonnulls(iban, account_number) = 1),
    ADD CONSTRAINT bank_accounts_creditor_check CHECK (
        creditor_id IS NULL OR (participant_id IS NULL AND iban IS NOT NULL)),
    ADD CONSTRAINT bank_accounts_mandate_check CHECK (
        num_nonnulls(mandate_id, mandate_signed_on, mandate_scheme) IN (0, 3)
        AND (mandate_id IS NULL OR (participant_id IS NOT NULL AND iban IS NOT NULL)));
ALTER TABLE tenants.staff DROP COLUMN name_encrypted, ALTER COLUMN name SET NOT NULL;
ALTER TABLE tenants.members
    DROP COLUMN name_encrypted,
    DROP COLUMN phone_encrypted,
    DROP COLUMN email_encrypted,
    DROP COLUMN phone_hash,
    DROP COLUMN erased_at;
ALTER TABLE tenants.networks DROP COLUMN phone_region, DROP COLUMN retention_months;
"""


def upgrade() -> None:
    for part in (NETWORKS, MEMBERS, STAFF, BANK_ACCOUNTS, PAYMENT_FILES, ERASURES):
        op.execute(part)
    isolate("tenants.erasures")


def downgrade() -> None:
    op.execute(PLAIN_IS_LEFT)
    op.execute(DOWNGRADE)
