"""What an owner sees, in JSON."""

from __future__ import annotations

from typing import Any

from settlement.owners.service import OwnLines, OwnMonth
from settlement.proposals.rules import direction_of
from settlement.proposals.show import show_line
from settlement.proposals.tables import Settlement
from settlement.windows.tables import Window
from tenants.foundation.months import show_month


def show_own_month(own: OwnMonth) -> dict[str, Any]:
    stores = [{"store": code, "net": net, "direction": direction_of(net)} for code, net in own.nets.items()]
    return {**show_version_of(own.window, own.settlement), "stores": stores}


def show_own_lines(own: OwnLines) -> dict[str, Any]:
    return {
        **show_version_of(own.window, own.settlement),
        "store": own.store_code,
        "net": own.net,
        "direction": direction_of(own.net),
        "lines": [
            {**show_line(each.line, own.codes), "disputed": each.disputed, "disputable": each.disputable}
            for each in own.lines
        ],
    }


def show_version_of(window: Window, settlement: Settlement) -> dict[str, Any]:
    return {
        "month": show_month(window.month),
        "version": settlement.version,
        "state": settlement.state,
        "dispute_until": window.dispute_until.isoformat(),
        "collect_on": window.collect_on.isoformat(),
        "pay_on": window.pay_on.isoformat(),
    }
