"""Two members who turn out to be one: cards, points and debts of the one become the other's."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from clearinghouse.ledger.service import PostingResult, result_of, transfer_columns
from clearinghouse.pos.refusals import refusal
from tenants.foundation import clock, ids
from tenants.foundation.calls import Statement, calls
from tenants.foundation.database import unit_of_work
from tenants.networks.service import get_network

MERGE = Statement(
    "merge_members",
    "uuid, uuid, uuid, uuid, uuid, timestamptz, date",
    f"SELECT outcome, code, detail, {transfer_columns()} FROM ledger.merge_members($1, $2, $3, $4, $5, $6, $7)",
)


def merge_members(tenant_id: UUID, merged_id: UUID, kept_id: UUID) -> PostingResult:
    """The kept member's transfer. Merging the same two again gives what was posted then.

    Raises the refusal: the two are the same, one is unknown, has been merged into somebody else, or holds points.
    """
    now = clock.now()
    with unit_of_work(tenant_id):
        today = clock.business_date(now, get_network(tenant_id).time_zone)
    result = post_merge(tenant_id, merged_id, kept_id, now, today)
    if result.code is not None:
        raise refusal(result.code, result.detail)
    return result


def post_merge(tenant_id: UUID, merged_id: UUID, kept_id: UUID, at: datetime, on_date: date) -> PostingResult:
    members = (str(merged_id), str(kept_id))
    transfers = (str(ids.new_id()), str(ids.new_id()))
    [row] = calls().call(MERGE, str(tenant_id), *members, *transfers, at, on_date)
    return result_of(row)
