from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select

from tenants.foundation import clock, ids
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict, InvalidInput, NotFound
from tenants.foundation.luhn import check_digit, is_card_number
from tenants.members.tables import Card, Member
from tenants.networks.service import check_name

ACTIVE, BLOCKED, REPLACED = "active", "blocked", "replaced"

# Action x state -> next state. What is not here is refused.
CARD_TRANSITIONS = {
    ("block", ACTIVE): BLOCKED,
    ("unblock", BLOCKED): ACTIVE,
    ("replace", ACTIVE): REPLACED,
    ("replace", BLOCKED): REPLACED,
}

PARTICIPLES = {"block": "blocked", "unblock": "unblocked", "replace": "replaced"}

# Generated numbers: this, twelve random digits, the check digit.
GENERATED_PREFIX = "629"

# As a till's order_ref: what fits on a receipt.
REFERENCE_PATTERN = r"(?=.*\S)[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,64}"


def create_member(tenant_id: UUID, reference: str | None = None, name: str | None = None) -> Member:
    if name is not None:
        check_name(name)
    if reference is not None:
        check_reference(reference)
    with unit_of_work(tenant_id) as session:
        if reference is not None and session.scalar(select(Member.member_id).where(Member.reference == reference)):
            raise Conflict(f"There is a member with reference {reference!r} already.", code="member_exists")
        member = Member(
            tenant_id=tenant_id,
            member_id=ids.new_id(),
            reference=reference,
            name=name,
            created_at=clock.now(),
        )
        session.add(member)
    return member


def check_reference(reference: str) -> None:
    if not re.fullmatch(REFERENCE_PATTERN, reference):
        raise InvalidInput(
            f"{reference!r} is not a member's reference: 1 to 64 characters without control characters.",
            code="invalid_reference",
        )


def create_members_with_cards(tenant_id: UUID, numbers_by_reference: Mapping[str, str]) -> int:
    """Members with one card each; the number made. References that exist are left alone.

    Raises `InvalidInput` for what is no card number and `Conflict` for one that is in use; nothing is made then.
    """
    for number in numbers_by_reference.values():
        check_card_number(number)
    with unit_of_work(tenant_id) as session:
        existing = set(session.scalars(select(Member.reference).where(Member.reference.in_(numbers_by_reference))))
        made = {reference: number for reference, number in numbers_by_reference.items() if reference not in existing}
        check_cards_free(session, list(made.values()))
        common = {"tenant_id": tenant_id, "created_at": clock.now()}
        members = [Member(member_id=ids.new_id(), reference=reference, **common) for reference in made]
        session.add_all(members)
        session.flush()
        for member, number in zip(members, made.values(), strict=True):
            card_id = ids.new_id()
            session.add(Card(card_id=card_id, member_id=member.member_id, number=number, status=ACTIVE, **common))
    return len(made)


def check_cards_free(session: Unit, numbers: list[str]) -> None:
    taken = session.scalar(select(Card.number).where(Card.number.in_(numbers)).limit(1))
    if taken or len(set(numbers)) < len(numbers):
        raise Conflict("There is a card with one of these numbers already.", code="card_exists")


def find_member(tenant_id: UUID, member_id: UUID) -> Member:
    with unit_of_work(tenant_id) as session:
        member = session.get(Member, (tenant_id, member_id))
    if member is None:
        raise NotFound("There is no such member in this network.", code="member_unknown")
    return member


def list_members(
    tenant_id: UUID, after: UUID | None = None, limit: int = 100, reference: str | None = None
) -> list[Member]:
    """Oldest first, those made after the member `after`; with `reference` the one who has it."""
    statement = select(Member).order_by(Member.member_id).limit(limit)
    if after is not None:
        statement = statement.where(Member.member_id > after)
    if reference is not None:
        check_reference(reference)
        statement = statement.where(Member.reference == reference)
    with unit_of_work(tenant_id) as session:
        return list(session.scalars(statement))


def list_cards(tenant_id: UUID, member_id: UUID) -> list[Card]:
    with unit_of_work(tenant_id) as session:
        return list(session.scalars(select(Card).where(Card.member_id == member_id).order_by(Card.card_id)))


def find_card(tenant_id: UUID, number: str) -> Card:
    with unit_of_work(tenant_id) as session:
        return load_card(session, number)


def load_card(session: Unit, number: str, for_update: bool = False) -> Card:
    check_card_number(number)
    statement = select(Card).where(Card.number == number)
    card = session.scalar(statement.with_for_update() if for_update else statement)
    if card is None:
        raise NotFound("There is no such card in this network.", code="card_unknown")
    return card


def check_card_number(number: str) -> None:
    if not is_card_number(number):
        raise InvalidInput(
            "A card number has 8 to 19 digits and ends in their Luhn check digit: check for a typing error.",
            code="card_number_invalid",
        )


def issue_card(tenant_id: UUID, member_id: UUID, number: str | None = None) -> Card:
    """Give a member one more card; without `number` one is made up."""
    find_member(tenant_id, member_id)
    with unit_of_work(tenant_id) as session:
        return add_card(session, tenant_id, member_id, number)


def add_card(session: Unit, tenant_id: UUID, member_id: UUID, number: str | None) -> Card:
    if number is None:
        number = generate_number(session)
    check_card_number(number)
    if card_exists(session, number):
        raise Conflict("There is a card with this number already.", code="card_exists")
    card = Card(
        tenant_id=tenant_id,
        card_id=ids.new_id(),
        member_id=member_id,
        number=number,
        status=ACTIVE,
        created_at=clock.now(),
    )
    session.add(card)
    return card


def generate_number(session: Unit) -> str:
    """A number that no card of the network has: among a million cards, one in a million is hit at first."""
    while True:
        digits = f"{GENERATED_PREFIX}{secrets.randbelow(10**12):012d}"
        number = digits + check_digit(digits)
        if not card_exists(session, number):
            return number


def card_exists(session: Unit, number: str) -> bool:
    return session.scalar(select(Card.card_id).where(Card.number == number)) is not None


def change_card(tenant_id: UUID, number: str, action: str) -> Card:
    """Block or unblock; raises `Conflict` when the card's state does not allow it."""
    with unit_of_work(tenant_id) as session:
        card = load_card(session, number, for_update=True)
        card.status = next_card_state(action, card.status)
    return card


def replace_card(tenant_id: UUID, number: str, new_number: str | None = None) -> Card:
    """A new card of the same member; the old one stops working and names the new one. Points stay the member's."""
    with unit_of_work(tenant_id) as session:
        old = load_card(session, number, for_update=True)
        status = next_card_state("replace", old.status)
        card = add_card(session, tenant_id, old.member_id, new_number)
        session.flush()
        old.status, old.replaced_by_card_id = status, card.card_id
    return card


def next_card_state(action: str, status: str) -> str:
    following = CARD_TRANSITIONS.get((action, status))
    if following is None:
        raise Conflict(f"A card that is {status} can't be {PARTICIPLES[action]}.", code=f"card_{status}")
    return following
