"""Two members who turn out to be one: cards, points and debts of the one become the other's."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text

from clearinghouse.ledger.service import POSTED, RESULT, PostingResult, result_of
from clearinghouse.pos.refusals import refusal
from tenants.foundation import clock, ids
from tenants.foundation.database import Unit, unit_of_work
from tenants.members.service import MERGED, check_not_erased, record_change
from tenants.members.tables import Member
from tenants.networks.service import get_network

MERGE = text(f"SELECT {RESULT} FROM ledger.merge_members(:tenant, :merged, :kept, :out_id, :in_id, :at, :on_date)")


def merge_members(
    tenant_id: UUID, merged_id: UUID, kept_id: UUID, merged_by: str, reason: str | None = None
) -> PostingResult:
    """The kept member's transfer. Merging the same two again gives what was posted then.

    Raises the refusal: the two are the same, one is unknown, has been merged into somebody else, or holds points,
    or was erased.
    """
    now = clock.now()
    with unit_of_work(tenant_id) as session:
        today = clock.business_date(now, get_network(tenant_id).time_zone)
        result = post_merge(session, tenant_id, merged_id, kept_id, now, today)
        if result.code is not None:
            raise refusal(result.code, result.detail)
        for member_id in (merged_id, kept_id):
            check_not_erased(session.get_one(Member, (tenant_id, member_id)))
        if result.outcome == POSTED:
            for member_id, other_id in ((merged_id, kept_id), (kept_id, merged_id)):
                record_change(
                    session, tenant_id, member_id, MERGED, merged_by, other_member_id=other_id, reason=reason
                )
    return result


def post_merge(
    session: Unit, tenant_id: UUID, merged_id: UUID, kept_id: UUID, at: datetime, on_date: date
) -> PostingResult:
    values = {
        "tenant": tenant_id,
        "merged": merged_id,
        "kept": kept_id,
        "out_id": ids.new_id(),
        "in_id": ids.new_id(),
        "at": at,
        "on_date": on_date,
    }
    return result_of(tuple(session.execute(MERGE, values).one()))
