"""Head office's chart of accounts, in names that Beancount takes as they are.

Each participant has a receivable and a payable of its own. Expense and income accounts named for what may go either
way (margin, rate differences, rounding, corrections) hold both.
"""

from __future__ import annotations

import re

from settlement.adjustments.rules import (
    COMPENSATION,
    CORRECTION,
    DISPUTE_RELEASED,
    GOODWILL,
    LEG_CARRIED,
    PENALTY,
)
from settlement.proposals.rules import (
    BILATERAL,
    BORNE,
    CARRIED_FORWARD,
    FEE,
    FUNDING,
    MARGIN,
    OPENING_BALANCE,
    REDEMPTION,
    TAX,
)

BANK = "Assets:Bank"
RECEIVABLES = "Assets:Receivables"
PAYABLES = "Liabilities:Payables"

# What was taken in for points that are outstanding.
DEFERRED_REVENUE = "Liabilities:DeferredRevenue"
# What expired points had been funded with, where head office is not entitled to it.
BREAKAGE_OWED = "Liabilities:Breakage"
TAX_OWED = "Liabilities:Tax"
# Disputed amounts until they are decided: less than nothing where head office would be owed.
SUSPENSE = "Liabilities:Suspense"
# Owed, and settled with a later month: too little to be paid out, or left by a payment that failed.
CARRIED = "Liabilities:CarriedForward"
# Between two participants: empty at the end of every month.
CLEARING = "Liabilities:Clearing"

BREAKAGE = "Income:Breakage"
# Points used: what they had been funded with less what was paid for them.
MARGIN_EARNED = "Income:Margin"
# Points taken back or owed at another rate than they were issued at.
RATE_DIFFERENCES = "Income:RateDifferences"
ROUNDING = "Income:Rounding"
FEES = "Income:Fees"
PENALTIES = "Income:Penalties"

MARKETING = "Expenses:Marketing:HeadOfficePoints"
CORRECTIONS = "Expenses:Adjustments:Corrections"
GOODWILL_GIVEN = "Expenses:Adjustments:Goodwill"
COMPENSATIONS = "Expenses:Adjustments:Compensation"
# What disputes have cost that took nothing off an income of head office.
DISPUTES_LOST = "Expenses:Disputes"

# Only where a single month is shown by itself.
BROUGHT_FORWARD = "Equity:BroughtForward"

# Where head office is the other side of a line.
OF_KIND = {
    OPENING_BALANCE: CARRIED,
    FUNDING: DEFERRED_REVENUE,
    REDEMPTION: DEFERRED_REVENUE,
    BILATERAL: MARKETING,
    MARGIN: MARGIN_EARNED,
    BORNE: MARKETING,
    FEE: FEES,
    TAX: TAX_OWED,
    CARRIED_FORWARD: CARRIED,
}
OF_REASON = {
    CORRECTION: CORRECTIONS,
    GOODWILL: GOODWILL_GIVEN,
    COMPENSATION: COMPENSATIONS,
    PENALTY: PENALTIES,
    DISPUTE_RELEASED: SUSPENSE,
    LEG_CARRIED: CARRIED,
}
# Of what a store need not pay after all: what is deferred follows the points, which are as many as before.
OF_DISPUTED_KIND = {kind: account for kind, account in OF_KIND.items() if account != DEFERRED_REVENUE}

PLAIN_COMPONENT = r"[A-Z0-9][A-Za-z0-9-]*"
BASE_36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def component_of(code: str) -> str:
    """A participant's code as a part of an account's name: `NORTH` as it is, `a.b` as `A-b--5`.

    Those take letters, digits and dashes and begin with a capital or a digit. What a code has besides is replaced and
    then told by a number at the end, so that no two codes ever share an account, and no later one changes an earlier.
    """
    if re.fullmatch(PLAIN_COMPONENT, code) and "--" not in code:
        return code
    replaced = "".join("-" if character in "._" else character for character in code)
    changes = sum(change_in(character, place) << 2 * place for place, character in enumerate(code))
    return f"{replaced[0].upper()}{replaced[1:]}--{in_base_36(changes)}"


def change_in(character: str, place: int) -> int:
    """Which of four characters may have been there before."""
    if place == 0 and character.islower():
        return 1
    return {".": 1, "_": 2}.get(character, 0)


def in_base_36(number: int) -> str:
    rest, last = divmod(number, 36)
    return (in_base_36(rest) if rest else "") + BASE_36[last]
