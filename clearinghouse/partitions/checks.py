"""Whether a month that was away is still what the transfers say, as queries whose rows are the differences: what it
is about, what it should be, what it is. To be called as owner, who sees the rows of every network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from clearinghouse.ledger.checks import LINE, ROOM_TO_SORT, WHOLE_TABLES, Finding
from clearinghouse.partitions.queries import of_month

# Of each transfer of the month: the hash over its lines, which are numbered from 1 on.
LINES_OF_TRANSFERS = f"""
    WITH lines AS (
        SELECT tenant_id, transfer_id, array_agg(line::integer ORDER BY line) AS numbers,
               array_agg({LINE} ORDER BY line) AS lines
        FROM ledger.{{table}} GROUP BY tenant_id, transfer_id
    )
    SELECT 'transfer ' || t.transfer_id, concat_ws(' ', encode(expected, 'hex'), 'of lines numbered from 1'),
           concat_ws(' ', encode(t.hash, 'hex'), coalesce(l.numbers, ARRAY[]::integer[]))
    FROM ledger.transfers t
    LEFT JOIN ledger.transfers before ON before.tenant_id = t.tenant_id AND before.member_id = t.member_id
        AND before.sequence = t.sequence - 1
    LEFT JOIN lines l ON l.tenant_id = t.tenant_id AND l.transfer_id = t.transfer_id
    CROSS JOIN LATERAL ledger.transfer_hash(
        CASE WHEN t.sequence = 1 THEN sha256('') ELSE before.hash END, t,
        coalesce(l.lines, ARRAY[]::ledger.posting_line[])
    ) AS expected
    WHERE t.settlement_month = :month AND (t.hash IS DISTINCT FROM expected
        OR l.numbers <> ARRAY(SELECT generate_series(1, cardinality(l.numbers))))
"""
# A line's month and day are in no hash; a line of no transfer of the month is in none of the sums above.
LINES_OF_NONE = """
    SELECT 'line ' || p.line || ' of transfer ' || p.transfer_id,
           coalesce(concat_ws(' ', t.settlement_month, t.business_date), 'no such transfer'),
           concat_ws(' ', p.settlement_month, p.business_date)
    FROM ledger.{table} p LEFT JOIN ledger.transfers t USING (tenant_id, transfer_id)
    WHERE (t.settlement_month, t.business_date) IS DISTINCT FROM (p.settlement_month, p.business_date)
       OR p.settlement_month <> :month
"""


@dataclass(frozen=True)
class Differences:
    count: int
    first: list[Finding]


def differences_of(connection: Connection, month: date, shown: int) -> Differences:
    """The first ones of each kind are shown."""
    for setting in (WHOLE_TABLES, ROOM_TO_SORT):
        connection.execute(setting)
    count, first = 0, []
    for name, query in (("hash chains", LINES_OF_TRANSFERS), ("posting months", LINES_OF_NONE)):
        rows = connection.execute(of_month(query, month), {"month": month}).all()
        count += len(rows)
        first += [Finding(name, *map(str, row)) for row in rows[:shown]]
    return Differences(count, first)
