"""Events that have nothing to do with each other are posted as a set.

Revision ID: 20261122_1740
"""

from alembic import op

revision = "20261122_1740"
down_revision = "20261122_1730"
branch_labels = None
depends_on = None

TYPES = """
-- What an event is about: whose wallet, by which card, and which earlier transfers it resolves or reverses.
CREATE TYPE ledger.posting_subject AS (
    transfer_kind ledger.transfer_kind, wallet_of uuid, wallet_is_missing boolean, card_id uuid, card_status text,
    order_of text, originals ledger.transfers[]);

-- What an event makes of itself before it is written: the transfer, its lines, the member's wallet and what of it is
-- in expired lots; or why not.
CREATE TYPE ledger.transfer_draft AS (
    outcome text, code text, detail jsonb, transfer ledger.transfers, lines ledger.posting_line[],
    wallet ledger.wallets, expired bigint);

CREATE TYPE ledger.posting_grant AS (lot_id uuid, funder_id uuid, points bigint, expires_on date);
"""


# What the functions of the release before need, which those of this one drop.
TYPE_BEFORE = """
CREATE TYPE ledger.posting_draft AS (
    transfer ledger.transfers, lines ledger.posting_line[], code text, detail jsonb);
"""


def upgrade() -> None:
    op.execute(TYPES)


def downgrade() -> None:
    op.execute("DROP TYPE ledger.posting_grant, ledger.transfer_draft, ledger.posting_subject CASCADE")
    op.execute(TYPE_BEFORE)
