"""The rows that were there hold to the constraints of personal data.

Revision ID: 20261122_1720
"""

from alembic import op

revision = "20261122_1720"
down_revision = "20261122_1710"
branch_labels = None
depends_on = None

CONSTRAINTS = {
    "tenants.members": ("members_phone_check", "members_erased_check"),
    "tenants.staff": ("staff_name_given_check",),
    "tenants.bank_accounts": (
        "bank_accounts_holder_given_check",
        "bank_accounts_number_check",
        "bank_accounts_creditor_check",
        "bank_accounts_mandate_check",
    ),
    "settlement.payment_files": ("payment_files_content_given_check",),
}


def upgrade() -> None:
    for table, constraints in CONSTRAINTS.items():
        for constraint in constraints:
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")


def downgrade() -> None:
    """They stay as they are."""
