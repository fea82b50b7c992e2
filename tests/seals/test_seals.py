from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import date

import pytest
from click.testing import Result
from sqlalchemy import Engine, select, text

from clearinghouse.ledger.tables import Transfer
from settlement.seals.rules import Proof, leaf_hash, root_of
from settlement.seals.service import list_seals, prove_store, seal_window
from settlement.windows.service import get_window
from settlement.windows.tables import Window
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import Conflict, NotFound
from tests.conftest import NetworkForTests

JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)


@pytest.fixture
def closed(network: NetworkForTests, card: str) -> NetworkForTests:
    """A has two transfers, B one, C none."""
    network.tills["A"].accrue(card, 10000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["A"].accrue(card, 5000, occurred_at="2026-01-10T12:00:00Z")
    network.tills["B"].redeem(card, 30, occurred_at="2026-01-11T12:00:00Z")
    network.close(JANUARY)
    return network


def hashes_of(network: NetworkForTests, month: date, code: str) -> list[bytes]:
    """As a store has them in its list of transfers."""
    store_id = network.tills[code].store_id
    with unit_of_work(network.tenant_id) as session:
        statement = (
            select(Transfer.hash)
            .where(Transfer.store_id == store_id, Transfer.settlement_month == month)
            .order_by(Transfer.transfer_id)
        )
        return list(session.scalars(statement))


def test_a_store_recomputes_its_leaf_from_its_transfers(closed: NetworkForTests) -> None:
    hashes = hashes_of(closed, JANUARY, "A")

    proof = prove_store(closed.tenant_id, JANUARY, "A")

    *_, count, digest = proof.data.decode().split()
    assert (len(hashes), int(count), digest) == (2, 2, hashlib.sha256(b"".join(hashes)).hexdigest())
    assert hashlib.sha256(b"\x00" + proof.data).digest() == proof.proof.leaf
    assert proof.holds
    assert proof.proof.root == get_window(closed.tenant_id, JANUARY).merkle_root


def test_every_store_and_head_office_has_a_leaf(closed: NetworkForTests) -> None:
    sealed = list_seals(closed.tenant_id, JANUARY)

    assert {store.code: store.transfers for store in sealed.stores} == {"A": 2, "B": 1, "C": 0, "HQ": 0}
    assert root_of([store.leaf for store in sealed.stores]) == sealed.root
    assert all(prove_store(closed.tenant_id, JANUARY, store.code).holds for store in sealed.stores)


def test_transfers_of_no_store_are_head_offices(closed: NetworkForTests) -> None:
    for number in range(2, 8):
        closed.close(date(2026, number, 1))

    # What was issued in January expires with July.
    july = list_seals(closed.tenant_id, date(2026, 7, 1))

    assert {store.code: store.transfers for store in july.stores} == {"A": 0, "B": 0, "C": 0, "HQ": 1}
    assert prove_store(closed.tenant_id, date(2026, 7, 1), "HQ").holds


def test_a_month_without_activity_is_sealed(network: NetworkForTests) -> None:
    network.close(JANUARY)

    sealed = list_seals(network.tenant_id, JANUARY)

    assert [store.transfers for store in sealed.stores] == [0, 0, 0, 0]
    assert prove_store(network.tenant_id, JANUARY, "C").holds


def test_a_month_of_a_network_without_stores_is_sealed(make_network) -> None:
    network = make_network()
    network.close(JANUARY)

    assert [store.code for store in list_seals(network.tenant_id, JANUARY).stores] == ["HQ"]


def test_sealing_again_changes_nothing(closed: NetworkForTests) -> None:
    before = list_seals(closed.tenant_id, JANUARY)

    with unit_of_work(closed.tenant_id) as session:
        seal_window(session, session.scalars(select(Window)).one())

    assert list_seals(closed.tenant_id, JANUARY) == before


def test_a_month_from_before_there_were_seals_is_sealed_when_it_is_proposed(
    closed: NetworkForTests, owner: Engine
) -> None:
    before = list_seals(closed.tenant_id, JANUARY)
    with owner.begin() as connection:
        for statement in ("DELETE FROM settlement.seals {}", "UPDATE settlement.windows SET merkle_root = NULL {}"):
            connection.execute(text(statement.format("WHERE tenant_id = :tenant")), {"tenant": closed.tenant_id})
    with pytest.raises(Conflict) as refused:
        list_seals(closed.tenant_id, JANUARY)

    closed.propose(JANUARY)

    assert refused.value.code == "window_not_sealed"
    assert list_seals(closed.tenant_id, JANUARY) == before


def test_a_store_that_was_made_later_is_in_no_earlier_month(closed: NetworkForTests) -> None:
    closed.add_till("D")

    with pytest.raises(NotFound, match="was not there yet in 2026-01"):
        prove_store(closed.tenant_id, JANUARY, "D")

    closed.close(FEBRUARY)
    assert prove_store(closed.tenant_id, FEBRUARY, "D").holds


def test_an_event_that_comes_late_is_sealed_with_its_own_window(closed: NetworkForTests, card: str) -> None:
    january = list_seals(closed.tenant_id, JANUARY)
    closed.tills["A"].accrue(card, 700, occurred_at="2026-01-31T12:00:00Z")
    closed.close(FEBRUARY)

    assert list_seals(closed.tenant_id, JANUARY) == january
    assert prove_store(closed.tenant_id, FEBRUARY, "A").transfers == 1


def test_a_transfer_that_was_changed_is_proven_no_more(closed: NetworkForTests, owner: Engine) -> None:
    with owner.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        statement = "UPDATE ledger.transfers SET hash = sha256('x') WHERE tenant_id = :tenant AND kind = 'redemption'"
        connection.execute(text(statement), {"tenant": closed.tenant_id})

    assert not prove_store(closed.tenant_id, JANUARY, "B").holds
    assert prove_store(closed.tenant_id, JANUARY, "A").holds


def test_the_root_fixes_every_store(closed: NetworkForTests) -> None:
    proof = prove_store(closed.tenant_id, JANUARY, "A").proof

    forged = Proof(leaf_hash(b"another"), proof.index, proof.size, proof.path, proof.root)

    assert not forged.holds


@pytest.fixture
def owner_of_a(closed: NetworkForTests) -> str:
    return closed.add_staff("olga", "owner", participant="A")


def test_an_owner_sees_the_proof_of_the_own_store_only(closed: NetworkForTests, owner_of_a: str) -> None:
    def asked(path: str) -> tuple[int, str | None]:
        answer = closed.call(owner_of_a, "GET", f"/v1/settlement/windows/2026-01/seals{path}")
        return answer.status_code, answer.json.get("code")

    assert asked("/A") == (200, None)
    assert asked("/B") == asked("/HQ") == asked("/X") == (404, "store_unknown")
    assert asked("") == (403, "scope_missing")


def test_seals_are_told_over_http_and_at_the_command_line(
    closed: NetworkForTests, command_line: Callable[..., Result]
) -> None:
    seals = closed.hq("GET", "/v1/settlement/windows/2026-01/seals").json
    proof = closed.hq("GET", "/v1/settlement/windows/2026-01/seals/B").json

    asked = ("window", "seal", "2026-01", "-n", closed.code)
    printed = json.loads(command_line(*asked, "--json").stdout)
    printed_proof = json.loads(command_line(*asked, "--store", "B", "--json").stdout)

    assert (seals, proof) == (printed, printed_proof)
    assert seals["root"] == proof["root"] == closed.hq("GET", "/v1/settlement/windows/2026-01").json["merkle_root"]
    assert proof["holds"] and proof["leaf"] in [store["leaf"] for store in seals["stores"]]
    assert f"root {seals['root']}" in command_line(*asked).stdout


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("2026-02/seals", 404, "window_unknown"),
        ("2026-02/seals/A", 404, "window_unknown"),
        ("2026-13/seals", 422, "invalid_month"),
        ("2026-01/seals/X", 404, "store_unknown"),
    ],
)
def test_what_is_not_there_is_refused_with_a_code(closed: NetworkForTests, path: str, status: int, code: str) -> None:
    answer = closed.hq("GET", f"/v1/settlement/windows/{path}")

    assert (answer.status_code, answer.json["code"]) == (status, code)
