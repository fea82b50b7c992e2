"""Whatever is written is entered, by whoever does it, in the same transaction."""

from __future__ import annotations

import ast
import getpass
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from apiflask import APIFlask
from click.testing import Result
from sqlalchemy import text

from clearinghouse.imports.service import import_purchases
from clearinghouse.networks.setup import set_up_database
from settlement.disputes.jobs import expire_disputes_of
from settlement.exposure.service import set_cap, update_exposures
from settlement.serving.processes import ForkingWorker
from settlement.windows.jobs import close_due_months
from tenants.audit.recording import veil
from tenants.audit.service import was_sent
from tenants.foundation import ids
from tenants.foundation.acts import DONE, READ, UNSAID, Act, acting, unrecorded
from tenants.foundation.database import unit_of_work
from tenants.foundation.queue import job_queue
from tenants.members.service import list_members
from tenants.staff.rules import PREPARER
from tenants.stores.service import create_store
from tests.audit.entries import entries_of, newest, wrong_entries
from tests.conftest import ROOT, NetworkForTests

JANUARY = date(2026, 1, 1)
ADA = Act("program", "ada", "a test")
WRITE = text("UPDATE tenants.stores SET name = name")


@pytest.fixture(autouse=True)
def the_chain_is_whole_afterwards(network: NetworkForTests) -> Iterator[None]:
    yield
    assert wrong_entries(network.tenant_id) == []


def entered_by(network: NetworkForTests, call: Callable[[], Any]) -> list[Any]:
    before = len(entries_of(network.tenant_id))
    call()
    return entries_of(network.tenant_id)[before:]


def test_a_key_of_head_office_is_named_with_what_it_did(network: NetworkForTests) -> None:
    key_id = network.hq("GET", "/v1/keys").json["keys"][0]["key_id"]

    [entry] = entered_by(network, lambda: network.hq("POST", "/v1/stores/A/close"))

    assert (entry.actor_kind, entry.actor, entry.via) == ("key", key_id, None)
    assert (entry.action, entry.outcome, entry.subject) == ("POST /v1/stores/<code>/close", DONE, ["code A"])
    assert entry.written == ["stores"]


def test_a_person_is_named_by_code_with_the_key_that_was_used(network: NetworkForTests) -> None:
    network.close(JANUARY)
    key = network.add_staff("ana", PREPARER)
    key_id = network.hq("GET", "/v1/keys").json["keys"][-1]["key_id"]

    entries = entered_by(network, lambda: network.call(key, "POST", "/v1/settlement/windows/2026-01/settlement"))

    assert {(entry.actor_kind, entry.actor, entry.via) for entry in entries} == {("staff", "ana", key_id)}
    assert entries[-1].subject == ["month 2026-01"]
    assert {"settlements", "state_changes"} <= {words.split()[0] for words in entries[-1].written}


def test_what_was_made_is_named(network: NetworkForTests) -> None:
    made = network.hq("POST", "/v1/members", {"name": "Ada"}).json

    assert newest(network.tenant_id).written == [f"members {made['member_id']}"]


def test_of_many_rows_of_a_table_some_are_named(network: NetworkForTests) -> None:
    headers = {"Authorization": f"Bearer {network.hq_key}", "Idempotency-Key": "many"}
    network.app.test_client().post("/v1/card-batches", json={"count": 30, "label": "x"}, headers=headers)

    tables = [words.split()[0] for words in newest(network.tenant_id).written]
    assert {table: tables.count(table) for table in tables} == {
        "card_batches": 1,
        "members": 11,
        "cards": 11,
        "card_changes": 11,
    }


def test_a_till_is_not_recorded(network: NetworkForTests, card: str) -> None:
    till = network.tills["A"]

    entries = entered_by(
        network,
        lambda: (
            till.accrue(card, 1000),
            till.redeem(card, 1),
            till.balance(card),
            till.post(f"/v1/cards/{card}/payment-tokens", {"token": "tok_1234567890"}),
            till.call("GET", "/v1/members"),
        ),
    )

    assert entries == []


def test_a_till_that_tries_what_only_head_office_may_is_not_recorded(network: NetworkForTests) -> None:
    entries = entered_by(network, lambda: network.tills["A"].call("POST", "/v1/stores", {"code": "X", "name": "X"}))

    assert entries == []


def test_a_user_of_the_command_line_is_named(network: NetworkForTests, command_line: Callable[..., Result]) -> None:
    [entry] = entered_by(network, lambda: command_line("store", "close", "A", "-n", network.code))

    assert (entry.actor_kind, entry.actor, entry.via) == ("command line", getpass.getuser(), None)
    assert (entry.action, entry.subject) == ("store close", ["code A"])


def test_a_person_at_the_command_line_is_named_with_the_user(
    network: NetworkForTests, command_line: Callable[..., Result]
) -> None:
    network.add_staff("ana", PREPARER)
    words = ("window", "postpone", "2026-01", "--days", "2", "--as", "ana", "-n", network.code)
    network.close(JANUARY)

    entries = entered_by(network, lambda: command_line(*words))

    assert [(entry.actor_kind, entry.actor, entry.via) for entry in entries] == [
        ("staff", "ana", f"command line {getpass.getuser()}")
    ]


def test_a_job_is_named_with_whoever_put_it_in(network: NetworkForTests) -> None:
    queue = job_queue()
    queue.empty()
    with acting(Act("staff", "ana", "a request")):
        job = queue.enqueue(close_due_months, str(network.tenant_id))

    entries = entered_by(
        network, lambda: ForkingWorker([queue], connection=queue.connection).work(burst=True, logging_level="WARNING")
    )

    assert {(entry.actor_kind, entry.actor, entry.via, entry.action) for entry in entries} == {
        ("job", "staff ana", f"job {job.id}", "close_due_months")
    }


def test_a_job_of_nobody_is_the_schedulers(network: NetworkForTests) -> None:
    queue = job_queue()
    queue.empty()
    with unrecorded():
        queue.enqueue(close_due_months, str(network.tenant_id))

    entries = entered_by(
        network, lambda: ForkingWorker([queue], connection=queue.connection).work(burst=True, logging_level="WARNING")
    )

    assert {entry.actor for entry in entries} == {"scheduler"}


def test_a_job_that_writes_nothing_is_not_recorded(network: NetworkForTests) -> None:
    assert entered_by(network, lambda: expire_disputes_of(str(network.tenant_id))) == []


def test_code_that_does_not_say_who_acts_is_recorded_all_the_same(network: NetworkForTests) -> None:
    [entry] = entered_by(network, lambda: create_store(network.tenant_id, "D", "Store D"))

    assert (entry.actor_kind, entry.actor, entry.action) == (UNSAID.kind, UNSAID.actor, UNSAID.action)


def test_a_write_that_no_model_sees_is_recorded(network: NetworkForTests) -> None:
    def write() -> None:
        with acting(ADA), unit_of_work(network.tenant_id) as session:
            session.execute(WRITE)

    [entry] = entered_by(network, write)
    assert (entry.actor, entry.outcome, entry.written) == ("ada", DONE, [])


REQUEST_IDS = [("r-17", "r-17"), ("0af7651916cd43dd8448eb211c80319c", "0af7651916cd43dd8448eb211c80319c"),
               ("Ada Lovelace", "malformed"), ("x" * 129, "malformed"), (None, None)]  # fmt: skip


@pytest.mark.parametrize(("request_id", "kept"), REQUEST_IDS)
def test_the_id_of_the_request_is_kept_unless_it_may_be_anything(
    network: NetworkForTests, request_id: str | None, kept: str | None
) -> None:
    with acting(Act("program", "ada", "a test", request_id=request_id)):
        create_store(network.tenant_id, "D", "Store D")

    assert newest(network.tenant_id).request_id == kept


def test_a_transaction_that_is_rolled_back_leaves_no_entry(network: NetworkForTests) -> None:
    def write() -> None:
        with pytest.raises(ZeroDivisionError), acting(ADA), unit_of_work(network.tenant_id) as session:
            session.execute(WRITE)
            raise ZeroDivisionError

    assert entered_by(network, write) == []


def test_a_refused_request_leaves_no_entry_of_something_done(network: NetworkForTests) -> None:
    entries = entered_by(network, lambda: network.hq("POST", "/v1/stores", {"code": "A", "name": "again"}))

    assert entries == []


def test_what_can_not_be_entered_is_not_done(network: NetworkForTests) -> None:
    """The chain's constraint refuses an actor that is no code."""
    with pytest.raises(Exception, match="audit_log_words_check"), acting(Act("program", "Ada ä", "a test")):
        create_store(network.tenant_id, "D", "Store D")

    assert network.hq("GET", "/v1/stores/D").status_code == 404


def test_reading_is_not_recorded(network: NetworkForTests) -> None:
    paths = ("/v1/stores", "/v1/keys", "/v1/staff", "/v1/audit", "/v1/audit/verification", "/v1/webhooks")

    assert entered_by(network, lambda: [network.hq("GET", path) for path in paths]) == []


SHOWN = [
    ("/v1/members", "GET /v1/members"),
    ("/v1/bank-accounts", "GET /v1/bank-accounts"),
    ("/v1/members/{member}/wallet/code", "GET /v1/members/<member_id>/wallet/code"),
    ("/v1/card-batches/{batch}/cards.csv", "GET /v1/card-batches/<batch_id>/cards.csv"),
]


@pytest.mark.parametrize(("path", "action"), SHOWN)
def test_reading_what_not_everybody_may_see_is_recorded(
    network: NetworkForTests, card: str, path: str, action: str
) -> None:
    headers = {"Authorization": f"Bearer {network.hq_key}", "Idempotency-Key": "batch"}
    batch = network.app.test_client().post("/v1/card-batches", json={"count": 2, "label": "x"}, headers=headers)
    member = ids.show(ids.MEMBER, list_members(network.tenant_id)[0].member_id)
    network.hq("GET", f"/v1/members/{member}/wallet")

    [entry] = entered_by(network, lambda: network.hq("GET", path.format(member=member, batch=batch.json["batch_id"])))

    assert (entry.action, entry.outcome, entry.written) == (action, READ, [])


def test_an_import_is_recorded_though_it_only_posts(network: NetworkForTests, card: str, tmp_path: Any) -> None:
    file = tmp_path / "purchases.csv"
    file.write_text("occurred_at,store,card,order_ref,amount\n2026-01-10T12:00:00Z,A," + card + ",o-1,10.00\n")

    def run() -> None:
        import_purchases(
            network.tenant_id, file, since=None, redeem_up_to_available=False, on_progress=lambda steps: None
        )

    assert len(entered_by(network, run)) == 1


def test_sums_that_only_save_time_are_not_recorded(network: NetworkForTests, card: str) -> None:
    network.tills["A"].accrue(card, 100_000)
    capped = entered_by(network, lambda: set_cap(network.tenant_id, "A", 500, "test"))

    measured = entered_by(network, lambda: update_exposures(network.tenant_id, anew=True))

    assert len(capped) == 1
    assert measured == []


def test_a_new_network_has_its_making_as_first_entry(
    make_network: Callable[..., NetworkForTests],
) -> None:
    network = make_network()

    first = entries_of(network.tenant_id)[0]

    assert (first.sequence, first.previous_hash) == (1, None)
    assert f"networks {ids.show(ids.NETWORK, network.tenant_id)}" in first.written


def test_making_a_network_and_setting_up_are_in_the_installations_log(
    make_network: Callable[..., NetworkForTests], command_line: Callable[..., Result]
) -> None:
    network = make_network()
    made = newest(ids.INSTALLATION)
    set_up_database()
    set_up = newest(ids.INSTALLATION)

    assert made.subject == [f"network {ids.show(ids.NETWORK, network.tenant_id)}"]
    assert [words.split()[0] for words in set_up.subject] == ["revision"]
    assert made.network == "net_" + 26 * "0"
    assert wrong_entries(ids.INSTALLATION) == []


def test_the_request_is_kept_as_a_digest_that_tells_a_copy_from_another(network: NetworkForTests) -> None:
    sent = b'{"code": "D",  "name": "Store D"}'
    headers = {"Authorization": f"Bearer {network.hq_key}", "Content-Type": "application/json"}
    network.app.test_client().post("/v1/stores", data=sent, headers=headers)
    entry = newest(network.tenant_id)

    assert was_sent(network.tenant_id, entry.sequence, sent)
    assert not was_sent(network.tenant_id, entry.sequence, sent.replace(b"  ", b" "))


def test_the_same_body_has_another_digest_in_another_network(
    network: NetworkForTests, make_network: Callable[..., NetworkForTests]
) -> None:
    other = make_network()
    for each in (network, other):
        each.hq("POST", "/v1/stores", {"code": "D", "name": "Store D"})

    assert newest(network.tenant_id).body_digest != newest(other.tenant_id).body_digest
    assert veil(network.tenant_id, "6290000000000014") != veil(other.tenant_id, "6290000000000014")


# Other ways to the database than a unit of work, with what they are for. What they write the audit log does not see.
WAYS_ROUND = {
    "tenants/foundation/database.py": "the unit of work itself",
    "tenants/foundation/calls.py": "keys of tills, postings",
    "tenants/credentials/service.py": "looking up a key",
    "clearinghouse/pos/balances.py": "reading a card's points",
    "clearinghouse/programme/service.py": "reading a network's programme",
    "clearinghouse/ledger/service.py": "postings, which the ledger chains; partitions",
    "clearinghouse/imports/service.py": "locks",
    "clearinghouse/webhooks/delivery.py": "locks",
    "clearinghouse/partitions/service.py": "moving months as the owner; entered for the installation",
    "settlement/serving/worker.py": "closing what a fork inherits",
    "tenants/data_keys/service.py": "encrypting as the owner; its commands are entered for the installation",
}
ROUND = {"engine", "raw_connection", "begin", "commit", "call"}


def test_nothing_reaches_the_database_past_the_unit_of_work_but_what_is_known() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for package in ("tenants", "clearinghouse", "settlement")
        for path in (ROOT / package).rglob("*.py")
        if "sqlalchemy" in path.read_text() or "foundation" in path.read_text()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ROUND
    }

    assert found - WAYS_ROUND.keys() == set()
    assert "tenants/foundation/database.py" in found


def test_a_request_leaves_no_act_behind(app: APIFlask, network: NetworkForTests) -> None:
    network.hq("POST", "/v1/stores", {"code": "D", "name": "Store D"})

    [entry] = entered_by(network, lambda: create_store(network.tenant_id, "E", "Store E"))

    assert entry.actor == UNSAID.actor


def test_tenants_are_told_apart_by_id(network: NetworkForTests) -> None:
    assert {entry.network for entry in entries_of(network.tenant_id)} == {ids.show(ids.NETWORK, network.tenant_id)}
    assert UUID(int=0) == ids.INSTALLATION
