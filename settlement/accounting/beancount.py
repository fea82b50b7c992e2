"""A journal as text for Beancount (https://beancount.github.io/docs/beancount_language_syntax.html), in UTF-8.

Only its syntax is used. Each month ends with the balances that must be exact: clearing, and deferred revenue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from settlement.accounting.accounts import (
    BROUGHT_FORWARD,
    CLEARING,
    DEFERRED_REVENUE,
    PAYABLES,
    RECEIVABLES,
    component_of,
)
from settlement.accounting.documents import Journal
from settlement.accounting.rules import Entry, Posting
from tenants.foundation.money import plain_money

# Beancount would otherwise let a balance be off by one in its last digit.
EXACTLY = "~ 0"


def write_beancount(journal: Journal) -> bytes:
    parts = [
        heading(journal),
        *opened_accounts(journal),
        *brought_forward(journal),
        *(transaction(entry, journal.currency) for entry in journal.entries),
        *(
            [f"{day} balance {account}  {plain_money(amount, journal.currency)} {EXACTLY} {journal.currency}"]
            for day, account, amount in journal.balances()
        ),
    ]
    return ("\n\n".join("\n".join(part) for part in parts) + "\n").encode()


def heading(journal: Journal) -> list[str]:
    return [
        f"option {quoted('title')} {quoted(f'{journal.network_name}: {journal.title}')}",
        f"option {quoted('operating_currency')} {quoted(journal.currency)}",
        "",
        f"{journal.opened_on} commodity {journal.currency}",
    ]


def opened_accounts(journal: Journal) -> Iterator[list[str]]:
    owners = {
        f"{kind}:{component_of(code)}": (code, name)
        for code, name in journal.participants.items()
        for kind in (RECEIVABLES, PAYABLES)
    }
    always = {CLEARING, DEFERRED_REVENUE, *([BROUGHT_FORWARD] if journal.brought_forward else [])}
    for account in sorted({*journal.accounts(), *always}):
        lines = [f"{journal.opened_on} open {account} {journal.currency}"]
        if account in owners:
            code, name = owners[account]
            lines += [f"  code: {quoted(code)}", f"  name: {quoted(name)}"]
        yield lines


def brought_forward(journal: Journal) -> Iterator[list[str]]:
    """What a journal that does not begin with the network's first month has to know of those before."""
    if journal.brought_forward:
        postings = (
            Posting(BROUGHT_FORWARD, journal.brought_forward),
            Posting(DEFERRED_REVENUE, -journal.brought_forward),
        )
        first_day = journal.months[0][0]
        yield transaction(Entry(f"{first_day:%Y-%m}-0000", first_day, "Brought forward", postings), journal.currency)


def transaction(entry: Entry, currency: str) -> list[str]:
    head = f"{entry.day} * {quoted(entry.narration)} ^{entry.number}"
    return [head, *posting_lines(entry.postings, currency)]


def posting_lines(postings: Iterable[Posting], currency: str) -> Iterator[str]:
    for posting in postings:
        yield f"  {posting.account}  {plain_money(posting.amount, currency)} {currency}"
        if posting.store:
            yield f"    store: {quoted(posting.store)}"
        if posting.reference:
            yield f"    reference: {quoted(posting.reference)}"


def quoted(text: str) -> str:
    """A string on one line, whatever is in it."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
