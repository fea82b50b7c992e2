from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import Select, insert, or_, select

from tenants.foundation import clock, ids
from tenants.foundation.acts import READ
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict, Forbidden, InvalidInput, NotFound
from tenants.foundation.luhn import check_digit, is_card_number
from tenants.foundation.payment_cards import holds_payment_card
from tenants.members.identity import (
    Identity,
    cards_of_members,
    identity_of,
    members_of_phone,
    phone_in,
    with_normal_phone,
    write_identity,
)
from tenants.members.rules import ACTIVE, BLOCKED, REPLACED, check_country, check_email
from tenants.members.tables import Card, CardChange, Member
from tenants.networks.service import NAME_PATTERN, check_name

# Action x state -> next state. What is not here is refused.
CARD_TRANSITIONS = {
    ("block", ACTIVE): BLOCKED,
    ("unblock", BLOCKED): ACTIVE,
    ("replace", ACTIVE): REPLACED,
    ("replace", BLOCKED): REPLACED,
}

PARTICIPLES = {"block": "blocked", "unblock": "unblocked", "replace": "replaced"}

# The other things that are done to a card or its member; they leave the card's state as it is.
ISSUED, REGISTERED, UPDATED, BOUND, UNBOUND, MERGED = (
    "issued",
    "registered",
    "updated",
    "bound",
    "unbound",
    "merged",
)

# Who did it, when no key of the API did.
COMMAND_LINE = "command line"

# Generated numbers: this or another prefix, random digits, the check digit.
GENERATED_PREFIX = "629"
GENERATED_DIGITS = 16

UNUSABLE = {
    BLOCKED: "This card is blocked; the member should call head office.",
    REPLACED: "This card has been replaced; ask the member for the new one.",
}

# As a till's order_ref: what fits on a receipt.
REFERENCE_PATTERN = r"(?=.*\S)[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,64}"


def create_member(
    tenant_id: UUID,
    reference: str | None = None,
    name: str | None = None,
    phone: str | None = None,
    email: str | None = None,
    country: str | None = None,
) -> Member:
    """A member of whom something is known counts as registered. `country` is for a phone that names none itself."""
    identity = {"reference": reference, "name": name, "phone": phone, "email": email}
    check_identity(identity, country)
    now = clock.now()
    with unit_of_work(tenant_id) as session:
        identity = with_normal_phone(tenant_id, identity, country)
        check_reference_free(session, reference)
        member = Member(
            tenant_id=tenant_id,
            member_id=ids.new_id(),
            created_at=now,
            registered_at=now if any(identity.values()) else None,
        )
        write_identity(member, identity)
        session.add(member)
    return member


def check_identity(identity: Identity, country: str | None = None) -> None:
    """All but the phone, which is looked at with its network's country."""
    checks = {"reference": check_reference, "name": check_name, "email": check_email}
    for field, check in checks.items():
        value = identity.get(field)
        if value is not None:
            check(value)
    if country is not None:
        check_country(country)


def check_reference_free(session: Unit, reference: str | None) -> None:
    if reference is None:
        return
    holder = session.scalar(select(Member.member_id).where(Member.reference == reference))
    if holder is not None:
        raise Conflict(
            f"There is a member with reference {reference!r} already; head office can merge the two.",
            code="member_exists",
            member_id=ids.show(ids.MEMBER, holder),
        )


def register_member(
    tenant_id: UUID,
    number: str,
    changed_by: str,
    reference: str | None = None,
    name: str | None = None,
    phone: str | None = None,
    email: str | None = None,
    country: str | None = None,
) -> Member:
    """Say who holds a card that was handed out unregistered. Once: later changes are head office's.

    Saying the same again changes nothing: a till that got no answer may ask again. Raises `Conflict` with code
    `already_registered`, or `member_exists` when another member has the reference.
    """
    identity = {"reference": reference, "name": name, "phone": phone, "email": email}
    check_identity(identity, country)
    if not any(identity.values()):
        raise InvalidInput("Give the member's reference, name, phone or email.", code="nothing_to_register")
    with unit_of_work(tenant_id) as session:
        identity = with_normal_phone(tenant_id, identity, country)
        card = load_usable_card(session, number)
        member = load_member(session, tenant_id, card.member_id)
        if member.registered_at is not None and identity_of(member) == identity:
            return member
        if member.registered_at is not None:
            raise Conflict("The member of this card is registered already.", code="already_registered")
        check_reference_free(session, reference)
        write_identity(member, identity)
        member.registered_at = clock.now()
        record_change(session, tenant_id, member.member_id, REGISTERED, changed_by, card_id=card.card_id)
    return member


def update_member(
    tenant_id: UUID,
    member_id: UUID,
    changes: Identity,
    changed_by: str,
    reason: str | None = None,
    country: str | None = None,
) -> Member:
    """Change `reference`, `name`, `phone` or `email`, or empty it (None). Whoever gets the first of them is
    registered with it."""
    check_identity(changes, country)
    check_reason(reason)
    with unit_of_work(tenant_id) as session:
        changes = with_normal_phone(tenant_id, changes, country)
        member = load_member(session, tenant_id, member_id)
        before = identity_of(member)
        changed = {field: value for field, value in changes.items() if before[field] != value}
        if not changed:
            return member
        check_reference_free(session, changed.get("reference"))
        write_identity(member, changed)
        action = UPDATED if member.registered_at else REGISTERED
        member.registered_at = member.registered_at or clock.now()
        record_change(session, tenant_id, member_id, action, changed_by, reason=reason)
    return member


def find_by_phone(tenant_id: UUID, phone: str, country: str | None = None) -> list[tuple[Member, list[Card]]]:
    """Whoever has this number, oldest first and at most `FOUND_MAX`, each with all cards."""
    if country is not None:
        check_country(country)
    with unit_of_work(tenant_id, recorded_as=READ) as session:
        members = members_of_phone(session, tenant_id, phone_in(tenant_id, phone, country))
        cards = cards_of_members(session, [member.member_id for member in members])
        return [(member, cards[member.member_id]) for member in members]


def load_member(session: Unit, tenant_id: UUID, member_id: UUID) -> Member:
    """Locked, so that two who change it come one after the other. Raises `Conflict` for one who was erased."""
    member = session.get(Member, (tenant_id, member_id), with_for_update=True)
    if member is None:
        raise unknown_member()
    check_not_erased(member)
    return member


def check_not_erased(member: Member) -> None:
    if member.erased_at is not None:
        raise Conflict(
            "This member was erased, for good: nobody knows any more whose points these were. Make a new member.",
            code="member_erased",
        )


def unknown_member() -> NotFound:
    return NotFound("There is no such member in this network.", code="member_unknown")


def check_reference(reference: str) -> None:
    if not re.fullmatch(REFERENCE_PATTERN, reference):
        raise InvalidInput(
            f"{reference!r} is not a member's reference: 1 to 64 characters without control characters.",
            code="invalid_reference",
        )


def create_members_with_cards(
    tenant_id: UUID, numbers_by_reference: Mapping[str, str], changed_by: str = COMMAND_LINE
) -> int:
    """Members with one card each; the number made. References that exist are left alone.

    Raises `InvalidInput` for what is no card number and `Conflict` for one that is in use; nothing is made then.
    """
    for number in numbers_by_reference.values():
        check_new_card_number(number)
    with unit_of_work(tenant_id) as session:
        existing = set(session.scalars(select(Member.reference).where(Member.reference.in_(numbers_by_reference))))
        made = {reference: number for reference, number in numbers_by_reference.items() if reference not in existing}
        check_cards_free(session, list(made.values()))
        add_members_with_cards(session, tenant_id, list(made.items()), changed_by)
    return len(made)


def add_members_with_cards(
    session: Unit,
    tenant_id: UUID,
    references_and_numbers: Sequence[tuple[str | None, str]],
    changed_by: str,
    batch_id: UUID | None = None,
) -> None:
    """One member a row, in few statements; without a reference it is unregistered. The numbers must be free."""
    if not references_and_numbers:
        return
    now = clock.now()
    members, cards, changes = [], [], []
    for reference, number in references_and_numbers:
        keys = {"tenant_id": tenant_id, "member_id": ids.new_id()}
        card = {**keys, "card_id": ids.new_id()}
        members.append({**keys, "reference": reference, "registered_at": reference and now, "created_at": now})
        cards.append({**card, "number": number, "status": ACTIVE, "created_at": now, "batch_id": batch_id})
        changes.append({**card, "change_id": ids.new_id(), "action": ISSUED, "to_status": ACTIVE,
                        "changed_by": changed_by, "changed_at": now})  # fmt: skip
    session.execute(insert(Member), members)
    session.execute(insert(Card), cards)
    session.execute(insert(CardChange), changes)


def check_cards_free(session: Unit, numbers: list[str]) -> None:
    taken = session.scalar(select(Card.number).where(Card.number.in_(numbers)).limit(1))
    if taken or len(set(numbers)) < len(numbers):
        raise Conflict("There is a card with one of these numbers already.", code="card_exists")


def find_member(tenant_id: UUID, member_id: UUID) -> Member:
    with unit_of_work(tenant_id) as session:
        member = session.get(Member, (tenant_id, member_id))
    if member is None:
        raise unknown_member()
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
    with unit_of_work(tenant_id, recorded_as=READ) as session:
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


def load_usable_card(session: Unit, number: str) -> Card:
    """The card, locked; raises `Forbidden` when it is blocked or replaced."""
    card = load_card(session, number, for_update=True)
    if card.status in UNUSABLE:
        raise Forbidden(UNUSABLE[card.status], code=f"card_{card.status}")
    return card


def check_card_number(number: str) -> None:
    if not is_card_number(number):
        raise InvalidInput(
            "A card number has 8 to 19 digits and ends in their Luhn check digit: check for a typing error.",
            code="card_number_invalid",
        )


def check_new_card_number(number: str) -> None:
    check_card_number(number)
    if holds_payment_card(number):
        raise InvalidInput(
            "A loyalty card can't have a number that looks like a payment card's: use a prefix of no card issuer.",
            code="payment_card_number",
        )


def issue_card(tenant_id: UUID, member_id: UUID, number: str | None = None, changed_by: str = COMMAND_LINE) -> Card:
    """Give a member one more card; without `number` one is made up."""
    with unit_of_work(tenant_id) as session:
        load_member(session, tenant_id, member_id)
        card = add_card(session, tenant_id, member_id, number)
        record_change(session, tenant_id, member_id, ISSUED, changed_by, card_id=card.card_id, to_status=card.status)
    return card


def add_card(session: Unit, tenant_id: UUID, member_id: UUID, number: str | None) -> Card:
    if number is None:
        [number] = generate_numbers(session, 1)
    check_new_card_number(number)
    check_cards_free(session, [number])
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


def generate_numbers(session: Unit, count: int, prefix: str = GENERATED_PREFIX) -> list[str]:
    """Numbers that no card of the network has: among a million cards, one in a million is hit at first."""
    numbers: set[str] = set()
    while len(numbers) < count:
        candidates = {random_number(prefix) for _ in range(count - len(numbers))}
        numbers |= candidates.difference(session.scalars(select(Card.number).where(Card.number.in_(candidates))))
    return list(numbers)


def random_number(prefix: str) -> str:
    places = GENERATED_DIGITS - 1 - len(prefix)
    digits = f"{prefix}{secrets.randbelow(10**places):0{places}d}"
    return digits + check_digit(digits)


def change_card(tenant_id: UUID, number: str, action: str, changed_by: str, reason: str | None = None) -> Card:
    """Block or unblock; raises `Conflict` when the card's state does not allow it."""
    check_reason(reason)
    with unit_of_work(tenant_id) as session:
        card = load_card(session, number, for_update=True)
        change_status(session, card, action, changed_by, reason)
    return card


def replace_card(
    tenant_id: UUID, number: str, changed_by: str, new_number: str | None = None, reason: str | None = None
) -> Card:
    """A new card of the same member; the old one stops working and names the new one. Points stay the member's."""
    check_reason(reason)
    with unit_of_work(tenant_id) as session:
        old = load_card(session, number, for_update=True)
        next_card_state("replace", old.status)
        card = add_card(session, tenant_id, old.member_id, new_number)
        record_change(session, tenant_id, old.member_id, ISSUED, changed_by, card_id=card.card_id,
                      to_status=card.status, other_card_id=old.card_id, reason=reason)  # fmt: skip
        old.replaced_by_card_id = card.card_id
        change_status(session, old, "replace", changed_by, reason)
    return card


def change_status(session: Unit, card: Card, action: str, changed_by: str, reason: str | None) -> None:
    before, card.status = card.status, next_card_state(action, card.status)
    record_change(session, card.tenant_id, card.member_id, PARTICIPLES[action], changed_by, card_id=card.card_id,
                  from_status=before, to_status=card.status, other_card_id=card.replaced_by_card_id,
                  reason=reason)  # fmt: skip


def next_card_state(action: str, status: str) -> str:
    following = CARD_TRANSITIONS.get((action, status))
    if following is None:
        raise Conflict(f"A card that is {status} can't be {PARTICIPLES[action]}.", code=f"card_{status}")
    return following


def check_reason(reason: str | None) -> None:
    if reason is not None and not re.fullmatch(NAME_PATTERN, reason):
        raise InvalidInput("A reason has 1 to 200 characters without control characters.", code="invalid_reason")


def record_change(
    session: Unit,
    tenant_id: UUID,
    member_id: UUID,
    action: str,
    changed_by: str,
    *,
    card_id: UUID | None = None,
    from_status: str | None = None,
    to_status: str | None = None,
    other_card_id: UUID | None = None,
    other_member_id: UUID | None = None,
    reason: str | None = None,
) -> None:
    """Write down what was done, in the transaction that does it.

    `changed_by`: the id of a key (`key_…`), or `COMMAND_LINE`. The statuses are for what changes a card's state;
    `other_member_id` is for MERGED. Personal data has no place here: rows are never changed or deleted.
    """
    # The row refers to others that may be waiting to be written.
    session.flush()
    session.execute(
        insert(CardChange).values(
            tenant_id=tenant_id,
            change_id=ids.new_id(),
            member_id=member_id,
            card_id=card_id,
            action=action,
            from_status=from_status,
            to_status=to_status,
            other_card_id=other_card_id,
            other_member_id=other_member_id,
            reason=reason,
            changed_by=changed_by,
            changed_at=clock.now(),
        )
    )


def list_changes(
    tenant_id: UUID, number: str, after: UUID | None = None, limit: int | None = None
) -> list[tuple[CardChange, str | None]]:
    """What was done to a card and to its member, oldest first, each with the number of the other card it names."""
    with unit_of_work(tenant_id) as session:
        card = load_card(session, number)
        of_member = CardChange.card_id.is_(None) & (CardChange.member_id == card.member_id)
        statement = changes_and_other_cards().where(or_(CardChange.card_id == card.card_id, of_member)).limit(limit)
        if after is not None:
            statement = statement.where(CardChange.change_id > after)
        return [(change, other) for change, other in session.execute(statement)]


def changes_of_member(session: Unit, member_id: UUID) -> list[tuple[CardChange, str | None]]:
    """What was done to the member and to any card of now, as `list_changes` gives it."""
    own_cards = select(Card.card_id).where(Card.member_id == member_id)
    of_member = CardChange.card_id.is_(None) & (CardChange.member_id == member_id)
    statement = changes_and_other_cards().where(or_(CardChange.card_id.in_(own_cards), of_member))
    return [(change, other) for change, other in session.execute(statement)]


def changes_and_other_cards() -> Select[CardChange, str]:
    join = (Card.tenant_id == CardChange.tenant_id) & (Card.card_id == CardChange.other_card_id)
    return select(CardChange, Card.number).outerjoin(Card, join).order_by(CardChange.change_id)
