"""What every new table of a network needs, besides `tenant_id` at the head of its keys."""

from alembic import op

POLICY = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON {table}
    USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid);
"""


def isolate(*tables: str) -> None:
    """Row-level security: a session sees the rows of the network that it has named, and no others."""
    for table in tables:
        op.execute(POLICY.format(table=table))
