"""Recompute everything that is kept besides the postings, from the postings, and name every difference.

Each check is a query whose rows are the differences: what it is about, what the postings say, what is kept.
All of them see one snapshot, so they can run beside the tills.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from tenants.foundation.database import Unit, unit_of_work

# More differences of one kind than this are counted, not listed.
LISTED_MAX = 100


@dataclass(frozen=True)
class Finding:
    """A difference: `subject` names the row, `expected` is what the postings say, `found` what is kept."""

    check: str
    subject: str
    expected: str
    found: str


MOVEMENTS_OF_LOTS = """
    WITH movements AS (
        SELECT target_id AS lot_id, points AS remaining, 0 AS expired,
               CASE WHEN source = 'issued' THEN points ELSE 0 END AS opened
        FROM ledger.postings WHERE target = 'lot'
        UNION ALL
        SELECT source_id, -points, CASE WHEN target = 'expired' THEN points ELSE 0 END, 0
        FROM ledger.postings WHERE source = 'lot'
        UNION ALL
        SELECT source_id, 0, -points, 0 FROM ledger.postings WHERE source = 'expired'
    ), recomputed AS (
        SELECT lot_id, sum(opened) AS points, sum(remaining) AS remaining, sum(expired) AS expired
        FROM movements GROUP BY lot_id
    )
"""

CHECKS = {
    "lot origins": """
        SELECT 'lot ' || coalesce(p.target_id, l.lot_id),
               concat_ws(' ', t.member_id, p.funder_id, p.transfer_id, p.business_date, p.expires_on),
               concat_ws(' ', l.member_id, l.funder_id, l.transfer_id, l.issued_on, l.expires_on)
        FROM (SELECT * FROM ledger.postings WHERE source = 'issued') AS p
        JOIN ledger.transfers t USING (tenant_id, transfer_id)
        FULL JOIN ledger.lots l ON l.lot_id = p.target_id
        WHERE (t.member_id, p.funder_id, p.transfer_id, p.business_date, p.expires_on)
              IS DISTINCT FROM (l.member_id, l.funder_id, l.transfer_id, l.issued_on, l.expires_on)
    """,
    "lots": MOVEMENTS_OF_LOTS
    + """
        SELECT 'lot ' || coalesce(r.lot_id, l.lot_id),
               concat_ws(' ', r.points, r.remaining, r.expired) AS expected,
               concat_ws(' ', l.points, l.remaining, l.expired) AS found
        FROM recomputed r FULL JOIN ledger.lots l USING (lot_id)
        WHERE (r.points, r.remaining, r.expired) IS DISTINCT FROM (l.points, l.remaining, l.expired)
    """,
    "wallet balances": MOVEMENTS_OF_LOTS
    + """
        , by_member AS (
            SELECT l.member_id, sum(r.remaining) AS balance
            FROM recomputed r JOIN ledger.lots l USING (lot_id) GROUP BY l.member_id
        )
        SELECT 'member ' || w.member_id, coalesce(m.balance, 0)::text, w.balance::text
        FROM ledger.wallets w LEFT JOIN by_member m USING (member_id)
        WHERE coalesce(m.balance, 0) <> w.balance
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
    "transfer points": """
        WITH recomputed AS (
            SELECT transfer_id,
                   sum(points) FILTER (WHERE NOT (source = 'lot' AND target = 'deficit')) AS points,
                   sum(CASE WHEN source = 'deficit' THEN points
                            WHEN target = 'deficit' THEN -points ELSE 0 END) AS owed
            FROM ledger.postings GROUP BY transfer_id
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
            SELECT l.funder_id, CASE WHEN p.target = 'recovered' THEN p.target_id ELSE p.source_id END AS redeemer_id,
                   sum(CASE WHEN p.target = 'recovered' THEN p.points ELSE -p.points END) AS points
            FROM ledger.postings p
            JOIN ledger.lots l ON l.lot_id = CASE WHEN p.target = 'recovered' THEN p.source_id ELSE p.target_id END
            WHERE p.target = 'recovered' OR p.source = 'recovered' GROUP BY 1, 2
        )
        SELECT 'issued by ' || funder_id || ' redeemed at ' || redeemer_id,
               coalesce(a.points, 0)::text, coalesce(b.points, 0)::text
        FROM by_posting a FULL JOIN by_lot b USING (funder_id, redeemer_id)
        WHERE coalesce(a.points, 0) <> coalesce(b.points, 0)
    """,
    "chains": """
        WITH chained AS (
            SELECT t AS transfer, t.member_id, t.sequence, t.hash,
                   row_number() OVER chain AS place, lag(t.hash, 1, sha256('')) OVER chain AS previous
            FROM ledger.transfers t WINDOW chain AS (PARTITION BY t.member_id ORDER BY t.sequence)
        ), lines AS (
            SELECT transfer_id, array_agg(
                ROW(source, source_id, target, target_id, funder_id, points, expires_on)::ledger.posting_line
                ORDER BY line
            ) AS lines
            FROM ledger.postings GROUP BY transfer_id
        )
        SELECT 'transfer ' || (c.transfer).transfer_id || ' of member ' || c.member_id,
               c.place || ' ' || encode(expected, 'hex'), c.sequence || ' ' || encode(c.hash, 'hex')
        FROM chained c
        LEFT JOIN lines l ON l.transfer_id = (c.transfer).transfer_id
        CROSS JOIN LATERAL ledger.transfer_hash(c.previous, c.transfer, coalesce(l.lines, '{}')) AS expected
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
    """Empty when the books are right."""
    with unit_of_work(tenant_id, isolation="REPEATABLE READ") as session:
        return [finding for name, query in CHECKS.items() for finding in run_check(session, name, query)]


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
