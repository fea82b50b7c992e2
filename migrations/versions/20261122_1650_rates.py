"""When a store closed, who ended a rate or fee, terms set again before their month closes, windows postponed.

Revision ID: 20261122_1650
"""

from alembic import op

revision = "20261122_1650"
down_revision = "20261122_1640"
branch_labels = None
depends_on = None

# When those closed that are, nobody knows.
STORES = """
ALTER TABLE tenants.stores ADD COLUMN closed_at timestamptz;
UPDATE tenants.stores SET closed_at = now() WHERE status = 'closed';
ALTER TABLE tenants.stores
    ADD CONSTRAINT stores_closed_check CHECK ((status = 'closed') = (closed_at IS NOT NULL));
GRANT UPDATE (closed_at) ON tenants.stores TO clearinghouse_app;
"""

# Who gave a rate or fee its end after it had been set.
ENDS = """
ALTER TABLE {table}
    ADD COLUMN ended_by text,
    ADD COLUMN ended_at timestamptz,
    ADD CONSTRAINT {name}_ended_check
        CHECK ((ended_by IS NULL) = (ended_at IS NULL) AND (ended_by IS NULL OR valid_until IS NOT NULL));
GRANT UPDATE (ended_by, ended_at) ON {table} TO clearinghouse_app;
"""

# Of a month the newest version counts.
TERMS = """
ALTER TABLE settlement.terms
    ADD COLUMN version integer NOT NULL DEFAULT 1 CHECK (version > 0),
    DROP CONSTRAINT terms_pkey,
    ADD PRIMARY KEY (tenant_id, from_month, version);
ALTER TABLE settlement.terms ALTER COLUMN version DROP DEFAULT;
"""

# A window whose days are postponed stays closed; its history says who did it.
TRANSITIONS = """
INSERT INTO settlement.transitions (subject, from_state, to_state) VALUES ('window', 'closed', 'closed');
"""


# Tills may have sent something of days before a network opened.
FIRST_RATES = """
UPDATE tenants.rates r SET valid_from = r.valid_from - n.days_accepted_late
FROM tenants.networks n WHERE n.tenant_id = r.tenant_id AND r.made_by = 'upgrade';
"""


def upgrade() -> None:
    for part in (STORES, TERMS, TRANSITIONS, FIRST_RATES):
        op.execute(part)
    for name, table in (("rates", "tenants.rates"), ("fees", "settlement.fees")):
        op.execute(ENDS.format(name=name, table=table))


def downgrade() -> None:
    raise NotImplementedError("What revision 20261122_1610 has changed can't be undone: restore the backup.")
