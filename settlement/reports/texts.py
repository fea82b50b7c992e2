"""The words of reports in English and Simplified Chinese, and numbers, money and dates as their readers write them.

A key that ends in a plus sign stands for a text with places to be filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, format_percent

from settlement.statements.texts import ENGLISH, SIMPLIFIED_CHINESE
from tenants.foundation.money import minor_digits

# English as in most of the world: the day before the month, the currency's code before the amount.
LOCALES = {ENGLISH: "en_001", SIMPLIFIED_CHINESE: "zh_Hans"}
# Where there is no figure: an en dash.
UNKNOWN = "–"
MONTH_PATTERNS = {ENGLISH: "MMMM y", SIMPLIFIED_CHINESE: "y年M月"}

TEXTS: dict[str, dict[str, str]] = {
    ENGLISH: {
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
        "money+": "Money, {currency}",
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
        "change+": "{name}, change",
        "change_percent+": "{name}, change in %",
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
        "as_of+": "As of {day}",
        "too_many_flows": "This month has more flows than a sheet can show: see the flows CSV file.",
        "too_many_lines": "This month has more lines than a sheet can show: see the lines CSV file.",
        "no_unpaid_legs": "Nothing is unpaid.",
        "no_flows": "No store recovered points of another.",
        "largest_flows_chart": "Largest flows between two parties, in points",
        "points_chart": "Points by month",
        "money_chart+": "Collections and payouts by month, {currency}",
        "efficiency_note_pooled": "Compared is what the issuer of points would owe whoever recovered them, "
        "at the rate at which head office pays the latter, if the two paid each other. Fees, taxes, adjustments "
        "and what is funded in advance are head office's with one store, and not compared.",
        "efficiency_note_on_redemption": "Compared is what the issuer of points owes whoever recovered them. "
        "Margins, fees, taxes and adjustments are head office's with one store, and not compared.",
        # The report on paper
        "network_report": "Monthly network report",
        "report_of+": "The network in {month}",
        "draft": "Draft: proposed, not approved",
        "largest_flows_title": "Largest flows between two parties",
        "netting_title+": "What netting saves, in {currency}",
        "ageing_title+": "Unpaid payments at the end of {day}, in {currency}",
        "longest_due+": "Longest due, in {currency}",
        "months_title+": "The last {count} months",
        "months_note+": "Money in {currency}. Below each month's figures, how they have changed against the month "
        "before. A negative net of head office is what it keeps for points not recovered yet.",
        "days_past_due": "Days past due",
    },
    SIMPLIFIED_CHINESE: {
        "summary": "摘要",
        "positions": "头寸",
        "lines": "明细",
        "matrix": "矩阵",
        "largest_flows": "最大流量",
        "efficiency": "轧差效率",
        "ageing": "账龄",
        "months": "月度比较",
        "settlement_of_a_month": "月度结算",
        "network": "网络",
        "month": "月份",
        "version": "版本",
        "state": "状态",
        "model": "模式",
        "closed_at": "关账时间",
        "proposed_by": "提交人",
        "approved_by": "批准人",
        "currency": "币种",
        "ledger_root": "账本哈希根",
        "points": "积分",
        "whole_network": "全网络",
        "opening_outstanding": "期初未兑换",
        "closing_outstanding": "期末未兑换",
        "of_it_hq": "其中总部发行",
        "borne_by_stores": "门店承担",
        "money+": "金额（{currency}）",
        "stores_remit": "门店应付（收款）",
        "stores_receive": "门店应收（付款）",
        "hq_net": "总部净额（负数：留存）",
        "hq_rounding": "舍入差额（归总部）",
        "identity": "恒等式",
        "left": "左边",
        "right": "右边",
        "holds": "是否成立",
        "does_hold": "成立",
        "does_not_hold": "不成立",
        "store": "门店",
        "name": "名称",
        "participant": "结算主体",
        "issued": "发行",
        "recovered": "回收",
        "expired": "过期",
        "borne": "承担",
        "net_points": "净积分",
        "opening": "期初余额",
        "to_pay": "应付",
        "to_receive": "应收",
        "fees": "费用",
        "tax": "税",
        "adjustments": "调整",
        "disputed": "争议",
        "carried_forward": "结转",
        "net": "净额",
        "direction": "方向",
        "lines_net": "明细净额",
        "check": "核对",
        "total": "合计",
        "head_office": "总部",
        "sums_to_zero": "合计与总部之和为零",
        "number": "序号",
        "kind": "类型",
        "payer": "付款方",
        "payee": "收款方",
        "quantity": "数量",
        "rate_minor": "费率（最小货币单位或比例）",
        "exact_minor": "精确值（最小货币单位）",
        "amount": "金额",
        "rounding": "舍入",
        "origin_month": "所属月份",
        "note": "备注",
        "flow": "流量",
        "issued_by": "发行方",
        "recovered_by": "回收方",
        "issued_by_recovered_by": "发行方 \\ 回收方",
        "share_of_recovered": "占全部回收",
        "measure": "支付方式",
        "payments": "支付笔数",
        "saved": "节省",
        "gross": "逐笔全额",
        "bilateral": "双边轧差",
        "multilateral": "多边轧差",
        "not_due": "未到期",
        "days_1_30": "1至30天",
        "days_31_60": "31至60天",
        "days_61_90": "61至90天",
        "over_90": "90天以上",
        "outstanding": "未兑换",
        "collections": "收款",
        "payouts": "付款",
        "multilateral_saved": "轧差节省",
        "change+": "{name}变动",
        "change_percent+": "{name}变动（%）",
        "remit": "应付",
        "receive": "应收",
        "none": "无",
        "collection": "收款",
        "payout": "付款",
        "proposed": "已提交（草稿）",
        "rejected": "已驳回",
        "approved": "已批准",
        "settling": "结算中",
        "settled": "已结清",
        "pooled": "资金池",
        "on_redemption": "兑换时结算",
        "kind_opening_balance": "期初余额",
        "kind_funding": "发行资金",
        "kind_redemption": "兑换补偿",
        "kind_bilateral": "双边",
        "kind_margin": "差价",
        "kind_borne": "承担",
        "kind_fee": "费用",
        "kind_tax": "税",
        "kind_adjustment": "调整",
        "kind_dispute_accepted": "争议成立",
        "kind_disputed": "争议",
        "kind_carried_forward": "结转",
        "as_of+": "截至{day}",
        "too_many_flows": "本月流量过多，工作表无法显示：请见流量CSV文件。",
        "too_many_lines": "本月明细过多，工作表无法显示：请见明细CSV文件。",
        "no_unpaid_legs": "没有未付款项。",
        "no_flows": "没有门店回收其他方的积分。",
        "largest_flows_chart": "两方之间最大流量（积分）",
        "points_chart": "各月积分",
        "money_chart+": "各月收款与付款（{currency}）",
        "efficiency_note_pooled": "比较的是：若积分发行方与回收方彼此直接支付，"
        "发行方按总部付给回收方的费率应付的金额。"
        "费用、税、调整及预缴资金只在总部与单个门店之间，不参与比较。",
        "efficiency_note_on_redemption": "比较的是积分发行方应付给回收方的金额。"
        "差价、费用、税及调整只在总部与单个门店之间，不参与比较。",
        "network_report": "网络月度报告",
        "report_of+": "{month}网络概况",
        "draft": "草稿：已提交，未批准",
        "largest_flows_title": "两方之间最大流量",
        "netting_title+": "轧差节省的支付（{currency}）",
        "ageing_title+": "{day}终未付款项（{currency}）",
        "longest_due+": "逾期最久的款项（{currency}）",
        "months_title+": "最近{count}个月",
        "months_note+": "金额单位为{currency}。每月数字下方为与上月相比的变动。"
        "总部净额为负，即其为尚未回收的积分留存的资金。",
        "days_past_due": "逾期天数",
    },
}

# What proofs are called in the books is English.
IDENTITIES_IN_CHINESE = {
    "points outstanding by postings and by lots": "未兑换积分：按分录与按批次",
    "stores whose recovered points differ from the matrix": "回收积分与矩阵不符的门店数",
    "stores' nets and head office sum to zero": "门店净额与总部之和为零",
    "points used and points recovered": "已使用积分与已回收积分",
    "what was funded less what was paid and rate x (change in outstanding by lots + expired)": (
        "已缴资金减已付金额，与费率 ×（按批次的未兑换变动 + 过期）"
    ),
}


@dataclass(frozen=True)
class Writer:
    """Writes words, numbers and days in a language of `settlement.statements.texts`; money is in minor units."""

    language: str
    currency: str

    @property
    def locale(self) -> str:
        return LOCALES[self.language]

    def text(self, key: str, **places: object) -> str:
        found = TEXTS[self.language][f"{key}+" if places else key]
        return found.format(**places) if places else found

    def texts(self, keys: Sequence[str]) -> list[str]:
        return [self.text(key) for key in keys]

    def identity(self, name: str) -> str:
        return IDENTITIES_IN_CHINESE.get(name, name) if self.language == SIMPLIFIED_CHINESE else name

    def month(self, month: date) -> str:
        return format_date(month, MONTH_PATTERNS[self.language], self.locale)

    def day(self, day: date) -> str:
        return format_date(day, "long", self.locale)

    def points(self, points: int) -> str:
        return format_decimal(points, locale=self.locale)

    def amount(self, minor: int) -> str:
        """Without the currency."""
        return self.format(minor, "#,##0.00")

    def money(self, minor: int) -> str:
        return self.format(minor, "¤¤\N{NO-BREAK SPACE}#,##0.00")

    def format(self, minor: int, pattern: str) -> str:
        digits = minor_digits(self.currency)
        major = Decimal(minor).scaleb(-digits)
        pattern = pattern.replace(".00", "." + "0" * digits if digits else "")
        return format_currency(major, self.currency, pattern, self.locale, currency_digits=False)

    def percent(self, share: Decimal | None, signed: bool = False) -> str:
        """One decimal."""
        if share is None:
            return UNKNOWN
        return format_percent(share, "+0.0%;-0.0%" if signed else "0.0%", self.locale)
