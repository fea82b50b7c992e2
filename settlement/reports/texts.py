"""The words of reports: English by the names that figures, states and kinds of lines have in the code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from settlement.languages.rules import Language

# Where there is no figure.
UNKNOWN = "\N{EN DASH}"

TEXTS = {
    # Sheets and what is on them
    "summary": "Summary",
    "positions": "Positions",
    "lines": "Lines",
    "matrix": "Matrix",
    "largest_flows": "Largest flows",
    "efficiency": "Efficiency",
    "ageing": "Ageing",
    "months": "Months",
    # Summary
    "settlement_of_a_month": "Settlement of a month",
    "network": "Network",
    "month": "Month",
    "version": "Version",
    "state": "State",
    "model": "Model",
    "closed_at": "Closed at",
    "proposed_by": "Proposed by",
    "approved_by": "Approved by",
    "currency": "Currency",
    "ledger_root": "Root of the ledger's hashes",
    "points": "Points",
    "whole_network": "Whole network",
    "opening_outstanding": "Opening outstanding",
    "closing_outstanding": "Closing outstanding",
    "of_it_hq": "of it issued by head office",
    "borne_by_stores": "Borne by stores",
    "money": "Money, {currency}",
    "stores_remit": "Stores remit (collections)",
    "stores_receive": "Stores receive (payouts)",
    "hq_net": "Head office net (negative: keeps)",
    "hq_rounding": "Rounding, to head office",
    "identity": "Identity",
    "left": "Left",
    "right": "Right",
    "holds": "Holds",
    "does_hold": "holds",
    "does_not_hold": "DOES NOT HOLD",
    # Columns
    "store": "Store",
    "name": "Name",
    "participant": "Participant",
    "issued": "Issued",
    "recovered": "Recovered",
    "expired": "Expired",
    "borne": "Borne",
    "net_points": "Net points",
    "opening": "Opening",
    "to_pay": "To pay",
    "to_receive": "To receive",
    "fees": "Fees",
    "tax": "Tax",
    "adjustments": "Adjustments",
    "disputed": "Disputed",
    "carried_forward": "Carried forward",
    "net": "Net amount",
    "direction": "Direction",
    "lines_net": "Net of lines",
    "check": "Check",
    "total": "Total",
    "head_office": "Head office",
    "sums_to_zero": "Total and head office sum to zero",
    "number": "No.",
    "kind": "Kind",
    "payer": "Payer",
    "payee": "Payee",
    "quantity": "Quantity",
    "rate_minor": "Rate (minor units, or share)",
    "exact_minor": "Exact (minor units)",
    "amount": "Amount",
    "rounding": "Rounding",
    "origin_month": "Of month",
    "note": "Note",
    "flow": "Flow",
    "issued_by": "Issued by",
    "recovered_by": "Recovered by",
    "issued_by_recovered_by": "Issued by \\ Recovered by",
    "share_of_recovered": "Of all recovered",
    "measure": "Paid",
    "payments": "Payments",
    "saved": "Saved",
    "gross": "One by one (gross)",
    "bilateral": "Each two their difference (bilateral)",
    "multilateral": "Each its net (multilateral)",
    "not_due": "Not due",
    "days_1_30": "1-30 days",
    "days_31_60": "31-60 days",
    "days_61_90": "61-90 days",
    "over_90": "Over 90 days",
    "outstanding": "Outstanding",
    "collections": "Collections",
    "payouts": "Payouts",
    "multilateral_saved": "Netting saves",
    "change": "{name}, change",
    "change_percent": "{name}, change in %",
    # Values
    "remit": "remit",
    "receive": "receive",
    "none": "none",
    "collection": "collection",
    "payout": "payout",
    "proposed": "proposed (draft)",
    "rejected": "rejected",
    "approved": "approved",
    "settling": "settling",
    "settled": "settled",
    "pooled": "pooled",
    "on_redemption": "on redemption",
    "kind_opening_balance": "opening balance",
    "kind_funding": "funding",
    "kind_redemption": "redemption",
    "kind_bilateral": "bilateral",
    "kind_margin": "margin",
    "kind_borne": "borne",
    "kind_fee": "fee",
    "kind_tax": "tax",
    "kind_adjustment": "adjustment",
    "kind_dispute_accepted": "dispute accepted",
    "kind_disputed": "disputed",
    "kind_carried_forward": "carried forward",
    # Sentences
    "as_of": "As of {day}",
    "too_many_flows": "This month has more flows than a sheet can show: see the flows CSV file.",
    "too_many_lines": "This month has more lines than a sheet can show: see the lines CSV file.",
    "no_unpaid_legs": "Nothing is unpaid.",
    "no_flows": "No store recovered points of another.",
    "largest_flows_chart": "Largest flows between two parties, in points",
    "points_chart": "Points by month",
    "money_chart": "Collections and payouts by month, {currency}",
    "efficiency_note_pooled": "Compared is what the issuer of points would owe whoever recovered them, "
    "at the rate at which head office pays the latter, if the two paid each other. Fees, taxes, adjustments "
    "and what is funded in advance are head office's with one store, and not compared.",
    "efficiency_note_on_redemption": "Compared is what the issuer of points owes whoever recovered them. "
    "Margins, fees, taxes and adjustments are head office's with one store, and not compared.",
    # The report on paper
    "network_report": "Monthly network report",
    "report_of": "The network in {month}",
    "draft": "Draft: proposed, not approved",
    "largest_flows_title": "Largest flows between two parties",
    "netting_title": "What netting saves, in {currency}",
    "ageing_title": "Unpaid payments at the end of {day}, in {currency}",
    "longest_due": "Longest due, in {currency}",
    "months_title": "The last {count} months",
    "months_note": "Money in {currency}. Below each month's figures, how they have changed against the month "
    "before. A negative net of head office is what it keeps for points not recovered yet.",
    "days_past_due": "Days past due",
}


@dataclass(frozen=True)
class Writer:
    """Writes a report in one language and one currency; money is in minor units."""

    language: Language
    currency: str

    def text(self, key: str, **places: object) -> str:
        return self.language.say(TEXTS[key], **places)

    def texts(self, keys: Sequence[str]) -> list[str]:
        return [self.text(key) for key in keys]

    def amount(self, minor: int) -> str:
        """Without the currency."""
        return self.language.money(minor, self.currency)

    def percent(self, share: Decimal | None, signed: bool = False) -> str:
        return UNKNOWN if share is None else self.language.rounded_percent(share, signed)
