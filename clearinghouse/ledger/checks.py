"""Recompute everything that is kept besides the postings, from the postings, and name every difference.

Each check is a query whose rows are the differences: what it is about, what the postings say, what is kept.
All of them see one snapshot, so they can run beside the tills.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text

from clearinghouse.ledger.queries import months_away
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.months import month_of, show_month
from tenants.networks.service import get_network

# More differences of one kind than this are counted, not listed.
LISTED_MAX = 100


@dataclass(frozen=True)
class Finding:
    """A difference: `subject` names the row, `expected` is what the postings say, `found` what is kept."""

    check: str
    subject: str
    expected: str
    found: str


# Points that a transfer's postings move, by its kind; repaying a deficit or expiring what was left is beside it.
POINTS_OF_KINDS = """CASE t.kind
    WHEN 'accrual' THEN p.source = 'issued'
    WHEN 'redemption' THEN p.target = 'recovered'
    WHEN 'capture' THEN p.target = 'recovered'
    WHEN 'accrual_reversal' THEN p.target = 'issued'
    WHEN 'redemption_reversal' THEN p.source = 'recovered'
    WHEN 'expiry' THEN p.target = 'expired'
    WHEN 'hold' THEN p.target = 'held'
    WHEN 'void' THEN p.source = 'held'
    WHEN 'hold_expiry' THEN p.source = 'held'
    WHEN 'merge_out' THEN p.source = 'lot'
    WHEN 'merge_in' THEN p.target = 'lot' END"""

# What of a posting goes into its transfer's hash.
LINE = "ROW(source, source_id, target, target_id, funder_id, points, expires_on)::ledger.posting_line"

# A lot is opened by the first posting into it: by an accrual, or by a reversal that has no lot to give back to.
OPENED_LOTS = """
    opened AS (
        SELECT DISTINCT ON (p.target_id) p.target_id AS lot_id, t.member_id, p.funder_id, p.transfer_id,
               p.business_date AS issued_on, p.points
        FROM ledger.postings p JOIN ledger.transfers t USING (tenant_id, transfer_id)
        WHERE p.target = 'lot' AND p.source IN ('issued', 'recovered') AND p.expires_on IS NOT NULL
        ORDER BY p.target_id, p.source <> 'issued', t.posted_at, t.sequence
    )
"""
MOVEMENTS_OF_LOTS = f"""
    WITH {OPENED_LOTS}, movements AS (
        SELECT target_id AS lot_id, points AS remaining, 0 AS expired, 0 AS held
        FROM ledger.postings WHERE target = 'lot'
        UNION ALL
        SELECT source_id, -points, CASE WHEN target = 'expired' THEN points ELSE 0 END,
               CASE WHEN target = 'held' THEN points ELSE 0 END
        FROM ledger.postings WHERE source = 'lot'
        UNION ALL
        SELECT source_id, 0, CASE WHEN source = 'expired' THEN -points ELSE 0 END,
               CASE WHEN source = 'held' THEN -points ELSE 0 END
        FROM ledger.postings WHERE source IN ('expired', 'held')
    ), recomputed AS (
        SELECT lot_id, sum(remaining) AS remaining, sum(expired) AS expired, sum(held) AS held
        FROM movements GROUP BY lot_id
    )
"""

# Whole tables are compared with whole tables. Of a young network, whose tables the planner still takes for empty, it
# would go through one of them for each row of the other: ten thousand transfers took minutes instead of a second.
WHOLE_TABLES = text("SET LOCAL enable_nestloop = off")
# So that the hashes of a million transfers are sorted in memory.
ROOM_TO_SORT = text("SET LOCAL work_mem = '128MB'")

CHECKS = {
    "lot origins": f"""
        WITH {OPENED_LOTS}
        SELECT 'lot ' || coalesce(o.lot_id, l.lot_id),
               concat_ws(' ', m.member_id, o.funder_id, o.transfer_id, o.issued_on, o.points),
               concat_ws(' ', l.member_id, l.funder_id, l.transfer_id, l.issued_on, l.points)
        FROM opened o
        LEFT JOIN tenants.members born ON born.member_id = o.member_id
        LEFT JOIN tenants.members m ON m.member_id = coalesce(born.merged_into_member_id, born.member_id)
        FULL JOIN ledger.lots l USING (lot_id)
        WHERE (m.member_id, o.funder_id, o.transfer_id, o.issued_on, o.points)
              IS DISTINCT FROM (l.member_id, l.funder_id, l.transfer_id, l.issued_on, l.points)
    """,
    "lot expiries": """
        SELECT 'lot ' || l.lot_id, p.expires_on::text, l.expires_on::text
        FROM ledger.lots l LEFT JOIN (
            SELECT target_id, max(expires_on) AS expires_on
            FROM ledger.postings WHERE target = 'lot' AND expires_on IS NOT NULL GROUP BY target_id
        ) AS p ON p.target_id = l.lot_id
        WHERE p.expires_on IS DISTINCT FROM l.expires_on
    """,
    "lots": MOVEMENTS_OF_LOTS
    + """
        SELECT 'lot ' || coalesce(r.lot_id, l.lot_id),
               concat_ws(' ', r.remaining, r.expired) AS expected,
               concat_ws(' ', l.remaining, l.expired) AS found
        FROM recomputed r FULL JOIN ledger.lots l USING (lot_id)
        WHERE (r.remaining, r.expired) IS DISTINCT FROM (l.remaining, l.expired)
    """,
    "wallet balances": MOVEMENTS_OF_LOTS
    + """
        , by_member AS (
            SELECT l.member_id, sum(r.remaining) AS balance, sum(r.held) AS held
            FROM recomputed r JOIN ledger.lots l USING (lot_id) GROUP BY l.member_id
        )
        SELECT 'member ' || w.member_id, concat_ws(' ', coalesce(m.balance, 0), coalesce(m.held, 0)),
               concat_ws(' ', w.balance, w.held)
        FROM ledger.wallets w LEFT JOIN by_member m USING (member_id)
        WHERE (coalesce(m.balance, 0), coalesce(m.held, 0)) <> (w.balance, w.held)
    """,
    "holds": """
        SELECT 'hold ' || coalesce(h.hold_id, t.transfer_id), concat_ws(' ', t.transfer_id, r.kind, r.transfer_id),
               concat_ws(' ', h.hold_id, h.state, h.resolved_by)
        FROM (SELECT * FROM ledger.transfers WHERE kind = 'hold') AS t
        LEFT JOIN ledger.transfers r ON r.refers_to_transfer_id = t.transfer_id
        FULL JOIN ledger.holds h ON h.hold_id = t.transfer_id
        WHERE (t.transfer_id, r.transfer_id) IS DISTINCT FROM (h.hold_id, h.resolved_by)
           OR h.state IS DISTINCT FROM coalesce(ledger.next_hold_state(r.kind::text, 'held'), 'held')
    """,
    "reversals": """
        SELECT 'transfer ' || o.transfer_id, 'at most ' || concat_ws(' ', o.points, o.amount),
               concat_ws(' ', sum(r.points), sum(r.amount))
        FROM ledger.transfers r JOIN ledger.transfers o ON o.transfer_id = r.reverses_transfer_id
        GROUP BY o.transfer_id, o.points, o.amount
        HAVING sum(r.points) > o.points OR sum(r.amount) > o.amount
    """,
    "merges": """
        SELECT 'account ' || account, '0', sum(points)::text FROM (
            SELECT source_id AS account, -points AS points FROM ledger.postings WHERE source = 'moved'
            UNION ALL
            SELECT target_id, points FROM ledger.postings WHERE target = 'moved'
        ) AS moved GROUP BY account HAVING sum(points) <> 0
    """,
    "wallet deficits": """
        WITH recomputed AS (
            SELECT member_id, sum(points) AS deficit FROM (
                SELECT source_id AS member_id, points FROM ledger.postings WHERE source = 'deficit'
                UNION ALL
                SELECT target_id, -points FROM ledger.postings WHERE target = 'deficit'
            ) AS movements GROUP BY member_id
        )
        SELECT 'member ' || w.member_id, coalesce(r.deficit, 0)::text, w.deficit::text
        FROM ledger.wallets w LEFT JOIN recomputed r USING (member_id)
        WHERE coalesce(r.deficit, 0) <> w.deficit
    """,
    "transfer points": f"""
        WITH recomputed AS (
            SELECT p.transfer_id,
                   sum(p.points) FILTER (WHERE {POINTS_OF_KINDS}) AS points,
                   sum(CASE WHEN p.source = 'deficit' THEN p.points
                            WHEN p.target = 'deficit' THEN -p.points ELSE 0 END) AS owed
            FROM ledger.postings p JOIN ledger.transfers t USING (tenant_id, transfer_id) GROUP BY p.transfer_id
        )
        SELECT 'transfer ' || t.transfer_id,
               concat_ws(' ', coalesce(r.points, 0), coalesce(r.owed, 0)),
               concat_ws(' ', t.points, t.deficit_change)
        FROM ledger.transfers t LEFT JOIN recomputed r USING (transfer_id)
        WHERE (coalesce(r.points, 0), coalesce(r.owed, 0)) <> (t.points, t.deficit_change)
    """,
    "posting months": """
        SELECT 'transfer ' || t.transfer_id, t.settlement_month || ' ' || t.business_date,
               p.settlement_month || ' ' || p.business_date
        FROM ledger.postings p JOIN ledger.transfers t USING (tenant_id, transfer_id)
        WHERE (p.settlement_month, p.business_date) <> (t.settlement_month, t.business_date)
    """,
    "issuing x redeeming matrix": """
        WITH by_posting AS (
            SELECT funder_id, CASE WHEN target = 'recovered' THEN target_id ELSE source_id END AS redeemer_id,
                   sum(CASE WHEN target = 'recovered' THEN points ELSE -points END) AS points
            FROM ledger.postings WHERE target = 'recovered' OR source = 'recovered' GROUP BY 1, 2
        ), by_lot AS (
            -- What no lot covered was advanced by head office or borne by the store.
            SELECT coalesce(l.funder_id, CASE WHEN account = 'borne' THEN account_id ELSE p.tenant_id END)
                       AS funder_id,
                   redeemer_id, sum(p.points) AS points
            FROM (
                SELECT tenant_id, source AS account, source_id AS account_id, target_id AS redeemer_id, points
                FROM ledger.postings WHERE target = 'recovered'
                UNION ALL
                SELECT tenant_id, target, target_id, source_id, -points
                FROM ledger.postings WHERE source = 'recovered'
            ) AS p
            LEFT JOIN ledger.lots l ON l.lot_id = account_id AND account IN ('lot', 'held')
            GROUP BY 1, 2
        )
        SELECT 'issued by ' || funder_id || ' redeemed at ' || redeemer_id,
               coalesce(a.points, 0)::text, coalesce(b.points, 0)::text
        FROM by_posting a FULL JOIN by_lot b USING (funder_id, redeemer_id)
        WHERE coalesce(a.points, 0) <> coalesce(b.points, 0)
    """,
    "chains": f"""
        WITH chained AS (
            SELECT t AS transfer, t.member_id, t.sequence, t.hash,
                   row_number() OVER chain AS place, lag(t.hash, 1, sha256('')) OVER chain AS previous
            FROM ledger.transfers t WINDOW chain AS (PARTITION BY t.member_id ORDER BY t.sequence)
        ), lines AS (
            SELECT transfer_id, array_agg({LINE} ORDER BY line) AS lines
            FROM ledger.postings GROUP BY transfer_id
        )
        SELECT 'transfer ' || (c.transfer).transfer_id || ' of member ' || c.member_id,
               c.place || ' ' || encode(expected, 'hex'), c.sequence || ' ' || encode(c.hash, 'hex')
        FROM chained c
        LEFT JOIN lines l ON l.transfer_id = (c.transfer).transfer_id
        CROSS JOIN LATERAL ledger.transfer_hash(c.previous, c.transfer, coalesce(l.lines, '{{}}')) AS expected
        WHERE c.place <> c.sequence OR c.hash <> expected
    """,
    "chain heads": """
        SELECT 'member ' || w.member_id,
               concat_ws(' ', coalesce(t.sequence, 0), encode(coalesce(t.hash, sha256('')), 'hex')),
               concat_ws(' ', w.chain_length, encode(w.chain_head, 'hex'))
        FROM ledger.wallets w LEFT JOIN (
            SELECT DISTINCT ON (member_id) member_id, sequence, hash
            FROM ledger.transfers ORDER BY member_id, sequence DESC
        ) AS t USING (member_id)
        WHERE (coalesce(t.sequence, 0), coalesce(t.hash, sha256(''))) <> (w.chain_length, w.chain_head)
    """,
}


def check_ledger(tenant_id: UUID) -> list[Finding]:
    """Empty when the books are right. Without all postings nothing can be said but which months are away."""
    with unit_of_work(tenant_id, isolation="REPEATABLE READ") as session:
        away = check_months(session, month_of(get_network(tenant_id).opened_on))
        if away:
            return away
        session.execute(WHOLE_TABLES)
        return [finding for name, query in CHECKS.items() for finding in run_check(session, name, query)]


def check_months(session: Unit, first_month: date) -> list[Finding]:
    """The months from `first_month` on that were detached or dropped; the others stay until the unit of work ends."""
    months = [show_month(month) for month in months_away(session, first_month)]
    return [
        Finding("months", month, "attached", f"away: `clearinghouse partition attach {month}`") for month in months
    ]


def run_check(session: Unit, name: str, query: str) -> list[Finding]:
    rows = session.execute(text(query)).all()
    findings = [Finding(name, str(row[0]), str(row[1]), str(row[2])) for row in rows[:LISTED_MAX]]
    if len(rows) > LISTED_MAX:
        findings.append(Finding(name, f"{len(rows) - LISTED_MAX} more", "", ""))
    return findings


def count_checked(tenant_id: UUID) -> dict[str, int]:
    """How much there was to check: a check that found nothing to look at has checked nothing."""
    with unit_of_work(tenant_id) as session:
        return {
            table: session.scalar(text(f"SELECT count(*) FROM ledger.{table}")) or 0
            for table in ("wallets", "lots", "transfers", "postings")
        }
