"""What exposures are made of, and where they are kept. To be called inside a unit of work."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import exists, func, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from clearinghouse.ledger.queries import first_open_month
from settlement.exposure.rules import BLOCK, Exposure, level_of
from settlement.exposure.tables import CapRow, ExposureRow, PolicyRow
from settlement.netting.queries import as_array
from settlement.proposals.queries import nets_by_party
from settlement.proposals.tables import Settlement
from settlement.states.rules import FINAL, PROPOSED
from settlement.windows.tables import Window
from tenants.foundation.database import Unit
from tenants.foundation.months import add_months, month_of


@dataclass(frozen=True)
class Months:
    """Those that are approved, those that are not (closed or open), and of these the versions that are proposed."""

    approved: Sequence[date]
    unapproved: Sequence[date]
    proposed: Mapping[date, UUID]

    @property
    def unproposed(self) -> list[date]:
        return [month for month in self.unapproved if month not in self.proposed]


# What has been paid, or stopped being a payment, is in another column by the same transaction: so this is one
# statement. A leg of a month that counts as not approved, because it was not a moment ago, is left out here.
MONEY = text("""
    SELECT legs.store_id, NULL::date AS month, 'receivable' AS what, sum(legs.amount)::bigint AS amount
    FROM settlement.legs
    JOIN settlement.settlements ON settlements.tenant_id = legs.tenant_id
        AND settlements.settlement_id = legs.settlement_id
    WHERE legs.state IN ('pending', 'instructed', 'failed') AND legs.amount > 0
      AND settlements.month <> ALL (CAST(:unapproved AS date[]))
    GROUP BY legs.store_id
    UNION ALL
    SELECT party.store_id, settlement_month, 'adjustment', sum(party.amount)::bigint
    FROM settlement.adjustments
    CROSS JOIN LATERAL (VALUES (payer_id, amount), (payee_id, -amount)) AS party (store_id, amount)
    WHERE settlement_month = ANY (CAST(:unproposed AS date[]))
    GROUP BY party.store_id, settlement_month
    UNION ALL
    SELECT store_id, NULL, 'deposit', balance FROM (
        SELECT DISTINCT ON (store_id) store_id, balance FROM settlement.deposits ORDER BY store_id, sequence DESC
    ) AS newest
""")

# As arrays, in one statement.
WRITE = text("""
    INSERT INTO settlement.exposures
        (tenant_id, store_id, as_of, receivable, unsettled, outstanding, deposit, exposure, cap, level)
    SELECT tenants.current_tenant(), store_id, :as_of, receivable, unsettled, outstanding, deposit, exposure, cap,
           level
    FROM unnest(CAST(:stores AS uuid[]), CAST(:receivable AS bigint[]), CAST(:unsettled AS bigint[]),
        CAST(:outstanding AS bigint[]), CAST(:deposit AS bigint[]), CAST(:exposure AS bigint[]),
        CAST(:caps AS bigint[]), CAST(:levels AS text[]))
        AS made (store_id, receivable, unsettled, outstanding, deposit, exposure, cap, level)
    ON CONFLICT (tenant_id, store_id) DO UPDATE SET
        as_of = excluded.as_of, receivable = excluded.receivable, unsettled = excluded.unsettled,
        outstanding = excluded.outstanding, deposit = excluded.deposit, exposure = excluded.exposure,
        cap = excluded.cap, level = excluded.level
""")


def months_now(session: Unit, today: date) -> Months:
    """In an order in which a month that is closed or approved meanwhile is in one of them, as it was before.

    Tills may be some minutes ahead, so tomorrow's month may have begun.
    """
    open_months = months_between(first_open_month(session), month_of(today + timedelta(days=1)))
    approved = session.scalars(select(Settlement.month).where(Settlement.state.in_(FINAL))).all()
    closed = session.scalars(select(Window.month)).all()
    proposed = session.execute(select(Settlement.month, Settlement.settlement_id).where(Settlement.state == PROPOSED))
    unapproved = {*closed, *open_months}.difference(approved)
    return Months(
        approved, sorted(unapproved), {month: version for month, version in proposed if month in unapproved}
    )


def months_between(first: date, last: date) -> list[date]:
    months = []
    while first <= last:
        months.append(first)
        first = add_months(first, 1)
    return months


def proposed_nets(session: Unit, settlement_ids: Mapping[date, UUID]) -> dict[tuple[UUID, date], Decimal]:
    """By store and month, what the lines of proposed versions come to."""
    return {
        (store_id, month): Decimal(net)
        for month, settlement_id in settlement_ids.items()
        for store_id, net in nets_by_party(session, settlement_id).items()
    }


def money_of(session: Unit, months: Months) -> dict[tuple[UUID, str, date | None], int]:
    """By store, what it is (receivable, adjustment or deposit), and month where it belongs to one."""
    rows = session.execute(
        MONEY, {"unapproved": as_array(months.unapproved), "unproposed": as_array(months.unproposed)}
    )
    return {(row.store_id, row.what, row.month): row.amount for row in rows}


def policy_now(session: Unit) -> str:
    newest = select(PolicyRow.policy).order_by(PolicyRow.version.desc()).limit(1)
    return session.scalar(newest) or BLOCK


def caps_now(session: Unit) -> dict[UUID, int | None]:
    """By store, of every store that has or had one."""
    newest = select(CapRow).ext(distinct_on(CapRow.store_id)).order_by(CapRow.store_id, CapRow.version.desc())
    return {row.store_id: row.cap for row in session.scalars(newest)}


def has_caps(session: Unit) -> bool:
    return bool(session.scalar(select(exists().where(CapRow.version == 1))))


def next_version(session: Unit, table: type[CapRow] | type[PolicyRow], *which: object) -> int:
    return (session.scalar(select(func.max(table.version)).where(*which)) or 0) + 1  # type: ignore[arg-type]


def levels_before(session: Unit) -> dict[UUID, str]:
    return {store_id: level for store_id, level in session.execute(select(ExposureRow.store_id, ExposureRow.level))}


def write_exposures(
    session: Unit, exposures: Mapping[UUID, Exposure], caps: Mapping[UUID, int | None], as_of: datetime
) -> None:
    stores, made = list(exposures), list(exposures.values())
    limits = [caps.get(store_id) for store_id in stores]
    columns = {
        "stores": as_array(stores),
        "receivable": as_array(one.receivable for one in made),
        "unsettled": as_array(one.unsettled for one in made),
        "outstanding": as_array(one.outstanding for one in made),
        "deposit": as_array(one.deposit for one in made),
        "exposure": as_array(one.total for one in made),
        "caps": nullable_array(limits),
        "levels": "{" + ",".join(level_of(one.total, cap) for one, cap in zip(made, limits, strict=True)) + "}",
    }
    session.execute(WRITE, {"as_of": as_of, **columns})


def nullable_array(values: Collection[int | None]) -> str:
    return "{" + ",".join("NULL" if value is None else str(value) for value in values) + "}"
