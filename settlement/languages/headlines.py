"""What a store is to do, in the words that stand over its amount on paper and on the page that proves it."""

from __future__ import annotations

from settlement.proposals.rules import NONE, RECEIVE, REMIT

HEADLINES = {REMIT: "Remit to head office", RECEIVE: "Receive from head office", NONE: "Nothing to settle"}
