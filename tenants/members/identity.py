"""Who a member is: given, compared, found by phone. Names, phones and emails are in the database encrypted only."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from tenants.foundation.database import Unit
from tenants.foundation.encryption import SUFFIX, read_field, write_field
from tenants.foundation.luhn import check_digit
from tenants.foundation.secret_key import derive
from tenants.members.rules import ACTIVE, BLOCKED, IDENTITY, PERSONAL, normal_phone
from tenants.members.tables import Card, Member
from tenants.networks.service import get_network

Identity = Mapping[str, str | None]

# More of one phone is no family, and no till's screen holds them.
FOUND_MAX = 20
# With the leading 0 and the check digit the longest number that a card can have.
UNUSABLE_DIGITS = 17


def hash_phone(tenant_id: UUID, phone: str) -> bytes:
    """Of a number in E.164. Keyed, as there are few enough numbers to try them all; each network has its own."""
    return derive("member phone", tenant_id.bytes, phone.encode())


def with_normal_phone(tenant_id: UUID, identity: Identity, country: str | None) -> dict[str, str | None]:
    """To be called inside a unit of work. Without `country` the network's own counts."""
    normal = dict(identity)
    if identity.get("phone") is not None:
        normal["phone"] = phone_in(tenant_id, str(identity["phone"]), country)
    return normal


def phone_in(tenant_id: UUID, phone: str, country: str | None) -> str:
    return normal_phone(phone, country or get_network(tenant_id).phone_region)


def identity_of(member: Member) -> dict[str, str | None]:
    """Raises what `tenants.foundation.encryption.decrypt` does."""
    return {"reference": member.reference, **{field: read_field(member, field) for field in PERSONAL}}


def write_identity(member: Member, identity: Identity) -> None:
    """What is not named stays; the phone is in E.164. The member must have its ids already."""
    for field in PERSONAL:
        if field in identity:
            write_field(member, field, identity[field])
    if "reference" in identity:
        member.reference = identity["reference"]
    if "phone" in identity:
        phone = identity["phone"]
        member.phone_hash = None if phone is None else hash_phone(member.tenant_id, phone)


def fields_held(member: Member) -> list[str]:
    """Which fields of the identity the member has, without reading them."""
    return [
        field
        for field in IDENTITY
        if getattr(member, field, None) is not None or getattr(member, field + SUFFIX, None) is not None
    ]


def erase_identity(member: Member, now: datetime) -> None:
    write_identity(member, dict.fromkeys(IDENTITY))
    member.erased_at = now


def make_unusable(card: Card) -> None:
    """Nobody can tell any more which number it had. The one that it gets has a wrong check digit: tills refuse it."""
    digits = f"0{secrets.randbelow(10**UNUSABLE_DIGITS):0{UNUSABLE_DIGITS}d}"
    card.number = digits + str((int(check_digit(digits)) + 1) % 10)
    card.status = BLOCKED if card.status == ACTIVE else card.status
    card.batch_id = None


def members_of_phone(session: Unit, tenant_id: UUID, phone: str) -> list[Member]:
    """Oldest first: people of one household may share a number."""
    statement = select(Member).where(
        Member.phone_hash == hash_phone(tenant_id, phone), Member.merged_into_member_id.is_(None)
    )
    return list(session.scalars(statement.order_by(Member.member_id).limit(FOUND_MAX)))


def cards_of_members(session: Unit, member_ids: list[UUID]) -> dict[UUID, list[Card]]:
    cards: dict[UUID, list[Card]] = {member_id: [] for member_id in member_ids}
    for card in session.scalars(select(Card).where(Card.member_id.in_(member_ids)).order_by(Card.card_id)):
        cards[card.member_id].append(card)
    return cards
