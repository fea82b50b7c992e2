from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from clearinghouse.verification.service import Verification, verify
from tenants.foundation import clock, ids
from tenants.members.service import find_card
from tenants.verification.rules import code_at, step_at
from tests.conftest import NetworkForTests

PIN_FROM, CODE_FROM = 1000, 5000


@dataclass
class Redeemer:
    """A member with a card, at a till of a network that asks a PIN from 10.00 and a code from 50.00."""

    network: NetworkForTests
    card: str

    @property
    def member_id(self) -> UUID:
        return find_card(self.network.tenant_id, self.card).member_id

    @property
    def path(self) -> str:
        return f"/v1/members/{ids.show(ids.MEMBER, self.member_id)}"

    def set_pin(self, pin: str) -> None:
        assert self.network.hq("PUT", f"{self.path}/pin", {"pin": pin}).status_code == 200

    def pin_state(self) -> tuple[str, int]:
        shown = self.network.hq("GET", f"{self.path}/pin").json
        return shown["status"], shown["tries_left"]

    def secret(self) -> bytes:
        return base64.b32decode(self.network.hq("GET", f"{self.path}/wallet").json["secret"])

    def code(self, steps: int = 0, moment: datetime | None = None) -> str:
        return code_at(self.secret(), step_at(moment or clock.now()) + steps)

    def wrong_code(self) -> str:
        """Of no step near now."""
        right = {self.code(steps) for steps in range(-3, 4)}
        return next(code for code in map(str, range(73519462, 73519470)) if code not in right)

    def redeem(self, amount: int, **given: Any) -> Verification:
        fields = {"pin": None, "code": None, "attempt_key": str(uuid4()), **given}
        return verify(self.network.tenant_id, self.card, amount, PIN_FROM, CODE_FROM, **fields)


@pytest.fixture
def redeemer(network: NetworkForTests, card: str) -> Redeemer:
    return Redeemer(network, card)


@pytest.fixture
def stranger(make_network: Callable[..., NetworkForTests]) -> Redeemer:
    """Of another network."""
    other = make_network()
    return Redeemer(other, other.add_card())
