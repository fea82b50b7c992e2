"""What has to be right before a settlement is approved, each as a function that returns what is wrong; and the part
of `ledger check` that knows of settlement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select

from clearinghouse.dayclose.queries import open_differences
from clearinghouse.ledger.checks import Finding, check_months
from clearinghouse.ledger.queries import check_attached
from clearinghouse.sequences.queries import missing_of_terminals
from settlement.checks import queries
from settlement.checks.rules import RED, Result
from settlement.netting.queries import flows, outstanding_by_lots, points_by_day, published_days, published_points
from settlement.netting.rules import StoreDay, sum_stores, total_of
from settlement.netting.tables import DayRow, FlowRow
from settlement.payments.checks import check_payments
from settlement.proofs.service import derive_frozen, prove
from settlement.proposals.identities import prove_money
from settlement.proposals.queries import lines_of, live_settlement, nets_by_party
from settlement.proposals.rules import days_without_rate
from settlement.proposals.service import live_settlement_of
from settlement.proposals.tables import Settlement
from settlement.seals.queries import kept_seals, seals_now
from settlement.seals.rules import leaf_data, leaf_hash, root_of
from settlement.states.rules import FINAL
from settlement.windows.service import opening_outstanding, totals_of
from settlement.windows.tables import Window
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict
from tenants.foundation.months import show_month
from tenants.rates.queries import rate_book
from tenants.stores.tables import Store


def check_outstanding(session: Unit, window: Window, settlement: Settlement) -> list[Finding]:
    """The ledger, the lots and the wallets say the same of what members hold."""
    name, month = "ledger, lots and wallets", show_month(window.month)
    ledger = window.closing_outstanding
    by = {
        "lots": outstanding_by_lots(session, window.month),
        "wallets": queries.outstanding_by_wallets(session, window),
    }
    sums = [
        Finding(name, f"{month} by {kept}", str(ledger), str(sum_)) for kept, sum_ in by.items() if sum_ != ledger
    ]
    return [*sums, *queries.differences(session, name, queries.WALLETS_AND_LOTS)]


def check_nets(session: Unit, window: Window, settlement: Settlement) -> list[Finding]:
    """What stores and head office net to is what the lines come to, and zero together; so do the payments."""
    name, month = "nets", show_month(window.month)
    nets = nets_by_party(session, settlement.settlement_id)
    head_office = nets.pop(settlement.tenant_id, 0)
    compared = {
        "stores": (sum(nets.values()), settlement.stores_net),
        "head office": (head_office, settlement.hq_net),
        "together": (0, settlement.stores_net + settlement.hq_net),
    }
    sums = [Finding(name, f"{month} {who}", str(a), str(b)) for who, (a, b) in compared.items() if a != b]
    if settlement.state not in FINAL:
        return sums
    legs = queries.differences(session, name, queries.LEGS_AND_LINES, settlement=settlement.settlement_id)
    return [*sums, *legs]


def check_float(session: Unit, window: Window, settlement: Settlement) -> list[Finding]:
    """What head office holds is what the points outstanding say, from the lots and the lines that are kept."""
    lines = lines_of(session, settlement.settlement_id)
    derived = derive_frozen(session, settlement)
    identities = prove_money(derived.month, lines, totals_of(window), outstanding_by_lots(session, window.month))
    return [Finding("float", i.name, str(i.left), str(i.right)) for i in identities if not i.holds]


def check_matrix(session: Unit, window: Window, settlement: Settlement) -> list[Finding]:
    """Rows come to what the lots of their issuer paid for, columns to what their redeemer recovered."""
    return queries.differences_of_month(session, "matrix", window, queries.ROWS_OF_MATRIX, queries.COLUMNS_OF_MATRIX)


def check_points(session: Unit, window: Window, settlement: Settlement) -> list[Finding]:
    """The points that were published are those of the postings."""
    return check_window(session, window, opening_outstanding(session, window.month))


def check_transfers(session: Unit, window: Window, settlement: Settlement) -> list[Finding]:
    """Every transfer, with all its postings, is in one window, and not in one before its day."""
    return queries.differences_of_month(
        session,
        "transfers in one window",
        window,
        queries.POSTINGS_OF_TRANSFERS,
        queries.POSTINGS_IN_OTHER_MONTHS,
        queries.DAYS_TO_COME,
    )


def check_chains(session: Unit, window: Window, settlement: Settlement) -> list[Finding]:
    """Each of the month's transfers has the hash of its content, and goes on from the one before."""
    return queries.differences_of_month(session, "hash chains", window, queries.CHAINS, queries.CHAIN_ENDS)


def check_seals(session: Unit, window: Window, settlement: Settlement) -> list[Finding]:
    """The transfers come to the leaves that are kept, and those to the root."""
    if window.merkle_root is None:
        return [Finding("seals", show_month(window.month), "sealed", "not sealed")]
    month, tenant_id = window.month, window.tenant_id
    now = {
        seal.store_id: (seal.transfers, leaf_hash(leaf_data(tenant_id, month, seal)).hex())
        for seal in seals_now(session, window)
    }
    rows = kept_seals(session, month)
    kept = {row.store_id: (row.transfers, row.leaf.hex()) for row in rows}
    root = root_of([row.leaf for row in rows])
    return [
        *compare("seals", month, now, kept),
        *compare("seals", month, {"root": root.hex()}, {"root": window.merkle_root.hex()}),
    ]


def check_lines(session: Unit, window: Window, settlement: Settlement) -> list[Finding]:
    """Derived from the postings again, the lines are those that are kept, and those that were proposed."""
    proof = prove(session, settlement)
    name, month = "lines", show_month(window.month)
    missing = [Finding(name, month, line, "") for line in proof.only_derived]
    extra = [Finding(name, month, "", line) for line in proof.only_kept]
    kept, proposed = proof.kept_hash.hex(), proof.content_hash.hex()
    return [*missing, *extra, *compare(name, window.month, {"hash": kept}, {"hash": proposed})][: queries.LISTED_MAX]


def check_rates(session: Unit, window: Window, settlement: Settlement) -> list[Finding]:
    """The network has a rate on every day of the month, each store one on every day before that it has points of."""
    rates = rate_book(session)
    participants = {
        store_id: whose for store_id, whose in session.execute(select(Store.store_id, Store.participant_id))
    }
    late = session.execute(
        select(DayRow.store_id, DayRow.day).where(DayRow.month == window.month, DayRow.day < window.month)
    )
    missing = days_without_rate(window.month, rates, ((participants.get(store_id), day) for store_id, day in late))
    return [Finding("rates", day.isoformat(), "a rate", "none") for day in sorted(missing)]


def check_states(session: Unit, window: Window, settlement: Settlement) -> list[Finding]:
    """The month, its settlement and its payments are in the state that their last change reached."""
    subjects = {"window": window.window_id, "settlement": settlement.settlement_id}
    return queries.differences(session, "states", queries.STATES, **subjects)


def check_day_closes(session: Unit, window: Window, settlement: Settlement) -> list[Finding]:
    """Each day that a till closed is as the ledger has it, or somebody has accepted the difference."""
    return [
        Finding(
            "day closes",
            f"{day.store_code} terminal {day.terminal_code} {day.business_date}",
            "matched or accepted",
            day.status,
        )
        for day in open_differences(session, window.month)
    ]


def check_uploads(session: Unit, window: Window, settlement: Settlement) -> list[Finding]:
    """No till is known to hold back events that it has numbered.

    Nobody knows what days those are of, and whatever comes now joins an open month: so it tells, and stops nothing.
    """
    return [
        Finding("offline uploads", f"{store_code} terminal {terminal_code}", "no number missing", f"{count} missing")
        for store_code, terminal_code, count in missing_of_terminals(session)
    ]


@dataclass(frozen=True)
class Check:
    """`lasting`: what it says of an approved month stays true, whatever tills and people do afterwards."""

    name: str
    run: Callable[[Unit, Window, Settlement], list[Finding]]
    blocks: bool = True
    lasting: bool = False


CHECKS = (
    Check("ledger, lots and wallets", check_outstanding),
    Check("published points", check_points),
    Check("matrix", check_matrix, lasting=True),
    Check("transfers in one window", check_transfers),
    Check("hash chains", check_chains),
    Check("seals", check_seals, lasting=True),
    Check("rates", check_rates),
    Check("lines", check_lines, lasting=True),
    Check("nets", check_nets, lasting=True),
    Check("float", check_float, lasting=True),
    Check("states", check_states, lasting=True),
    Check("payments", check_payments, blocks=False, lasting=True),
    Check("day closes", check_day_closes),
    Check("offline uploads", check_uploads, blocks=False),
)


def check_proposal(session: Unit, settlement: Settlement) -> list[Finding]:
    """What has to be empty before a settlement is approved."""
    results = run_checks(session, settlement)
    return [finding for result in results if result.state == RED for finding in result.findings]


def check_month(tenant_id: UUID, month: date) -> tuple[Settlement, list[Result]]:
    """Of the version that is not rejected. Raises `NotFound` when there is none."""
    with unit_of_work(tenant_id, isolation="REPEATABLE READ") as session:
        settlement = live_settlement_of(session, month)
        return settlement, run_checks(session, settlement)


def run_checks(session: Unit, settlement: Settlement, checks: Iterable[Check] = CHECKS) -> list[Result]:
    window = session.scalars(select(Window).where(Window.month == settlement.month)).one()
    # What members held at the end of a month is counted back from today.
    check_attached(session, window.month)
    return [Result(check.name, check.blocks, run_check(session, check, window, settlement)) for check in checks]


def run_check(session: Unit, check: Check, window: Window, settlement: Settlement) -> list[Finding]:
    try:
        return check.run(session, window, settlement)
    except Conflict as error:
        return [Finding(check.name, show_month(window.month), "can be derived", error.message)]


def check_settlement(tenant_id: UUID) -> list[Finding]:
    """Net every published month again, and derive every approved one; empty when each comes out as it was.

    Without all of their postings it says which months are away, and no more.
    """
    lasting = [check for check in CHECKS if check.lasting]
    with unit_of_work(tenant_id, isolation="REPEATABLE READ") as session:
        windows = session.scalars(select(Window).where(Window.published_at.is_not(None)).order_by(Window.month)).all()
        findings = check_months(session, windows[0].month) if windows else []
        if findings:
            return findings
        outstanding = 0
        for window in windows:
            findings += check_window(session, window, outstanding)
            outstanding = window.closing_outstanding or 0
            settlement = live_settlement(session, window.month)
            if settlement is not None and settlement.state in FINAL:
                results = run_checks(session, settlement, lasting)
                findings += [finding for result in results for finding in result.findings]
        return findings


def check_window(session: Unit, window: Window, opening_outstanding: int) -> list[Finding]:
    month = window.month
    days = points_by_day(session, month)
    published = published_points(session, month)
    summed = {points.store_id: points for points in sum_stores([*published], days)}
    return [
        *compare("published positions", month, summed, published),
        *compare("published days", month, by_store_and_day(days), by_store_and_day(published_days(session, month))),
        *compare("published matrix", month, flows(session, month), published_flows(session, month)),
        *compare(
            "published totals",
            month,
            {"network": total_of(summed.values(), opening_outstanding)},
            {"network": totals_of(window)},
        ),
    ]


def by_store_and_day(days: Iterable[StoreDay]) -> dict[tuple[UUID, date], StoreDay]:
    return {(day.store_id, day.day): day for day in days}


def published_flows(session: Unit, month: date) -> dict[tuple[UUID, UUID], int]:
    rows = session.scalars(select(FlowRow).where(FlowRow.month == month))
    return {(row.funder_id, row.redeeming_store_id): row.points for row in rows}


def compare(name: str, month: date, expected: Mapping[Any, Any], found: Mapping[Any, Any]) -> Iterable[Finding]:
    for key in expected.keys() | found.keys():
        if expected.get(key) != found.get(key):
            yield Finding(name, f"{show_month(month)} {key}", str(expected.get(key)), str(found.get(key)))
