from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from tenants.foundation import clock, ids
from tenants.foundation.database import db, unit_of_work
from tenants.foundation.errors import Conflict, InvalidInput, NotFound
from tenants.foundation.luhn import check_digit, is_card_number
from tenants.members.tables import Card, Member

ACTIVE, BLOCKED, REPLACED = "active", "blocked", "replaced"

# Action x state -> next state. What is not here is refused.
CARD_TRANSITIONS = {
    ("block", ACTIVE): BLOCKED,
    ("unblock", BLOCKED): ACTIVE,
    ("replace", ACTIVE): REPLACED,
    ("replace", BLOCKED): REPLACED,
}

# Generated numbers: this, twelve digits of the card's own id, the check digit.
GENERATED_PREFIX = "629"


def create_member(tenant_id: UUID, reference: str | None = None, name: str | None = None) -> Member:
    with unit_of_work(tenant_id) as session:
        if reference and session.scalar(select(Member.member_id).where(Member.reference == reference)):
            raise Conflict(f"There is a member with reference {reference!r} already.", code="member_exists")
        member = Member(
            tenant_id=tenant_id, member_id=ids.new_id(), reference=reference, name=name, created_at=clock.now()
        )
        session.add(member)
    return member


def find_member(tenant_id: UUID, member_id: UUID) -> Member:
    with unit_of_work(tenant_id) as session:
        member = session.get(Member, (tenant_id, member_id))
    if member is None:
        raise NotFound("There is no such member in this network.", code="member_unknown")
    return member


def list_members(tenant_id: UUID, after: UUID | None = None, limit: int = 100) -> list[Member]:
    statement = select(Member).order_by(Member.member_id).limit(limit)
    if after is not None:
        statement = statement.where(Member.member_id > after)
    with unit_of_work(tenant_id) as session:
        return list(session.scalars(statement))


def list_cards(tenant_id: UUID, member_id: UUID) -> list[Card]:
    with unit_of_work(tenant_id) as session:
        return list(session.scalars(select(Card).where(Card.member_id == member_id).order_by(Card.card_id)))


def find_card(tenant_id: UUID, number: str) -> Card:
    check_card_number(number)
    with unit_of_work(tenant_id) as session:
        card = session.scalar(select(Card).where(Card.number == number))
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


def add_card(session: Session, tenant_id: UUID, member_id: UUID, number: str | None) -> Card:
    card_id = ids.new_id()
    if number is None:
        digits = f"{GENERATED_PREFIX}{card_id.int % 10**12:012d}"
        number = digits + check_digit(digits)
    check_card_number(number)
    if session.scalar(select(Card.card_id).where(Card.number == number)):
        raise Conflict("There is a card with this number already.", code="card_exists")
    card = Card(
        tenant_id=tenant_id,
        card_id=card_id,
        member_id=member_id,
        number=number,
        status=ACTIVE,
        created_at=clock.now(),
    )
    session.add(card)
    return card


def change_card(tenant_id: UUID, number: str, action: str) -> Card:
    """Block or unblock; raises `Conflict` when the card's state does not allow it."""
    card = find_card(tenant_id, number)
    with unit_of_work(tenant_id):
        card = db.session.merge(card)
        card.status = next_card_state(action, card.status)
    return card


def replace_card(tenant_id: UUID, number: str, new_number: str | None = None) -> Card:
    """A new card of the same member; the old one stops working and names the new one. Points stay the member's."""
    old = find_card(tenant_id, number)
    with unit_of_work(tenant_id) as session:
        old = session.merge(old)
        status = next_card_state("replace", old.status)
        card = add_card(session, tenant_id, old.member_id, new_number)
        session.flush()
        old.status, old.replaced_by_card_id = status, card.card_id
    return card


def next_card_state(action: str, status: str) -> str:
    following = CARD_TRANSITIONS.get((action, status))
    if following is None:
        raise Conflict(f"A card that is {status} can't be {action}ed.", code=f"card_{status}")
    return following
