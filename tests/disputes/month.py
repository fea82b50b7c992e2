"""A month in which stores dispute: its people, its calendar, its lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select
from werkzeug.test import TestResponse

from settlement.adjustments.service import list_adjustments
from settlement.adjustments.tables import AdjustmentRow
from settlement.approvals.service import approve
from settlement.disputes.service import find_dispute, open_dispute
from settlement.disputes.tables import DisputeRow
from settlement.proposals.queries import lines_of, live_settlement
from settlement.proposals.rules import Line
from settlement.proposals.service import propose
from settlement.proposals.tables import Leg, Settlement
from settlement.terms.service import set_terms
from settlement.windows.tables import Window
from tenants.credentials.service import STAFF, create_credential
from tenants.foundation import ids
from tenants.foundation.database import unit_of_work
from tenants.networks.service import today_in
from tenants.staff.rules import APPROVER, OWNER, PREPARER, Actor
from tenants.staff.service import act_as, create_staff
from tests.conftest import NetworkForTests

JANUARY, FEBRUARY, MARCH, APRIL = (date(2026, month, 1) for month in (1, 2, 3, 4))
HQ = "HQ"


@dataclass
class Month:
    """Months of a network as its people see them; stores are named by their codes."""

    network: NetworkForTests
    preparer: Actor = field(init=False)
    approver: Actor = field(init=False)
    owners: dict[str, Actor] = field(default_factory=dict)
    keys: dict[UUID, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.preparer, self.approver = self.network.person(PREPARER), self.network.person(APPROVER)

    @property
    def tenant_id(self) -> UUID:
        return self.network.tenant_id

    def owner(self, store_code: str) -> Actor:
        """Of the participant that the store is."""
        if store_code not in self.owners:
            code = f"owner-of-{store_code}"
            create_staff(self.tenant_id, code, code, [OWNER], store_code)
            self.owners[store_code] = act_as(self.tenant_id, code)
        return self.owners[store_code]

    def settle_with(self, model: str, from_month: date = JANUARY, **terms: Any) -> None:
        set_terms(self.tenant_id, from_month, "test", model=model, **terms)

    def propose(self, month: date = JANUARY) -> Settlement:
        return propose(self.tenant_id, month, self.preparer)

    def approve(self, month: date = JANUARY) -> Settlement:
        """After the last day for disputing it."""
        self.let_dispute_until(-1, month)
        return approve(self.tenant_id, month, self.approver)

    def settle(self, month: date) -> Settlement:
        self.network.close(month)
        self.propose(month)
        return self.approve(month)

    def let_dispute_until(self, days: int, month: date = JANUARY) -> date:
        """So many days from today on, in the network's time zone."""
        with unit_of_work(self.tenant_id) as session:
            until = today_in(self.tenant_id) + timedelta(days=days)
            window = session.get_one(Window, (self.tenant_id, month))
            window.dispute_until = until
            calendar = [until + timedelta(days=later) for later in (2, 5, 8)]
            window.approve_by, window.collect_on, window.pay_on = calendar
        return until

    def lines(self, month: date = JANUARY) -> list[Line]:
        with unit_of_work(self.tenant_id) as session:
            settlement = live_settlement(session, month)
            assert settlement is not None
            return lines_of(session, settlement.settlement_id)

    def line(self, kind: str, payer: str, payee: str, month: date = JANUARY) -> Line:
        parties = self.party(payer), self.party(payee)
        [line] = [each for each in self.lines(month) if (each.kind, each.payer_id, each.payee_id) == (kind, *parties)]
        return line

    def party(self, code: str) -> UUID:
        return self.tenant_id if code == HQ else self.network.tills[code].store_id

    def rows(self, month: date = JANUARY) -> list[tuple[str, str, str, int, date]]:
        """(kind, payer, payee, amount, origin month) of every line that is not zero, by kind."""
        codes = {till.store_id: code for code, till in self.network.tills.items()} | {self.tenant_id: HQ}
        return [
            (line.kind, codes[line.payer_id], codes[line.payee_id], line.amount, line.origin_month)
            for line in self.lines(month)
            if line.amount
        ]

    def legs(self, month: date = JANUARY) -> dict[str, int]:
        """By store, what is really paid."""
        codes = {till.store_id: code for code, till in self.network.tills.items()}
        with unit_of_work(self.tenant_id) as session:
            settlement = live_settlement(session, month)
            assert settlement is not None
            rows = session.scalars(select(Leg).where(Leg.settlement_id == settlement.settlement_id))
            return {codes[leg.store_id]: leg.amount for leg in rows}

    def dispute(
        self, line: Line, store: str = "A", amount: int | None = None, month: date = JANUARY, **more: Any
    ) -> UUID:
        owner = self.owner(store)
        return open_dispute(self.tenant_id, owner, month, store, line.key, amount, "wrong", **more)[0]

    def find(self, dispute_id: UUID) -> DisputeRow:
        return find_dispute(self.tenant_id, dispute_id)[0].row

    def adjustments(self, month: date | None = None) -> list[AdjustmentRow]:
        return list_adjustments(self.tenant_id, month)[0]

    def key(self, actor: Actor) -> str:
        if actor.staff_id not in self.keys:
            self.keys[actor.staff_id] = create_credential(self.tenant_id, STAFF, "test", staff_id=actor.staff_id)[1]
        return self.keys[actor.staff_id]

    def call(self, actor: Actor, method: str, path: str, json: Any = None, key: str | None = None) -> TestResponse:
        """As a person; `key` is the idempotency key of a POST."""
        headers = {"Authorization": f"Bearer {self.key(actor)}"}
        if method == "POST":
            headers["Idempotency-Key"] = key or str(uuid4())
        path = f"/v1/settlement{path}"
        return self.network.app.test_client().open(path, method=method, json=json, headers=headers)


def shown(dispute_id: UUID) -> str:
    return ids.show(ids.DISPUTE, dispute_id)
