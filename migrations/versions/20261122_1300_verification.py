"""PINs and wallet codes of members.

Revision ID: 20261122_1300
"""

from alembic import op

from migrations.tenancy import isolate

revision = "20261122_1300"
down_revision = "20261122_1200"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE tenants.mobile_wallets (
    tenant_id uuid NOT NULL,
    member_id uuid NOT NULL,
    generation integer NOT NULL CHECK (generation > 0),
    code_failures integer NOT NULL CHECK (code_failures BETWEEN 0 AND 10),
    code_failed_at timestamptz,
    last_attempt bytea,
    generated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, member_id),
    FOREIGN KEY (tenant_id, member_id) REFERENCES tenants.members,
    CONSTRAINT mobile_wallets_code_failed_at_check CHECK ((code_failures = 0) = (code_failed_at IS NULL))
);

CREATE TABLE tenants.pins (
    tenant_id uuid NOT NULL,
    member_id uuid NOT NULL,
    pin_hash text CHECK (pin_hash LIKE '$argon2id$%'),
    failures integer NOT NULL,
    last_attempt bytea,
    last_change bytea,
    set_at timestamptz,
    locked_at timestamptz,
    PRIMARY KEY (tenant_id, member_id),
    FOREIGN KEY (tenant_id, member_id) REFERENCES tenants.members,
    CONSTRAINT pins_set_at_check CHECK ((pin_hash IS NULL) = (set_at IS NULL)),
    CONSTRAINT pins_failures_check
        CHECK (failures BETWEEN 0 AND CASE WHEN pin_hash IS NULL THEN 0 ELSE 3 END),
    CONSTRAINT pins_locked_at_check CHECK ((failures = 3) = (locked_at IS NOT NULL))
);
"""

GRANTS = """
GRANT SELECT, INSERT ON tenants.mobile_wallets, tenants.pins TO clearinghouse_app;
GRANT UPDATE (generation, code_failures, code_failed_at, last_attempt, generated_at)
    ON tenants.mobile_wallets TO clearinghouse_app;
GRANT UPDATE (pin_hash, failures, last_attempt, last_change, set_at, locked_at) ON tenants.pins TO clearinghouse_app;
"""


def upgrade() -> None:
    op.execute(TABLES)
    isolate("tenants.mobile_wallets", "tenants.pins")
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP TABLE tenants.pins, tenants.mobile_wallets")
