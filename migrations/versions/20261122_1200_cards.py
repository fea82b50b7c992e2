"""Card batches, registration, payment tokens and what was done to a card.

Revision ID: 20261122_1200
"""

from alembic import op

from migrations.tenancy import isolate

revision = "20261122_1200"
down_revision = "20261122_1100"
branch_labels = None
depends_on = None

MEMBERS = """
ALTER TABLE tenants.members ADD COLUMN registered_at timestamptz;
UPDATE tenants.members SET registered_at = created_at WHERE reference IS NOT NULL OR name IS NOT NULL;
ALTER TABLE tenants.members ADD CONSTRAINT members_registered_check
    CHECK (registered_at IS NOT NULL OR num_nonnulls(reference, name) = 0);
"""

BATCHES = """
CREATE TABLE tenants.card_batches (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    batch_id uuid NOT NULL,
    label text NOT NULL CHECK (label <> ''),
    prefix text NOT NULL CHECK (prefix ~ '^[0-9]{3,6}$'),
    cards integer NOT NULL CHECK (cards > 0),
    idempotency_key text,
    created_by text NOT NULL CHECK (created_by <> ''),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, batch_id),
    UNIQUE (tenant_id, idempotency_key)
);
ALTER TABLE tenants.cards ADD COLUMN batch_id uuid,
    ADD FOREIGN KEY (tenant_id, batch_id) REFERENCES tenants.card_batches;
CREATE INDEX cards_batch_idx ON tenants.cards (tenant_id, batch_id) WHERE batch_id IS NOT NULL;
"""

# What concerns the member and no card of his has no card_id. other_card_id is the card that replaces or is replaced,
# other_member_id the member that was merged with this one.
CHANGES = """
CREATE TABLE tenants.card_changes (
    tenant_id uuid NOT NULL,
    change_id uuid NOT NULL,
    member_id uuid NOT NULL,
    card_id uuid,
    action text NOT NULL CHECK (action IN
        ('issued', 'blocked', 'unblocked', 'replaced', 'registered', 'updated', 'bound', 'unbound', 'merged')),
    from_status text,
    to_status text,
    other_card_id uuid,
    other_member_id uuid,
    reason text CHECK (reason <> ''),
    changed_by text NOT NULL CHECK (changed_by <> ''),
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, change_id),
    FOREIGN KEY (tenant_id, member_id) REFERENCES tenants.members,
    FOREIGN KEY (tenant_id, card_id) REFERENCES tenants.cards,
    FOREIGN KEY (tenant_id, other_card_id) REFERENCES tenants.cards,
    FOREIGN KEY (tenant_id, other_member_id) REFERENCES tenants.members,
    CONSTRAINT card_changes_status_check CHECK (
        CASE WHEN action = 'issued' THEN from_status IS NULL AND to_status IS NOT NULL AND card_id IS NOT NULL
             WHEN action IN ('blocked', 'unblocked', 'replaced')
                 THEN num_nonnulls(card_id, from_status, to_status) = 3 AND from_status <> to_status
             ELSE num_nonnulls(from_status, to_status) = 0 END),
    CONSTRAINT card_changes_replaced_check CHECK (action <> 'replaced' OR other_card_id IS NOT NULL),
    CONSTRAINT card_changes_merged_check CHECK ((action = 'merged') = (other_member_id IS NOT NULL))
);
CREATE INDEX card_changes_card_idx ON tenants.card_changes (tenant_id, card_id, change_id);
CREATE INDEX card_changes_member_idx ON tenants.card_changes (tenant_id, member_id, change_id) WHERE card_id IS NULL;
"""

# Nothing of the token or of the payment card but a keyed hash. A token that was unbound keeps its row, but no member.
TOKENS = """
CREATE TABLE tenants.payment_tokens (
    tenant_id uuid NOT NULL,
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    member_id uuid,
    bound_at timestamptz NOT NULL,
    bound_by text NOT NULL CHECK (bound_by <> ''),
    PRIMARY KEY (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, member_id) REFERENCES tenants.members
);
CREATE INDEX payment_tokens_member_idx ON tenants.payment_tokens (tenant_id, member_id);
ALTER TYPE ledger.posting_event ADD ATTRIBUTE payment_token_hash bytea;
"""

GRANTS = """
GRANT SELECT, INSERT ON tenants.card_batches, tenants.card_changes, tenants.payment_tokens TO clearinghouse_app;
GRANT UPDATE (member_id, bound_at, bound_by) ON tenants.payment_tokens TO clearinghouse_app;
"""


def upgrade() -> None:
    for part in (MEMBERS, BATCHES, CHANGES, TOKENS, GRANTS):
        op.execute(part)
    isolate("tenants.card_batches", "tenants.card_changes", "tenants.payment_tokens")


def downgrade() -> None:
    op.execute("ALTER TYPE ledger.posting_event DROP ATTRIBUTE payment_token_hash")
    op.execute("DROP TABLE tenants.payment_tokens, tenants.card_changes")
    op.execute("ALTER TABLE tenants.cards DROP COLUMN batch_id")
    op.execute("DROP TABLE tenants.card_batches")
    op.execute("ALTER TABLE tenants.members DROP COLUMN registered_at")
