"""Members erased: nobody can tell any more whose points the ledger has moved, and the ledger stays whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from clearinghouse.directory.service import show_moment
from clearinghouse.erasure import queries
from clearinghouse.erasure.rules import RETENTION, check_points, check_reason, retained_since
from clearinghouse.erasure.tables import Erasure
from clearinghouse.ledger.queries import balance_of
from clearinghouse.ledger.service import RESULT, PostingResult, expiry, result_of, stop_postings
from clearinghouse.ledger.tables import Wallet
from clearinghouse.webhooks.rules import MEMBER_ERASED
from clearinghouse.webhooks.service import emit
from tenants.foundation import clock, ids
from tenants.foundation.database import Unit, compact_json, unit_of_work
from tenants.foundation.errors import Conflict, NotFound
from tenants.members.identity import erase_identity, fields_held, make_unusable
from tenants.members.rules import IDENTITY
from tenants.members.service import unknown_member
from tenants.members.tables import Member
from tenants.networks.service import get_network
from tenants.payment_tokens.service import unbind_all
from tenants.verification.service import forget_members

POST = text(f"SELECT {RESULT} FROM ledger.post(:tenant, CAST(:events AS jsonb))")

# Who erases members by the network's rule.
SCHEDULER = "retention"


class Erased(NamedTuple):
    """`is_repeated`: the certificate is that of an earlier time."""

    erasure: Erasure
    is_repeated: bool


def erase_member(
    tenant_id: UUID, member_id: UUID, reason: str, erased_by: str, forfeit_points: bool = False
) -> Erased:
    """For good, with everybody who was merged into this member. Again, it gives the certificate of the first time.

    Raises `Conflict` while the member owes points, has some on hold, or has some that are not to be forfeited; and
    for a member who was merged into another.
    """
    check_reason(reason)
    with unit_of_work(tenant_id) as session:
        stop_postings(session, tenant_id)
        earlier = certificate_of(session, tenant_id, member_id)
        if earlier is not None:
            return Erased(earlier, True)
        return Erased(erase(session, tenant_id, member_id, reason, erased_by, forfeit_points), False)


def certificate_of(session: Unit, tenant_id: UUID, member_id: UUID) -> Erasure | None:
    """That of the other, for one who was merged. Raises `NotFound` when there is no such member."""
    member = session.get(Member, (tenant_id, member_id))
    if member is None:
        raise unknown_member()
    return session.get(Erasure, (tenant_id, member.merged_into_member_id or member_id))


def erase(
    session: Unit, tenant_id: UUID, member_id: UUID, reason: str, erased_by: str, forfeit_points: bool
) -> Erasure:
    """To be called with postings stopped: a till that has just looked its card up would give points to nobody."""
    members = queries.members_as_one(session, member_id)
    check_not_merged(members, member_id)
    now = clock.now()
    forfeited = give_up_points(session, tenant_id, member_id, now, forfeit_points)
    member_ids = [member.member_id for member in members]
    held = {field for member in members for field in fields_held(member)}
    for member in members:
        erase_identity(member, now)
    cards = queries.cards_of(session, member_id)
    for card in cards:
        make_unusable(card)
    erasure = Erasure(
        tenant_id=tenant_id,
        member_id=member_id,
        reason=reason,
        erased_by=erased_by,
        erased_at=now,
        fields=[*(field for field in IDENTITY if field in held), *forget_members(session, member_ids)],
        members=len(members),
        cards=len(cards),
        payment_tokens=unbind_all(session, member_ids),
        points_forfeited=0 if forfeited is None or forfeited.transfer is None else forfeited.transfer.points,
        transfer_id=None if forfeited is None or forfeited.transfer is None else forfeited.transfer.transfer_id,
    )
    session.add(erasure)
    emit(session, tenant_id, MEMBER_ERASED, told(erasure))
    session.flush()
    return erasure


def check_not_merged(members: Sequence[Member], member_id: UUID) -> None:
    [member] = [member for member in members if member.member_id == member_id]
    if member.merged_into_member_id is not None:
        into = ids.show(ids.MEMBER, member.merged_into_member_id)
        raise Conflict(
            f"This member was merged into {into}: erase that one, and both are gone.", code="member_merged", into=into
        )


def give_up_points(
    session: Unit, tenant_id: UUID, member_id: UUID, now: datetime, forfeit_points: bool
) -> PostingResult | None:
    """Whatever is left in the member's lots expires today, as breakage of whoever issued it."""
    wallet = session.get(Wallet, (tenant_id, member_id))
    if wallet is None:
        return None
    today = clock.business_date(now, get_network(tenant_id).time_zone)
    balance = balance_of(session, member_id, today)
    check_points(balance.available, wallet.held, wallet.deficit, forfeit_points)
    if not wallet.balance:
        return None
    event = {**expiry(member_id, date.max, now), "business_date": today.isoformat()}
    row = session.execute(POST, {"tenant": tenant_id, "events": compact_json([event])}).one()
    result = result_of(tuple(row))
    assert result.transfer is not None, result
    return result


def find_erasure(tenant_id: UUID, member_id: UUID) -> Erasure:
    """The certificate. Raises `NotFound` for a member who is still there."""
    with unit_of_work(tenant_id) as session:
        erasure = certificate_of(session, tenant_id, member_id)
    if erasure is None:
        raise NotFound("This member was not erased.", code="erasure_unknown")
    return erasure


def show_erasure(erasure: Erasure) -> dict[str, Any]:
    return {
        **told(erasure),
        "reason": erasure.reason,
        "erased_by": erasure.erased_by,
        "fields": erasure.fields,
        "members": erasure.members,
        "cards": erasure.cards,
        "payment_tokens": erasure.payment_tokens,
        "points_forfeited": erasure.points_forfeited,
        "transfer_id": erasure.transfer_id and ids.show(ids.TRANSFER, erasure.transfer_id),
    }


def told(erasure: Erasure) -> dict[str, Any]:
    return {
        "member_id": ids.show(ids.MEMBER, erasure.member_id),
        "erased_at": show_moment(erasure.erased_at),
    }


class Inactive(NamedTuple):
    """Who is to be erased by the network's rule: those who did nothing `since`. No `since`: there is no rule."""

    since: datetime | None
    member_ids: list[UUID]


def list_inactive(tenant_id: UUID) -> Inactive:
    with unit_of_work(tenant_id) as session:
        since = retained_since_now(tenant_id)
        return Inactive(since, queries.members_without_activity(session, since) if since else [])


def retained_since_now(tenant_id: UUID) -> datetime | None:
    """To be called inside a unit of work."""
    network = get_network(tenant_id)
    if network.retention_months is None:
        return None
    today = clock.business_date(clock.now(), network.time_zone)
    return retained_since(today, network.retention_months, network.time_zone)


def erase_inactive(tenant_id: UUID, on_progress: Callable[[int], None] = lambda members: None) -> int:
    """By the network's rule; the number erased. Safe to run again, and beside the tills."""
    inactive = list_inactive(tenant_id)
    erased = 0
    for member_id in inactive.member_ids:
        erased += erase_if_inactive(tenant_id, member_id)
        on_progress(1)
    return erased


def erase_if_inactive(tenant_id: UUID, member_id: UUID) -> bool:
    """Unless the member, or the network's rule, has changed since the list was made."""
    with unit_of_work(tenant_id) as session:
        stop_postings(session, tenant_id)
        since = retained_since_now(tenant_id)
        before = UUID(int=member_id.int - 1)
        if since is None or queries.members_without_activity(session, since, before, 1) != [member_id]:
            return False
        erase(session, tenant_id, member_id, RETENTION, SCHEDULER, forfeit_points=False)
    return True
