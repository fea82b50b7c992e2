"""Files into the ledger, through the command as a user runs it and through the service."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from clearinghouse.imports.rules import COLUMNS
from clearinghouse.imports.service import import_purchases, only_import
from cli import clearinghouse, explain
from tenants.foundation.config import Settings
from tenants.foundation.database import unit_of_work
from tenants.foundation.errors import Conflict, InvalidInput
from tenants.members.service import find_card, issue_card
from tests.conftest import ROOT, NetworkForTests, a_card_number
from tests.waiting import wait_until

Purchases = list[tuple[Any, ...]]
MORNING = "2026-03-01T10:00:00Z"


def write_csv(path: Path, rows: Purchases, encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return path


def write_parquet(path: Path, rows: Purchases) -> Path:
    columns = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    columns["occurred_at"] = [datetime.fromisoformat(value) for value in columns["occurred_at"]]
    pq.write_table(pa.table(columns), path)
    return path


def run(network: NetworkForTests, path: Path, *options: str) -> Result:
    """As `cli.main` would run it, in the application of the tests."""
    arguments = ["import", "purchases", str(path), "--network", network.code, "--json", *options]
    return CliRunner().invoke(clearinghouse, arguments, obj=lambda: network.app)


def report(result: Result) -> dict[str, Any]:
    assert result.exit_code in (0, 2), result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def transfers(network: NetworkForTests) -> list[tuple[Any, ...]]:
    columns = "kind, order_ref, amount, points, available_after, occurred_at, business_date, sequence"
    with unit_of_work(network.tenant_id) as session:
        rows = session.execute(
            text(f"SELECT member_id, {columns} FROM ledger.transfers ORDER BY member_id, sequence")
        )
        return [tuple(row) for row in rows]


def rejected(path: Path) -> list[dict[str, str]]:
    with path.with_name(path.name + ".rejected.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def available(network: NetworkForTests, card: str) -> int:
    """After the member's last transfer, on its day: today the points may have expired."""
    member_id = find_card(network.tenant_id, card).member_id
    return int([row[5] for row in transfers(network) if row[0] == member_id][-1])


def points_by_order(network: NetworkForTests, kind: str) -> dict[str, int]:
    return {row[2]: row[4] for row in transfers(network) if row[1] == kind}


@pytest.fixture
def some_purchases(network: NetworkForTests) -> Purchases:
    """1,200 purchases of 7 cards, every third of which redeems more or less than there is."""
    cards = [network.add_card() for _ in range(7)]
    return [
        (
            f"o{number}",
            "ABC"[number % 3],
            cards[number % 7],
            f"2026-03-{1 + number // 60:02}T10:{number % 60:02}:00+00:00",
            number * 37 % 5000,
            number % 90 if number % 3 == 0 else 0,
        )
        for number in range(1200)
    ]


def test_csv_and_parquet_give_the_same_ledger(
    network: NetworkForTests, some_purchases: Purchases, tmp_path: Path
) -> None:
    first = report(run(network, write_csv(tmp_path / "p.csv", some_purchases), "--redeem-up-to-available"))
    before = transfers(network)
    second = report(run(network, write_parquet(tmp_path / "p.parquet", some_purchases), "--redeem-up-to-available"))

    assert first["rows"] == first["accruals_posted"] == 1200
    assert first["redemptions_posted"] > 300
    assert second["already_there"] == len(before) == 1200 + first["redemptions_posted"]
    assert second["accruals_posted"] == second["redemptions_posted"] == 0
    assert transfers(network) == before


def test_an_import_run_again_posts_nothing_and_gives_the_same_answers(
    network: NetworkForTests, some_purchases: Purchases, tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "p.csv", some_purchases)
    first = run(network, path)
    before, refused = transfers(network), rejected(path)
    again = run(network, path)

    assert first.exit_code == again.exit_code == 2
    assert report(again)["already_there"] == len(before)
    assert transfers(network) == before
    assert {row["code"] for row in refused} == {"insufficient_points"}
    assert rejected(path) == refused


def test_a_redemption_that_found_nothing_is_not_tried_again_when_there_is_something(
    network: NetworkForTests, card: str, tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "p.csv", [("1", "A", card, MORNING, 5000, 20), ("2", "A", card, MORNING, 100, 0)])
    first = run(network, path, "--redeem-up-to-available")
    again = run(network, path, "--redeem-up-to-available")

    assert first.exit_code == again.exit_code == 0
    assert report(first)["redemptions_posted"] == report(again)["redemptions_posted"] == 0
    assert available(network, card) == 51


def test_a_row_that_is_twice_in_a_file_redeems_once(network: NetworkForTests, card: str, tmp_path: Path) -> None:
    rows = [("1", "A", card, MORNING, 5000, 20)] * 3
    result = run(network, write_csv(tmp_path / "p.csv", rows), "--redeem-up-to-available")

    assert report(result)["already_there"] == 2
    assert points_by_order(network, "redemption") == {}


def test_a_member_redeems_what_the_rows_before_have_earned_whichever_card_they_name(
    network: NetworkForTests, card: str, tmp_path: Path
) -> None:
    member_id = find_card(network.tenant_id, card).member_id
    other = issue_card(network.tenant_id, member_id, a_card_number()).number
    rows = [(f"{n}", "A", (card, other)[n % 2], MORNING, 100, n and 1) for n in range(500)]

    result = run(network, write_csv(tmp_path / "p.csv", rows))

    assert result.exit_code == 0, result.output
    assert report(result)["redemptions_posted"] == 499
    assert available(network, card) == 1


def test_up_to_available_takes_what_is_there_and_without_it_the_row_is_rejected_but_its_accrual_posted(
    network: NetworkForTests, tmp_path: Path
) -> None:
    rich, poor = network.add_card(), network.add_card()
    rows = [
        (f"{card[-3:]}{n}", "A", card, MORNING, 1000, points)
        for card in (rich, poor)
        for n, points in ((1, 0), (2, 15))
    ]
    taken = run(network, write_csv(tmp_path / "rich.csv", rows[:2]), "--redeem-up-to-available")
    path = write_csv(tmp_path / "poor.csv", rows[2:])
    refused = run(network, path)

    assert (taken.exit_code, refused.exit_code) == (0, 2)
    assert available(network, rich) == 10
    assert available(network, poor) == 20
    [row] = rejected(path)
    assert row["code"] == "insufficient_points"
    assert row["reason"] == ("Redemption: The member had 10 points, 5 too few. The accrual is in the ledger.")


def test_rejected_rows_are_written_with_line_number_and_reason_and_the_others_posted(
    network: NetworkForTests, card: str, tmp_path: Path
) -> None:
    path = write_csv(
        tmp_path / "p.csv",
        [
            ("1", "A", card, MORNING, 100, ""),
            ("2", "Z", card, MORNING, 100, ""),
            ("3", "A", a_card_number(), MORNING, 100, ""),
            ("4", "A", card, MORNING, "1.5", ""),
            ("5", "A"),
            ("6", "A", card, "2999-01-01T00:00:00Z", 100, ""),
            ("7", "A", card, "2025-12-31T23:59:59Z", 100, ""),
        ],
    )
    with path.open("ab") as file:
        file.write(b'8,"A,never closed\n9,\xff,x,x,1,\n\n' + b"x" * 10_000 + b"\n")
        file.write(f"10,A,{card},{MORNING},300,0".encode())
    result = run(network, path)

    assert result.exit_code == 2
    assert [(int(row["line"]), row["code"]) for row in rejected(path)] == [
        (3, "store_unknown"),
        (4, "card_unknown"),
        (5, "amount_invalid"),
        (6, "wrong_number_of_fields"),
        (7, "occurred_at_in_future"),
        (8, "occurred_at_too_early"),
        (9, "malformed_line"),
        (10, "not_utf8"),
        (12, "line_too_long"),
    ]
    assert all(row["reason"].endswith(".") for row in rejected(path))
    assert report(result)["rejected"] == 9
    assert points_by_order(network, "accrual") == {"1": 1, "10": 3}


def test_a_corrected_rejected_file_can_be_imported_and_the_next_run_without_fault_removes_it(
    network: NetworkForTests, card: str, tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "p.csv", [("1", "A", card, MORNING, "1,00", "")])
    assert run(network, path).exit_code == 2
    wrong = path.with_name("p.csv.rejected.csv")
    corrected = tmp_path / "corrected.csv"
    corrected.write_text(wrong.read_text().replace('"1,00"', "100"))

    assert run(network, corrected).exit_code == 0
    assert points_by_order(network, "accrual") == {"1": 1}
    write_csv(path, [("1", "A", card, MORNING, 100, "")])
    assert run(network, path).exit_code == 0
    assert sorted(found.name for found in tmp_path.iterdir()) == ["corrected.csv", "p.csv"]


@pytest.mark.parametrize("changed", [{4: 200}, {5: 1}, {3: "2026-03-02T10:00:00Z"}])
def test_a_row_that_changed_since_it_was_imported_is_rejected(
    network: NetworkForTests, card: str, tmp_path: Path, changed: dict[int, Any]
) -> None:
    row = ["1", "A", card, MORNING, 100, 0]
    run(network, write_csv(tmp_path / "p.csv", [tuple(row)]))
    path = write_csv(tmp_path / "q.csv", [tuple(changed.get(n, cell) for n, cell in enumerate(row))])
    result = run(network, path, "--redeem-up-to-available")

    assert result.exit_code == 2
    assert [row["code"] for row in rejected(path)] == ["idempotency_key_reused"]
    assert points_by_order(network, "redemption") == {}


def test_an_order_that_a_till_has_posted_is_rejected_and_the_transfer_named(
    network: NetworkForTests, card: str, tmp_path: Path
) -> None:
    posted = network.tills["A"].accrue(card, 5000, order_ref="1").json
    path = write_csv(tmp_path / "p.csv", [("1", "A", card, MORNING, 5000, 10)])

    assert run(network, path).exit_code == 2
    [row] = rejected(path)
    assert row["code"] == "order_already_posted"
    assert posted["transfer_id"] in row["reason"]
    assert available(network, card) == 50


def test_since_rejects_earlier_days_and_may_lie_before_the_opening(
    network: NetworkForTests, card: str, tmp_path: Path
) -> None:
    rows = [("1", "A", card, "2025-12-31T10:00:00Z", 100, 0), ("2", "A", card, MORNING, 100, 0)]

    assert run(network, write_csv(tmp_path / "p.csv", rows), "--since", "2026-03-02").exit_code == 2
    assert transfers(network) == []
    assert run(network, write_csv(tmp_path / "p.csv", rows), "--since", "2025-12-31").exit_code == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_time_without_offset_is_the_networks_own(
    make_network: Callable[..., NetworkForTests], tmp_path: Path, encoding: str
) -> None:
    network = make_network(time_zone="America/New_York")
    network.add_till("A")
    row = ('größe, "1"', "A", network.add_card(), "2026-03-01T23:30:00", 100, 0)

    assert run(network, write_csv(tmp_path / "p.csv", [row], encoding)).exit_code == 0
    assert [str(row[6]) for row in transfers(network)] == ["2026-03-02 04:30:00+00:00"]
    assert [str(row[7]) for row in transfers(network)] == ["2026-03-01"]


def test_a_parquet_timestamp_without_zone_is_the_networks_own_and_numbers_are_good_as_codes(
    make_network: Callable[..., NetworkForTests], tmp_path: Path
) -> None:
    network = make_network(time_zone="America/New_York")
    network.add_till("12")
    moments = pa.array([datetime(2026, 3, 1, 23, 30)], pa.timestamp("ns"))
    columns = {"order_ref": [7], "store": [12], "card": [int(network.add_card())], "amount": [100]}
    pq.write_table(pa.table({**columns, "occurred_at": moments}), tmp_path / "p.parquet")

    assert run(network, tmp_path / "p.parquet").exit_code == 0
    assert [row[6] for row in transfers(network)] == [datetime(2026, 3, 2, 4, 30, tzinfo=UTC)]


HEADER = ",".join(COLUMNS).encode()
UNUSABLE = {
    "empty": b"",
    "another separator": HEADER.replace(b",", b";") + b"\n",
    "a column missing": b"order_ref,store,card,amount\n1,A,x,1\n",
    "a column too many": HEADER + b",tip\n",
    "UTF-16": HEADER.decode().encode("utf-16"),
    "Latin-1": b"stra\xdfe," + HEADER + b"\n",
    "old line ends": HEADER + b"\r1,A,x,x,1,1\r",
    "half a Parquet file": b"PAR1 and no more",
}


@pytest.mark.parametrize("content", UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_that_cant_be_used_is_refused_and_nothing_posted(
    network: NetworkForTests, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(content)
    result = run(network, path)

    assert isinstance(result.exception, InvalidInput), result.output
    assert explain(result.exception)
    assert transfers(network) == []
    assert list(tmp_path.iterdir()) == [path]


def test_parquet_columns_of_a_wrong_type_are_refused(network: NetworkForTests, tmp_path: Path) -> None:
    columns = {"order_ref": ["1"], "store": ["A"], "card": ["x"], "occurred_at": ["x"], "amount": [25.99]}
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")

    assert "amount has type double" in str(run(network, tmp_path / "p.parquet").exception)


def test_one_import_of_a_network_runs_at_a_time(network: NetworkForTests, card: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "p.csv", [("1", "A", card, MORNING, 100, 0)])
    with only_import(network.tenant_id):
        refused = run(network, path)

    assert isinstance(refused.exception, Conflict)
    assert run(network, path).exit_code == 0


def start(settings: Settings, *arguments: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CLEARINGHOUSE_VAR": str(settings.var),
    }
    command = [sys.executable, "-m", "cli", "import", "purchases", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("absent.csv", [], "There is no file"),
        ("p.csv", ["--since", "tomorrow"], "not a date"),
        ("p.csv", ["--network", "nobody"], "no network 'nobody'"),
    ],
)
def test_a_wrong_file_date_or_network_is_one_line_and_exit_status_1(
    network: NetworkForTests, settings: Settings, tmp_path: Path, name: str, options: list[str], said: str
) -> None:
    write_csv(tmp_path / "p.csv", [])
    with start(settings, str(tmp_path / name), "--network", network.code, *options) as program:
        _, errors = program.communicate(timeout=60)

    assert program.returncode == 1
    assert said in errors
    assert "Traceback" not in errors


def test_an_import_killed_in_the_middle_and_run_again_gives_the_ledger_of_one_run(
    network: NetworkForTests, settings: Settings, tmp_path: Path, make_network: Callable[..., NetworkForTests]
) -> None:
    path = tmp_path / "p.csv"
    undisturbed = make_network()
    undisturbed.add_till("A")
    rows = many_purchases([network.add_card() for _ in range(50)])
    rename = {card: undisturbed.add_card() for card in {row[2] for row in rows}}
    write_csv(path, rows)
    with start(settings, str(path), "--network", network.code, "--redeem-up-to-available") as program:
        wait_until(lambda: count_transfers(network) >= 1000)
        program.send_signal(signal.SIGKILL)
        program.communicate()
    posted_when_killed = len(transfers(network))

    again = report(run(network, path, "--redeem-up-to-available"))

    renamed = [(*row[:2], rename[row[2]], *row[3:]) for row in rows]
    run(undisturbed, write_csv(tmp_path / "u.csv", renamed), "--redeem-up-to-available")
    assert 1000 <= posted_when_killed < len(transfers(network))
    assert again["already_there"] >= posted_when_killed
    for kind in ("accrual", "redemption"):
        assert points_by_order(network, kind) == points_by_order(undisturbed, kind)


def many_purchases(cards: list[str]) -> Purchases:
    return [
        (f"o{n}", "A", cards[n % 50], "2026-03-01T10:00:00+00:00", n % 700, n % 40 if n % 5 == 0 else 0)
        for n in range(6_000)
    ]


def count_transfers(network: NetworkForTests) -> int:
    with unit_of_work(network.tenant_id) as session:
        return int(session.execute(text("SELECT count(*) FROM ledger.transfers")).scalar_one())


def test_progress_adds_up_to_the_size_of_the_file(network: NetworkForTests, card: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "p.csv", [(f"{n}", "A", card, MORNING, 100, 0) for n in range(3000)])
    steps: list[int] = []
    import_purchases(network.tenant_id, path, since=None, redeem_up_to_available=False, on_progress=steps.append)

    assert sum(steps) == path.stat().st_size


def test_a_purchase_that_earns_more_than_can_be_counted_is_rejected_and_stops_no_other(
    make_network: Callable[..., NetworkForTests], tmp_path: Path
) -> None:
    network = make_network(base_rate=Decimal(1000))
    network.add_till("A")
    card = network.add_card()
    rows = [("1", "A", card, MORNING, 2**53, 0), ("2", "A", card, MORNING, 100, 0)]

    result = run(network, write_csv(tmp_path / "p.csv", rows))

    assert result.exit_code == 2
    assert (report(result)["accruals_posted"], report(result)["rejected"]) == (1, 1)
    assert "too_large" in (tmp_path / "p.csv.rejected.csv").read_text()
