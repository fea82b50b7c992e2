"""What is wrong with a month, as queries whose rows are the differences: what it is about, what it should be, what it
is. To be called inside a unit of work.

All read one month's postings and transfers, not the ledger's whole history, so that a month is checked in the same
time however many came before; `clearinghouse.ledger.checks` goes through everything.
"""

from __future__ import annotations

from sqlalchemy import text

from clearinghouse.ledger.checks import LINE, LISTED_MAX, POINTS_OF_KINDS, ROOM_TO_SORT, WHOLE_TABLES, Finding
from settlement.netting.queries import IN_PARALLEL, MEMBERS_HOLD
from settlement.seals.queries import OF_MONTH, range_of
from settlement.windows.tables import Window
from tenants.foundation.database import Unit

OUTSTANDING_BY_WALLETS = text(f"""
    SELECT (SELECT coalesce(sum(balance + held - deficit), 0) FROM ledger.wallets)
         - (SELECT coalesce(sum({MEMBERS_HOLD}), 0) FROM ledger.postings WHERE settlement_month > :month)
""")

WALLETS_AND_LOTS = """
    SELECT 'member ' || coalesce(w.member_id, l.member_id), coalesce(l.points, 0)::text, coalesce(w.balance, 0)::text
    FROM ledger.wallets w FULL JOIN (
        SELECT member_id, sum(remaining) AS points FROM ledger.lots WHERE is_open GROUP BY member_id
    ) AS l USING (member_id)
    WHERE coalesce(l.points, 0) <> coalesce(w.balance, 0)
"""

# By payer and payee from the lines as they are kept, beside the payments made of them.
LEGS_AND_LINES = """
    WITH owed AS (
        SELECT payer_id AS store_id, amount FROM settlement.lines
        WHERE settlement_id = :settlement AND payer_id <> payee_id
        UNION ALL
        SELECT payee_id, -amount FROM settlement.lines WHERE settlement_id = :settlement AND payer_id <> payee_id
    ), nets AS (
        SELECT store_id, sum(amount) AS amount FROM owed WHERE store_id <> tenants.current_tenant()
        GROUP BY store_id HAVING sum(amount) <> 0
    ), legs AS (
        SELECT store_id, amount FROM settlement.legs WHERE settlement_id = :settlement
    )
    SELECT 'payment of store ' || coalesce(n.store_id, l.store_id), coalesce(n.amount, 0)::text,
           coalesce(l.amount, 0)::text
    FROM nets n FULL JOIN legs l USING (store_id) WHERE n.amount IS DISTINCT FROM l.amount
"""

# The database holds a state to be one that some change reached; that it was the last one is held here.
STATES = """
    WITH kept AS (
        SELECT window_id AS subject_id, state, state_sequence FROM settlement.windows WHERE window_id = :window
        UNION ALL
        SELECT settlement_id, state, state_sequence FROM settlement.settlements WHERE settlement_id = :settlement
        UNION ALL
        SELECT leg_id, state, state_sequence FROM settlement.legs WHERE settlement_id = :settlement
    )
    SELECT c.subject || ' ' || k.subject_id, concat_ws(' ', c.sequence, c.to_state),
           concat_ws(' ', k.state_sequence, k.state)
    FROM kept k CROSS JOIN LATERAL (
        SELECT subject, sequence, to_state FROM settlement.state_changes s
        WHERE s.subject_id = k.subject_id ORDER BY sequence DESC LIMIT 1
    ) AS c
    WHERE (c.sequence, c.to_state) <> (k.state_sequence, k.state)
"""

# A row of the matrix is what one issuer's points paid for: by the lots that they came out of. What no lot covered
# was advanced by head office, or borne by the store.
ROWS_OF_MATRIX = """
    WITH used AS (
        SELECT tenant_id, source AS account, source_id AS account_id, points
        FROM ledger.postings WHERE settlement_month = :month AND target = 'recovered'
        UNION ALL
        SELECT tenant_id, target, target_id, -points
        FROM ledger.postings WHERE settlement_month = :month AND source = 'recovered'
    ), by_lot AS (
        SELECT coalesce(l.funder_id, CASE account WHEN 'borne' THEN account_id ELSE u.tenant_id END) AS issuer_id,
               sum(u.points) AS points
        FROM used u LEFT JOIN ledger.lots l ON account IN ('lot', 'held') AND l.lot_id = account_id GROUP BY 1
    ), published AS (
        SELECT funder_id AS issuer_id, sum(points) AS points FROM settlement.flows WHERE month = :month GROUP BY 1
    )
    SELECT 'row of ' || coalesce(b.issuer_id, p.issuer_id), coalesce(b.points, 0)::text, coalesce(p.points, 0)::text
    FROM by_lot b FULL JOIN published p USING (issuer_id) WHERE coalesce(b.points, 0) <> coalesce(p.points, 0)
"""
COLUMNS_OF_MATRIX = """
    WITH by_flow AS (
        SELECT redeeming_store_id AS store_id, sum(points) AS points
        FROM settlement.flows WHERE month = :month GROUP BY 1
    ), by_position AS (
        SELECT store_id, recovered AS points FROM settlement.positions WHERE month = :month
    )
    SELECT 'column of ' || coalesce(f.store_id, p.store_id), coalesce(p.points, 0)::text, coalesce(f.points, 0)::text
    FROM by_position p FULL JOIN by_flow f USING (store_id) WHERE coalesce(p.points, 0) <> coalesce(f.points, 0)
"""

# A transfer's own postings of the month move what it says; those that other months have would be missing.
POSTINGS_OF_TRANSFERS = f"""
    WITH t AS (
        SELECT transfer_id, kind, points, deficit_change, business_date FROM ledger.transfers WHERE {OF_MONTH}
    ), p AS (
        SELECT p.transfer_id, min(p.business_date) AS first_day, max(p.business_date) AS last_day,
               sum(p.points) FILTER (WHERE {POINTS_OF_KINDS}) AS points,
               sum(CASE WHEN p.source = 'deficit' THEN p.points
                        WHEN p.target = 'deficit' THEN -p.points ELSE 0 END) AS owed
        FROM ledger.postings p LEFT JOIN t USING (transfer_id)
        WHERE p.settlement_month = :month GROUP BY p.transfer_id
    )
    SELECT 'transfer ' || coalesce(t.transfer_id, p.transfer_id),
           concat_ws(' ', t.points, t.deficit_change, t.business_date),
           concat_ws(' ', p.points, p.owed, p.first_day, nullif(p.last_day, p.first_day))
    FROM t FULL JOIN p USING (transfer_id)
    WHERE t.transfer_id IS NULL OR (coalesce(p.points, 0), coalesce(p.owed, 0)) <> (t.points, t.deficit_change)
       OR p.first_day <> t.business_date OR p.last_day <> t.business_date
"""
POSTINGS_IN_OTHER_MONTHS = f"""
    SELECT 'transfer ' || t.transfer_id, t.settlement_month::text, p.settlement_month::text
    FROM (SELECT transfer_id, settlement_month FROM ledger.transfers WHERE {OF_MONTH}) AS t
    JOIN (
        SELECT DISTINCT transfer_id, settlement_month FROM ledger.postings
        WHERE settlement_month <> :month AND transfer_id >= :first_id AND transfer_id < :end_id
    ) AS p USING (transfer_id)
"""
DAYS_TO_COME = f"""
    SELECT 'transfer ' || transfer_id, 'a day before ' || CAST(:month AS date) + interval '1 month',
           business_date::text
    FROM ledger.transfers
    WHERE {OF_MONTH} AND business_date >= CAST(:month AS date) + interval '1 month'
"""

# The transfer before is nearly always of the same month; where it is not, it is looked up.
CHAINS = f"""
    SELECT 'transfer ' || t.transfer_id || ' of member ' || t.member_id,
           coalesce(encode(expected, 'hex'), 'the one before it'), encode(t.hash, 'hex')
    FROM ledger.transfers t
    LEFT JOIN (SELECT member_id, sequence, hash FROM ledger.transfers WHERE {OF_MONTH}) AS before
        ON before.member_id = t.member_id AND before.sequence = t.sequence - 1
    CROSS JOIN LATERAL ledger.transfer_hash(
        CASE WHEN t.sequence = 1 THEN sha256('') ELSE coalesce(before.hash, (
            SELECT hash FROM ledger.transfers e WHERE e.member_id = t.member_id AND e.sequence = t.sequence - 1)) END,
        t,
        ARRAY(SELECT {LINE} FROM ledger.postings p
              WHERE p.settlement_month = :month AND p.transfer_id = t.transfer_id ORDER BY line)
    ) AS expected
    WHERE t.settlement_month = :month AND t.transfer_id >= :first_id AND t.transfer_id < :end_id
      AND t.hash IS DISTINCT FROM expected
"""
# Each member's chain goes on after the month, or ends in the wallet.
CHAIN_ENDS = f"""
    SELECT 'member ' || l.member_id, 'a chain beyond ' || l.sequence, concat_ws(' ', w.chain_length, w.chain_head)
    FROM (SELECT member_id, max(sequence) AS sequence FROM ledger.transfers WHERE {OF_MONTH} GROUP BY member_id) AS l
    LEFT JOIN ledger.wallets w USING (member_id)
    WHERE CASE
        WHEN w.chain_length = l.sequence THEN w.chain_head <> (
            SELECT hash FROM ledger.transfers e WHERE e.member_id = l.member_id AND e.sequence = l.sequence)
        WHEN w.chain_length > l.sequence THEN (
            SELECT hash FROM ledger.transfers n WHERE n.member_id = l.member_id AND n.sequence = l.sequence + 1
        ) IS NULL
        ELSE true END
"""


def differences(session: Unit, check: str, query: str, **values: object) -> list[Finding]:
    """At most `LISTED_MAX` are listed, the others counted."""
    rows = session.execute(text(query), values).all()
    findings = [Finding(check, *map(str, row)) for row in rows[:LISTED_MAX]]
    if len(rows) > LISTED_MAX:
        findings.append(Finding(check, f"{len(rows) - LISTED_MAX} more", "", ""))
    return findings


def differences_of_month(session: Unit, check: str, window: Window, *queries: str) -> list[Finding]:
    for setting in (ROOM_TO_SORT, IN_PARALLEL, WHOLE_TABLES):
        session.execute(setting)
    return [finding for query in queries for finding in differences(session, check, query, **range_of(window))]


def outstanding_by_wallets(session: Unit, window: Window) -> int:
    """Points that members held at the end of the month, less what they owed, according to their wallets."""
    return int(session.scalar(OUTSTANDING_BY_WALLETS, {"month": window.month}) or 0)
