"""What stores pay and are paid over the whole life of their points, in both models and in histories that nobody would
think of: closed, proposed and approved month by month, and compared with the model's lots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test

from settlement.approvals.service import approve
from settlement.proposals.queries import lines_of, live_settlement, nets_by_party
from settlement.proposals.rules import CARRIED_FORWARD, OPENING_BALANCE, nets_of
from settlement.proposals.service import derive, propose
from settlement.terms.rules import MODELS, ON_REDEMPTION
from settlement.terms.service import set_terms
from settlement.windows.tables import Window
from tenants.foundation.database import unit_of_work
from tenants.foundation.months import month_of
from tenants.staff.rules import APPROVER, PREPARER
from tests.conftest import NetworkForTests
from tests.ledger.test_model import OPENED_ON, LedgerMachine

FUNDING, REDEMPTION = 3, 2
HISTORIES, HISTORIES_MAX = 20, 200


class MoneyMachine(LedgerMachine):
    def __init__(self, make_network: Callable[..., NetworkForTests]) -> None:
        made: list[NetworkForTests] = []

        def make(**fields: object) -> NetworkForTests:
            rates = {"funding_rate": Decimal(FUNDING), "redemption_rate": Decimal(REDEMPTION)}
            made.append(make_network(**fields, **rates))
            return made[0]

        super().__init__(make)
        self.preparer, self.approver = made[0].person(PREPARER), made[0].person(APPROVER)
        self.paid: Counter[UUID] = Counter()
        self.carried: dict[UUID, int] = {}

    @initialize(settles=st.sampled_from(MODELS), minimum_payout=st.sampled_from([0, 200]))
    def agree(self, settles: str, minimum_payout: int) -> None:
        self.settles = settles
        set_terms(self.tenant_id, OPENED_ON, "test", model=settles, minimum_payout=minimum_payout)

    @rule()
    @precondition(lambda self: self.model.first_open_month < month_of(self.today))
    def close(self) -> None:
        month = self.model.first_open_month
        super().close()
        proposed = propose(self.tenant_id, month, self.preparer)
        approved = approve(self.tenant_id, month, self.approver)
        assert proposed.content_hash == approved.content_hash
        self.count(month, approved.settlement_id)

    def count(self, month: date, settlement_id: UUID) -> None:
        with unit_of_work(self.tenant_id) as session:
            lines = lines_of(session, settlement_id)
            nets = nets_by_party(session, settlement_id)
        assert nets == nets_of(lines)
        assert sum(nets.values()) == 0
        opened = {line.payee_id: line.amount for line in lines if line.kind == OPENING_BALANCE}
        assert opened == self.carried, month
        self.carried = {line.payer_id: line.amount for line in lines if line.kind == CARRIED_FORWARD}
        self.paid.update(nets_of(line for line in lines if line.kind not in (OPENING_BALANCE, CARRIED_FORWARD)))

    def teardown(self) -> None:
        super().teardown()
        used = self.sums("issued")
        used.update(self.sums("borne"))
        if self.settles == ON_REDEMPTION:
            used.subtract(self.sums("expired"))
            used.subtract(self.outstanding_by_lots())
        recovered = self.sums("recovered")
        expected = {s: FUNDING * used[s] - REDEMPTION * recovered[s] for s in self.store_ids}
        assert {s: self.paid[s] for s in self.store_ids} == expected
        assert self.paid[self.tenant_id] == -sum(expected.values())
        self.check_frozen()

    def sums(self, name: str) -> Counter[UUID]:
        found: Counter[UUID] = Counter()
        for month in self.model.months.values():
            for store_id, points in month.stores.items():
                found[store_id] += getattr(points, name)
        return found

    def outstanding_by_lots(self) -> Counter[UUID]:
        """By who issued them: what members can use, and what is on hold."""
        found: Counter[UUID] = Counter()
        for member in self.model.members:
            for lot in member.lots:
                found[lot.funder_id] += lot.remaining
            for hold in member.holds:
                if hold.state == "held":
                    for lot, points in hold.taken:
                        found[lot.funder_id] += points
        return found

    def check_frozen(self) -> None:
        """Derived again, every month comes to the very same."""
        for month in self.closed_months():
            with unit_of_work(self.tenant_id) as session:
                window = session.get_one(Window, (self.tenant_id, month))
                settlement = live_settlement(session, month)
                assert settlement is not None
                assert derive(session, window, settlement).content_hash == settlement.content_hash


def test_over_the_life_of_points_stores_pay_what_was_used_of_theirs(
    make_network: Callable[..., NetworkForTests],
) -> None:
    machines: list[MoneyMachine] = []

    def machine() -> MoneyMachine:
        machines.append(MoneyMachine(make_network))
        return machines[-1]

    def money_has_moved(settles: str) -> bool:
        return any(sum(map(abs, each.paid.values())) for each in machines if each.settles == settles)

    # Now and then chance has nobody redeem and close under one of the models.
    while not all(map(money_has_moved, MODELS)):
        assert len(machines) < HISTORIES_MAX, "no money moves"
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=HISTORIES,
                stateful_step_count=40,
                deadline=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
