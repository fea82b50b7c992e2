"""The rows that were there hold to the constraints of personal data.

Revision ID: 20261122_1720
"""

from alembic import op

revision = "20261122_1720"
down_revision = "20261122_1710"
branch_labels = None
depends_on = None

VALIDATE = """
ALTER TABLE tenants.members VALIDATE CONSTRAINT members_phone_check, VALIDATE CONSTRAINT members_erased_check;
ALTER TABLE tenants.staff VALIDATE CONSTRAINT staff_name_given_check;
ALTER TABLE tenants.bank_accounts
    VALIDATE CONSTRAINT bank_accounts_holder_given_check,
    VALIDATE CONSTRAINT bank_accounts_number_check,
    VALIDATE CONSTRAINT bank_accounts_creditor_check,
    VALIDATE CONSTRAINT bank_accounts_mandate_check;
ALTER TABLE settlement.payment_files VALIDATE CONSTRAINT payment_files_content_given_check;
"""


def upgrade() -> None:
    op.execute(VALIDATE)


def downgrade() -> None:
    """They stay as they are."""
