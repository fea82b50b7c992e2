"""How much a store may have issued and not settled, what it has lodged against that, and whether it may issue.

Revision ID: 20261122_1630
"""

from alembic import op

from migrations.tenancy import isolate

revision = "20261122_1630"
down_revision = "20261122_1620"
branch_labels = None
depends_on = None

# The function that reads keys gives a column more, which CREATE OR REPLACE can't do: it is made anew after this
# revision.
STORES = """
DROP FUNCTION IF EXISTS tenants.find_principal(uuid, bytea);
ALTER TABLE tenants.stores
    ADD COLUMN issuing text NOT NULL DEFAULT 'allowed' CHECK (issuing IN ('allowed', 'blocked', 'hq_funded'));
"""

# Sums of postings with ids below `below`, by the UTC day on which their ids were made (stretch), store and business
# date. Stretches before `finished` are not summed again.
ROLLUP = """
CREATE TABLE settlement.rollup_months (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    below uuid NOT NULL,
    finished date NOT NULL,
    made_at timestamptz,
    PRIMARY KEY (tenant_id, month)
);
CREATE TABLE settlement.rollup_days (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    month date NOT NULL,
    stretch date NOT NULL,
    store_id uuid NOT NULL,
    day date NOT NULL,
    issued bigint NOT NULL,
    borne bigint NOT NULL,
    made_good bigint NOT NULL,
    recovered bigint NOT NULL,
    used bigint NOT NULL,
    outstanding bigint NOT NULL,
    PRIMARY KEY (tenant_id, month, stretch, store_id, day)
);
"""

CAPS = """
-- The newest version counts. Without a cap (none, or null) a store may issue as much as it likes.
CREATE TABLE settlement.exposure_caps (
    tenant_id uuid NOT NULL,
    store_id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    cap bigint CHECK (cap >= 0),
    made_by text NOT NULL CHECK (made_by <> ''),
    made_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, store_id, version),
    FOREIGN KEY (tenant_id, store_id) REFERENCES tenants.stores
);
CREATE TABLE settlement.exposure_policies (
    tenant_id uuid NOT NULL REFERENCES tenants.networks,
    version integer NOT NULL CHECK (version > 0),
    policy text NOT NULL CHECK (policy IN ('block', 'hq_funded')),
    made_by text NOT NULL CHECK (made_by <> ''),
    made_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, version)
);

-- Written by one job, never by a posting.
CREATE TABLE settlement.exposures (
    tenant_id uuid NOT NULL,
    store_id uuid NOT NULL,
    as_of timestamptz NOT NULL,
    receivable bigint NOT NULL CHECK (receivable >= 0),
    unsettled bigint NOT NULL CHECK (unsettled >= 0),
    outstanding bigint NOT NULL CHECK (outstanding >= 0),
    deposit bigint NOT NULL CHECK (deposit >= 0),
    exposure bigint NOT NULL,
    cap bigint,
    level text NOT NULL,
    PRIMARY KEY (tenant_id, store_id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES tenants.stores,
    CONSTRAINT exposures_sum_check CHECK (exposure = receivable + unsettled + outstanding - deposit),
    CONSTRAINT exposures_level_check CHECK (level = CASE
        WHEN exposure >= cap THEN 'reached' WHEN exposure::numeric * 100 >= cap::numeric * 80 THEN 'warning'
        ELSE 'normal' END)
) WITH (fillfactor = 70);
"""

# Each movement goes on from the balance that the one before it left (the foreign key to itself), so two at once can't
# both spend it.
DEPOSITS = """
CREATE TABLE settlement.deposits (
    tenant_id uuid NOT NULL,
    deposit_id uuid NOT NULL,
    store_id uuid NOT NULL,
    sequence integer NOT NULL CHECK (sequence > 0),
    after_sequence integer GENERATED ALWAYS AS (NULLIF(sequence, 1) - 1) STORED,
    kind text NOT NULL,
    amount bigint NOT NULL,
    balance_before bigint NOT NULL,
    balance bigint NOT NULL CHECK (balance >= 0),
    reference text CHECK (reference <> ''),
    leg_id uuid,
    made_by text NOT NULL CHECK (made_by <> ''),
    made_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, deposit_id),
    UNIQUE (tenant_id, store_id, sequence),
    UNIQUE (tenant_id, store_id, sequence, balance),
    UNIQUE (tenant_id, store_id, kind, reference),
    FOREIGN KEY (tenant_id, store_id) REFERENCES tenants.stores,
    FOREIGN KEY (tenant_id, leg_id) REFERENCES settlement.legs,
    FOREIGN KEY (tenant_id, store_id, after_sequence, balance_before)
        REFERENCES settlement.deposits (tenant_id, store_id, sequence, balance),
    CONSTRAINT deposits_kind_check CHECK (
        CASE kind WHEN 'lodged' THEN amount > 0 WHEN 'returned' THEN amount < 0 WHEN 'used' THEN amount < 0
        ELSE false END),
    CONSTRAINT deposits_sum_check CHECK (
        balance = balance_before + amount AND (sequence > 1 OR balance_before = 0)),
    CONSTRAINT deposits_origin_check CHECK (
        (kind = 'used') = (leg_id IS NOT NULL) AND (kind = 'used') = (reference IS NULL))
);
"""

GRANTS = """
GRANT SELECT, INSERT ON settlement.rollup_months, settlement.rollup_days, settlement.exposure_caps,
    settlement.exposure_policies, settlement.exposures, settlement.deposits TO clearinghouse_app;
GRANT UPDATE (below, finished, made_at) ON settlement.rollup_months TO clearinghouse_app;
GRANT UPDATE (issued, borne, made_good, recovered, used, outstanding) ON settlement.rollup_days TO clearinghouse_app;
GRANT UPDATE (as_of, receivable, unsettled, outstanding, deposit, exposure, cap, level) ON settlement.exposures
    TO clearinghouse_app;
"""

DOWNGRADE = """
DROP TABLE settlement.deposits, settlement.exposures, settlement.exposure_policies, settlement.exposure_caps,
    settlement.rollup_days, settlement.rollup_months;
DROP FUNCTION IF EXISTS tenants.find_principal(uuid, bytea);
ALTER TABLE tenants.stores DROP COLUMN issuing;
"""


def upgrade() -> None:
    for part in (STORES, ROLLUP, CAPS, DEPOSITS):
        op.execute(part)
    isolate(
        "settlement.rollup_months",
        "settlement.rollup_days",
        "settlement.exposure_caps",
        "settlement.exposure_policies",
        "settlement.exposures",
        "settlement.deposits",
    )
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute(DOWNGRADE)
