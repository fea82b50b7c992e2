"""Reports of months that were closed, proposed and settled: from the service, over HTTP, at the command line."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from click.testing import CliRunner, Result
from openpyxl import load_workbook
from sqlalchemy import select

from cli import clearinghouse
from settlement.fees.tables import FeeRow
from settlement.proposals.rules import POINT_ISSUED
from settlement.proposals.tables import Leg
from settlement.reports.service import compare_months, load_ageing, load_report
from settlement.statements.service import EXPORT_NAMES, load_settlement, render_export, render_exports, write_report
from settlement.states.rules import CONFIRMED, FAILED, LEG
from settlement.states.service import change_state
from settlement.terms.rules import ON_REDEMPTION, Terms
from settlement.terms.tables import TermsRow
from tenants.foundation import clock, ids
from tenants.foundation.database import unit_of_work
from tenants.rates.service import make_rate
from tenants.rates.tables import RateRow
from tests.conftest import NetworkForTests

JANUARY, FEBRUARY, MARCH = (date(2026, month, 1) for month in (1, 2, 3))


@pytest.fixture
def active(network: NetworkForTests) -> NetworkForTests:
    """January: A issued 300 points, B 100; B redeemed 120 of A's, A 40 of B's, C 30 of A's. Nothing since."""
    of_a, of_b = network.add_card(), network.add_card()
    network.tills["A"].accrue(of_a, 30_000, occurred_at="2026-01-05T12:00:00Z")
    network.tills["B"].accrue(of_b, 10_000, occurred_at="2026-01-05T12:00:00Z")
    network.tills["B"].redeem(of_a, 120, occurred_at="2026-01-06T12:00:00Z")
    network.tills["A"].redeem(of_b, 40, occurred_at="2026-01-07T12:00:00Z")
    network.tills["C"].redeem(of_a, 30, occurred_at="2026-01-08T12:00:00Z")
    return network


def set_terms(network: NetworkForTests, terms: Terms) -> None:
    with unit_of_work(network.tenant_id) as session:
        row = {"tenant_id": network.tenant_id, "from_month": JANUARY, "version": 1}
        row |= {"made_by": "test", "made_at": clock.now()}
        session.add(TermsRow(**row, **vars(terms)))


@pytest.mark.parametrize("model", ["pooled", ON_REDEMPTION])
def test_netting_saves_the_same_in_both_models_at_one_rate(active: NetworkForTests, model: str) -> None:
    set_terms(active, Terms(model=model))

    efficiency = load_report(active.propose(JANUARY)).efficiency

    # A owes B 120 and C 30, B owes A 40; the difference of A and B is 80; A's net is -110, B's +80, C's +30.
    assert (efficiency.gross, efficiency.bilateral, efficiency.multilateral) == (190, 110, 110)
    assert (efficiency.gross_payments, efficiency.bilateral_payments, efficiency.multilateral_payments) == (3, 2, 3)


def test_the_largest_flows_are_those_between_stores(active: NetworkForTests) -> None:
    flows = load_report(active.propose(JANUARY)).largest_flows

    assert [(f.issuing_code, f.redeeming_code, f.points, f.amount) for f in flows] == [
        ("A", "B", 120, 120),
        ("B", "A", 40, 40),
        ("A", "C", 30, 30),
    ]


def test_a_flow_is_worth_the_mean_of_the_rates_that_its_redeemer_was_paid(active: NetworkForTests) -> None:
    of_a = active.add_card()
    active.tills["A"].accrue(of_a, 30_000, occurred_at="2026-01-05T12:00:00Z")
    active.tills["B"].redeem(of_a, 120, occurred_at="2026-01-08T12:00:00Z")
    with unit_of_work(active.tenant_id) as session:
        session.scalars(select(RateRow)).one().valid_until = date(2026, 1, 7)
        session.flush()
        session.add(make_rate(active.tenant_id, Decimal(1), Decimal(2), date(2026, 1, 8), "test"))

    flows = load_report(active.propose(JANUARY)).largest_flows

    # B was paid 120 x 1 and 120 x 2, A 40 x 1, and C 30 x 2.
    assert [(f.issuing_code, f.redeeming_code, f.points, f.amount) for f in flows] == [
        ("A", "B", 240, 360),
        ("B", "A", 40, 40),
        ("A", "C", 30, 60),
    ]


def test_months_without_activity_are_compared_too(active: NetworkForTests) -> None:
    for month in (JANUARY, FEBRUARY):
        active.settle(month)
    active.close(MARCH)

    january, february, march = compare_months(active.tenant_id, None, 12)

    assert (january.figures.issued, january.figures.recovered, january.figures.outstanding) == (400, 190, 210)
    assert (january.figures.collections, january.figures.payouts, january.figures.hq_net) == (260, 50, -210)
    assert (february.figures.collections, february.figures.payouts, february.figures.saved) == (0, 0, None)
    assert (february.changes["issued"].absolute, february.changes["issued"].share) == (-400, Decimal(-1))
    assert (february.changes["hq_net"].absolute, february.changes["hq_net"].share) == (210, Decimal(1))
    assert (march.figures.state, march.figures.collections, "collections" in march.changes) == (None, None, False)
    assert (march.changes["issued"].absolute, march.changes["issued"].share) == (0, None)


def test_only_so_many_months_are_shown_and_the_oldest_has_its_change(active: NetworkForTests) -> None:
    for month in (JANUARY, FEBRUARY, MARCH):
        active.close(month)

    [february] = compare_months(active.tenant_id, FEBRUARY, 1)

    assert (february.figures.month, february.changes["issued"].absolute) == (FEBRUARY, -400)


def test_fees_are_told_without_their_tax(active: NetworkForTests) -> None:
    with unit_of_work(active.tenant_id) as session:
        session.add(
            FeeRow(
                tenant_id=active.tenant_id,
                fee_id=ids.new_id(),
                code="points",
                basis=POINT_ISSUED,
                rate=Decimal("0.1"),
                tax_rate=Decimal("0.2"),
                valid_from=JANUARY,
                made_by="test",
                made_at=clock.now(),
            )
        )

    [month] = load_report(active.propose(JANUARY)).months

    assert month.figures.fees == 40
    assert month.figures.collections == 260 + 30 + 6
    assert month.figures.payouts == 50 - 10 - 2


def test_a_rejected_version_is_reported_with_its_own_figures(active: NetworkForTests) -> None:
    active.propose(JANUARY)
    active.propose(JANUARY)

    report = load_report(load_settlement(active.tenant_id, JANUARY, version=1))

    assert [(m.figures.version, m.figures.state) for m in report.months] == [(1, "rejected")]


def test_a_network_without_months_has_nothing_to_compare(network: NetworkForTests) -> None:
    assert compare_months(network.tenant_id, None, 12) == []
    assert load_ageing(network.tenant_id).legs == ()


def change_leg(network: NetworkForTests, store_code: str, *states: str) -> None:
    with unit_of_work(network.tenant_id) as session:
        store_id = network.tills[store_code].store_id
        leg = session.scalars(select(Leg).where(Leg.store_id == store_id).with_for_update()).one()
        for state in states:
            change_state(session, LEG, leg, state, "test")


def test_legs_age_until_they_are_confirmed(active: NetworkForTests) -> None:
    active.settle(JANUARY)
    change_leg(active, "A", CONFIRMED)
    change_leg(active, "B", FAILED)
    today = clock.now().date()

    ageing = load_ageing(active.tenant_id)

    assert [(leg.store_code, leg.amount, leg.state, leg.due_on) for leg in ageing.legs] == [
        ("B", -20, "failed", date(2026, 2, 18)),
        ("C", -30, "pending", date(2026, 2, 18)),
    ]
    assert ageing.as_of == today
    assert ageing.collections == []
    [b, c] = ageing.payouts
    assert (b.total, c.total, b.amounts) == (20, 30, (0, 0, 0, 0, 20))
    assert [leg.days_past_due(today) for leg in ageing.legs] == [(today - date(2026, 2, 18)).days] * 2


def test_ageing_of_a_past_day_shows_the_legs_as_they_were(active: NetworkForTests) -> None:
    active.settle(JANUARY)
    yesterday = clock.now().date() - timedelta(days=1)

    assert load_ageing(active.tenant_id, yesterday).legs == ()
    assert len(load_ageing(active.tenant_id, date(2026, 2, 17)).legs) == 0
    assert len(load_ageing(active.tenant_id).legs) == 3


@pytest.mark.parametrize("day", [date.min, date.max])
@pytest.mark.parametrize("time_zone", ["Pacific/Auckland", "America/New_York"])
def test_any_day_has_an_ageing(make_network: Callable[..., NetworkForTests], time_zone: str, day: date) -> None:
    network = make_network(time_zone=time_zone)

    assert load_ageing(network.tenant_id, day).legs == ()


def test_a_draft_has_no_legs(active: NetworkForTests) -> None:
    active.propose(JANUARY)

    assert load_ageing(active.tenant_id).legs == ()


def test_networks_see_their_own_legs_only(active: NetworkForTests, make_network) -> None:
    active.settle(JANUARY)

    assert load_ageing(make_network().tenant_id).legs == ()


# Files


def test_every_file_is_written(active: NetworkForTests) -> None:
    paths = render_exports(active.settle(JANUARY))

    assert [path.name for path in paths] == list(EXPORT_NAMES)
    assert all(path.stat().st_size > 0 for path in paths)


def test_chinese_stands_beside_english(active: NetworkForTests) -> None:
    paths = render_exports(active.settle(JANUARY), "zh-Hans")

    assert [path.name for path in paths] == [
        *("settlement.zh-Hans.xlsx", "report.zh-Hans.pdf", "ageing.csv"),
        *("positions.csv", "lines.csv", "flows.csv"),
    ]
    assert load_workbook(paths[0]).sheetnames[0] == "摘要"


def test_what_is_said_of_payments_is_as_new_as_they_are(active: NetworkForTests) -> None:
    document = active.settle(JANUARY)
    before = [leg["store_code"] for leg in legs_in(render_export(document, "ageing.csv"))]
    change_leg(active, "A", CONFIRMED)

    after = [leg["store_code"] for leg in legs_in(render_export(document, "ageing.csv"))]

    assert (before, after) == (["A", "B", "C"], ["B", "C"])


def test_a_payment_booked_while_a_report_is_written_makes_it_out_of_date(active: NetworkForTests) -> None:
    document = active.settle(JANUARY)
    report = load_report(document)
    change_leg(active, "A", CONFIRMED)
    path = render_export(document, "ageing.csv")
    write_report(report, "ageing.csv", path, "en")
    assert len(legs_in(path)) == 3

    assert len(legs_in(render_export(document, "ageing.csv"))) == 2


def test_a_report_of_yesterday_is_written_anew(active: NetworkForTests) -> None:
    document = active.settle(JANUARY)
    path = render_export(document, "ageing.csv")
    path.write_bytes(b"of yesterday")
    render_export(document, "ageing.csv")
    assert path.read_bytes() == b"of yesterday"  # written today, and nothing has changed since

    yesterday = (clock.now() - timedelta(days=1)).timestamp()
    os.utime(path, (yesterday, yesterday))

    assert legs_in(render_export(document, "ageing.csv"))


def legs_in(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# HTTP

REPORT, AGEING = "/v1/settlement/windows/2026-01/report", "/v1/settlement/legs/ageing"


def test_a_report_is_read_by_head_office_and_by_its_people(active: NetworkForTests) -> None:
    active.settle(JANUARY)
    auditor, owner = active.add_staff("ana", "auditor"), active.add_staff("otto", "owner", participant="A")

    shown = active.hq("GET", REPORT).json

    assert active.call(auditor, "GET", REPORT).json == shown
    assert active.call(owner, "GET", REPORT).status_code == 403
    assert active.tills["A"].call("GET", REPORT).status_code == 403
    assert (shown["month"], shown["state"], shown["currency"]) == ("2026-01", "approved", "USD")
    assert shown["efficiency"] == {
        "gross": 190,
        "bilateral": 110,
        "multilateral": 110,
        "gross_payments": 3,
        "bilateral_payments": 2,
        "multilateral_payments": 3,
        "bilateral_saved": "0.4211",
        "multilateral_saved": "0.4211",
    }
    assert shown["largest_flows"][0] == {"issuing_store": "A", "redeeming_store": "B", "points": 120, "amount": 120}
    [month] = shown["months"]
    assert (month["collections"], month["payouts"], month["fees"], month["hq_net"]) == (260, 50, 0, -210)
    assert month["changes"]["issued"] is None


def test_ageing_is_read_by_head_office_and_by_its_people(active: NetworkForTests) -> None:
    active.settle(JANUARY)
    treasurer = active.add_staff("tom", "treasurer")

    shown = active.hq("GET", AGEING).json

    assert active.call(treasurer, "GET", AGEING).json == shown
    assert shown["as_of"] == clock.now().date().isoformat()
    assert shown["collections"]["total"] == {**buckets(over_90=260), "total": 260}
    [a] = shown["collections"]["stores"]
    assert (a["store"], a["name"], a["total"]) == ("A", "Store A", 260)
    assert [(leg["store"], leg["direction"], leg["amount"], leg["due_on"]) for leg in shown["legs"]] == [
        ("A", "collection", 260, "2026-02-15"),
        ("B", "payout", 20, "2026-02-18"),
        ("C", "payout", 30, "2026-02-18"),
    ]


def buckets(**amounts: int) -> dict[str, int]:
    return dict.fromkeys(("not_due", "days_1_30", "days_31_60", "days_61_90", "over_90"), 0) | amounts


def test_ageing_of_a_day_to_come_counts_up_to_it(active: NetworkForTests) -> None:
    active.settle(JANUARY)
    today = clock.now().date()

    later = active.hq("GET", f"{AGEING}?as_of={today + timedelta(days=7)}").json
    earlier = active.hq("GET", f"{AGEING}?as_of=2026-02-15").json

    assert later["legs"][0]["days_past_due"] == (today - date(2026, 2, 15)).days + 7
    assert earlier["legs"] == []


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/settlement/windows/2026-02/report", 404, "settlement_unknown"),
        ("/v1/settlement/windows/2026-13/report", 422, "invalid_month"),
        (f"{AGEING}?as_of=tomorrow", 422, "invalid_input"),
        (f"{AGEING}?as_of=2026-02-30", 422, "invalid_input"),
        (f"{AGEING}?of=2026-02-03", 422, "invalid_input"),
        ("/v1/settlement/windows/2026-01/exports/report.pdf?language=klingon", 422, "invalid_input"),
        ("/v1/settlement/windows/2026-01/exports/report.zh-Hans.pdf", 404, "export_unknown"),
        ("/v1/settlement/windows/2026-02/exports/report.pdf", 404, "settlement_unknown"),
    ],
)
def test_what_can_not_be_reported_is_refused(active: NetworkForTests, path: str, status: int, code: str) -> None:
    active.settle(JANUARY)

    answer = active.hq("GET", path)

    assert (answer.status_code, answer.json["code"]) == (status, code)


@pytest.mark.parametrize(
    ("path", "kind", "start"),
    [
        ("report.pdf?language=zh-Hans", "application/pdf", b"%PDF"),
        ("settlement.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b"PK"),
        ("lines.csv", "text/csv", b"line,key,kind,payer,payee"),
        ("ageing.csv", "text/csv", b"as_of,month,store_code"),
    ],
)
def test_files_are_downloaded_by_name(active: NetworkForTests, path: str, kind: str, start: bytes) -> None:
    active.settle(JANUARY)

    answer = active.hq("GET", f"/v1/settlement/windows/2026-01/exports/{path}")
    content = answer.get_data()
    answer.close()

    assert (answer.status_code, answer.mimetype) == (200, kind)
    assert content.startswith(start)


def test_the_workbook_is_right_about_a_real_month(active: NetworkForTests) -> None:
    active.settle(JANUARY)

    answer = active.hq("GET", "/v1/settlement/windows/2026-01/exports/settlement.xlsx")
    workbook = load_workbook(io.BytesIO(answer.get_data()), data_only=True)
    answer.close()

    nets = {row[0]: (row[16], row[18], row[19]) for row in workbook["Positions"].iter_rows(2, values_only=True)}
    assert [nets[code] for code in ("A", "B", "C", "HQ")] == [
        *((2.6, 2.6, 0), (-0.2, -0.2, 0), (-0.3, -0.3, 0), (-2.1, -2.1, 0)),
    ]
    assert workbook.properties.created <= datetime.now()


# Command line


@pytest.fixture
def run(context: APIFlask, active: NetworkForTests) -> Callable[..., Result]:
    active.settle(JANUARY)
    return lambda *words: CliRunner().invoke(clearinghouse, [*words, "-n", active.code], obj=lambda: context)


@pytest.fixture
def run_json(run: Callable[..., Result]) -> Callable[..., Any]:
    def run_json(*words: str) -> Any:
        result = run(*words, "--json")
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.stdout)

    return run_json


def test_commands_say_the_same_as_the_calls(run_json: Callable[..., Any], active: NetworkForTests) -> None:
    report = active.hq("GET", REPORT).json

    assert run_json("report", "month", "-m", "2026-01") == report
    assert run_json("report", "compare") == report["months"]
    assert run_json("report", "ageing") == active.hq("GET", AGEING).json
    assert run_json("report", "ageing", "--as-of", "2026-02-15")["legs"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("report", "month", "-m", "2026-01"), ("each its net", "1.10", "42.1%", "Largest flows")),
        (("report", "ageing"), ("Collections unpaid at the end of", "2.60", "3 legs unpaid")),
        (("report", "compare", "--months", "3"), ("2026-01", "approved", "2.60", "42.1%")),
    ],
)
def test_commands_print_tables(run: Callable[..., Result], words: tuple[str, ...], said: tuple[str, ...]) -> None:
    result = run(*words)

    assert result.exit_code == 0, (result.output, result.exception)
    assert all(text in result.stdout for text in said), result.stdout


def test_files_are_written_in_the_language_asked_for(run_json: Callable[..., Any]) -> None:
    files = run_json("settlement", "export", "-m", "2026-01", "--language", "zh-Hans")

    assert [Path(row["file"]).name for row in files][:2] == ["settlement.zh-Hans.xlsx", "report.zh-Hans.pdf"]
