"""A network with something of everything, so that requests which are made up can name what there is."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from apiflask import APIFlask
from schemathesis import Case

from settlement.legs.service import list_legs
from settlement.payments.service import instruct
from settlement.proposals.rules import FUNDING
from tenants.bank_accounts.rules import BankDetails
from tenants.bank_accounts.service import set_bank_account
from tenants.credentials.rules import HQ, OWN, STAFF, TERMINAL
from tenants.credentials.service import create_credential
from tenants.foundation import clock, ids
from tenants.foundation.months import parse_month
from tenants.staff.rules import TREASURER
from tenants.stores.rules import HEAD_OFFICE
from tests.conftest import NetworkForTests, new_network
from tests.disputes.month import FEBRUARY, Month, shown

TOKEN = "tok_of_a_card"
A_PHONE = "+4915123456789"
# Nobody calls it: no worker runs.
A_URL = "https://1.1.1.1/points"
A_RATE = {"funding_rate": "0.9", "redemption_rate": "0.8", "valid_from": "2026-04-01", "participant": "A"}
A_FEE = {"code": "service", "basis": "transfer", "rate": "1", "tax_rate": "0.2", "valid_from": "2026-04-01"}


@dataclass
class World:
    """`known` has values for parameters of paths and queries and for fields of bodies, by name.

    `staff_keys`: of somebody with every role of head office, and of an owner.
    """

    network: NetworkForTests
    known: dict[str, list[Any]]
    staff_keys: tuple[str, str]

    def headers(self, case: Case) -> dict[str, str]:
        """With a key that may do this."""
        security = case.operation.definition.raw.get("security", ())
        head_office, owner = self.staff_keys
        keys = {HQ: self.network.hq_key, TERMINAL: self.network.tills["A"].key, STAFF: head_office}
        fitting = {
            owner if scopes == [OWN] else keys[role]
            for requirement in security
            for role, scopes in requirement.items()
        }
        return {"Authorization": f"Bearer {chance_of(case).choice(sorted(fitting))}"} if fitting else {}

    def fill_in(self, case: Case) -> None:
        """What there is, in three of four requests that are meant to be right."""
        assert case.meta is not None
        chance = chance_of(case)
        if not case.meta.generation.mode.is_positive or chance.random() < 0.25:
            return
        for part in (case.path_parameters, case.query, case.body):
            for name in part if isinstance(part, dict) else ():
                if name in self.known:
                    part[name] = chance.choice(self.known[name])


def chance_of(case: Case) -> random.Random:
    """The same for the same case, so that Hypothesis can try it again."""
    content = repr((case.path_parameters, case.query, case.body))
    return random.Random(zlib.crc32(content.encode("utf-8", "replace")))


def make_world(app: APIFlask) -> World:
    network = new_network(app)
    for code in "AB":
        network.add_till(code)
    till = network.tills["A"]
    card, other, blocked = (network.add_card() for _ in range(3))
    sale = till.accrue(card, 100_000, occurred_at="2026-01-10T12:00:00Z")
    network.settle(parse_month("2026-01"))
    till.accrue(card, 100_000, occurred_at="2026-02-10T12:00:00Z")
    network.propose(FEBRUARY)
    file_id, leg_id = instruct_payments(network)
    till.accrue(card, 100_000)
    redemption = till.redeem(card, 5)
    hold = till.post("/v1/holds", {"card": card, "order_ref": "h1", "points": 10})
    network.hq("POST", f"/v1/cards/{blocked}/block")
    network.hq("POST", f"/v1/cards/{card}/payment-tokens", {"token": TOKEN})
    webhook = network.hq("POST", "/v1/webhooks", {"url": A_URL}).json["webhook_id"]
    ping = network.hq("POST", f"/v1/webhooks/{webhook}/ping")
    spare = network.hq("POST", "/v1/members", {"name": "Spare", "phone": A_PHONE}).json["member_id"]
    members = network.hq("GET", "/v1/members").json["members"]
    staff_keys = (
        network.add_staff("everyone", "preparer", "approver", "treasurer", "auditor"),
        network.add_staff("owner", "owner", participant="A"),
    )
    network.add_staff("spare", "treasurer")
    network.add_staff("spare-owner", "owner", participant="B")
    line_key, dispute_id = a_dispute(network)
    rate = network.hq("POST", "/v1/settlement/rates", A_RATE)
    fee = network.hq("POST", "/v1/settlement/fees", A_FEE)
    known = {
        "rate_id": [rate.json["rate_id"], unknown(ids.RATE)],
        "fee_id": [fee.json["fee_id"], unknown(ids.FEE)],
        "funding_rate": ["0.9"],
        "redemption_rate": ["0.8"],
        "rate": ["0.05"],
        "tax_rate": ["0.21"],
        "basis": ["transfer", "volume"],
        "valid_from": ["2026-02-01", "2026-05-01", "2027-01-01"],
        "valid_until": ["2026-12-31", "2026-02-28"],
        "from_month": ["2026-01", "2026-03"],
        "number": [card, other, blocked],
        "card": [card, other, blocked],
        "token": [TOKEN],
        "payment_token": [TOKEN],
        "hold_id": [hold.json["hold_id"], unknown(ids.HOLD)],
        "transfer_id": [sale.json["transfer_id"], redemption.json["transfer_id"], unknown(ids.TRANSFER)],
        "member_id": [*(member["member_id"] for member in members), unknown(ids.MEMBER)],
        "into": [*(member["member_id"] for member in members), unknown(ids.MEMBER)],
        "confirm": [spare],
        "phone": [A_PHONE, "0151 23456789"],
        "country": ["DE"],
        "phone_region": ["DE", None],
        "email": ["ada@example.com"],
        "retention_months": [36, None],
        "key_id": [*spare_keys(network), unknown(ids.KEY)],
        "terminal_id": [ids.show(ids.TERMINAL, till.terminal_id), unknown(ids.TERMINAL)],
        "webhook_id": [webhook, unknown(ids.WEBHOOK)],
        "delivery_id": [ping.json["delivery_id"], unknown(ids.DELIVERY)],
        "url": [A_URL],
        "since": ["2026-01-01T00:00:00Z"],
        "batch_id": [a_card_batch(network), unknown(ids.CARD_BATCH)],
        "code": ["A", "B", "C", "spare", "spare-owner"],
        "staff": ["spare", "nobody"],
        "file_id": [file_id, unknown(ids.PAYMENT_FILE)],
        "leg_id": [leg_id, unknown(ids.LEG)],
        "iban": ["DE89370400440532013000", "DE89370400440532013001"],
        "roles": [["preparer", "approver"], ["owner"], ["auditor"]],
        "store": ["A", "B", "C"],
        "participant": ["A", "C"],
        "month": ["2026-01", "2026-02", "2026-03"],
        "name": ["settlement.xlsx", "positions.csv", "flows.csv"],
        "business_date": ["2026-01-10", clock.now().date().isoformat()],
        "origin_month": ["2026-01", "2026-03", "2027-01"],
        "payer": ["A", "HQ"],
        "payee": ["B", "HQ"],
        "line": [line_key],
        "dispute_id": [dispute_id, unknown(ids.DISPUTE)],
        "currency": ["USD"],
        "occurred_at": ["2026-02-01T10:00:00Z", clock.now().isoformat()],
        "effective_from": [(clock.now() + timedelta(days=1)).isoformat()],
        "base_rate": ["1.5"],
        "redemption_value": ["100"],
        "maximum_share": ["0.5"],
        "expiry_policy": ["P6M", "P90D", "never"],
        "velocity_limits": [{"member": {"day": {"count": 5}}}],
        "events": [list(events(card)), [{**event, "sequence": n} for n, event in enumerate(events(card), 1)]],
    }
    return World(network, known, staff_keys)


def instruct_payments(network: NetworkForTests) -> tuple[str, str]:
    """Ids of a payment file and of a leg that is in it."""
    for code in (None, "A"):
        set_bank_account(network.tenant_id, code, BankDetails("Somebody", account_number="12345678"), "test")
    [file] = instruct(network.tenant_id, parse_month("2026-01"), network.person(TREASURER)).files
    [row] = list_legs(network.tenant_id, parse_month("2026-01"))
    return ids.show(ids.PAYMENT_FILE, file.file_id), ids.show(ids.LEG, row.leg.leg_id)


def unknown(prefix: str) -> str:
    return ids.show(prefix, ids.new_id())


def a_dispute(network: NetworkForTests) -> tuple[str, str]:
    """Of February, which can be disputed: the key of a line, and the id of a dispute of a part of it."""
    month = Month(network)
    month.let_dispute_until(3, FEBRUARY)
    line = month.line(FUNDING, "A", HEAD_OFFICE, FEBRUARY)
    return line.key, shown(month.dispute(line, amount=1, month=FEBRUARY))


def spare_keys(network: NetworkForTests) -> Iterator[str]:
    """Keys that nobody uses: they may be revoked."""
    for role, terminal_id in ((HQ, None), (TERMINAL, network.tills["B"].terminal_id)):
        credential, _ = create_credential(network.tenant_id, role, "spare", terminal_id)
        yield ids.show(ids.KEY, credential.credential_id)


def a_card_batch(network: NetworkForTests) -> str:
    headers = {"Authorization": f"Bearer {network.hq_key}", "Idempotency-Key": "cards"}
    batch = network.app.test_client().post("/v1/card-batches", json={"count": 3, "label": "x"}, headers=headers)
    return batch.json["batch_id"]


def events(card: str) -> Iterator[dict[str, Any]]:
    for kind, fields in (
        ("accrual", {"card": card, "order_ref": "e1", "amount": 999}),
        ("redemption", {"card": card, "order_ref": "e1", "points": 3}),
        ("reversal", {"original_order_ref": "e1", "original_kind": "accrual"}),
        ("hold", {"card": card, "order_ref": "e2", "points": 10**9}),
        ("nothing", {}),
    ):
        yield {"kind": kind, "idempotency_key": f"event of kind {kind}".replace(" ", "-"), **fields}
