"""Members as they are found by phone, and all that is kept of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from clearinghouse.cards.service import show_change
from clearinghouse.directory.service import show_card, show_cards, show_member, show_moment
from clearinghouse.ledger.queries import balance_of, transfers_of_member
from clearinghouse.ledger.service import record_of
from clearinghouse.pos.service import show_transfer
from tenants.audit.service import record_act
from tenants.foundation import clock
from tenants.foundation.acts import READ
from tenants.foundation.database import Unit, unit_of_work
from tenants.members.identity import identity_of
from tenants.members.rules import mask_email, mask_name, mask_phone
from tenants.members.service import ACTIVE, changes_of_member, unknown_member
from tenants.members.tables import Card, Member
from tenants.networks.service import get_network, today_in
from tenants.payment_tokens.service import count_of_member
from tenants.verification.tables import MobileWallet, Pin


def show_found(member: Member, cards: Sequence[Card], in_full: bool) -> dict[str, Any]:
    return {**show_member(member, in_full), "cards": show_cards(cards)}


def show_to_till(member: Member, cards: Sequence[Card]) -> dict[str, Any]:
    """Enough to ask "is that you?", and the cards to post with: nothing that could be read off the screen."""
    identity = identity_of(member)
    masks = {"name": mask_name, "phone": mask_phone, "email": mask_email}
    masked = {field: mask(value) if (value := identity[field]) else None for field, mask in masks.items()}
    shown = {**show_member(member), "reference": None, **masked}
    return {**shown, "cards": [show_card(card) for card in cards if card.status == ACTIVE]}


def export_member(tenant_id: UUID, member_id: UUID) -> dict[str, Any]:
    """All that is kept of a member, as the member may ask for (GDPR, article 15): also of those merged into it.

    Secrets are named, not shown.
    """
    record_act(tenant_id, recorded_as=READ)
    with unit_of_work(tenant_id, "REPEATABLE READ") as session:
        member = session.get(Member, (tenant_id, member_id))
        if member is None:
            raise unknown_member()
        balance = balance_of(session, member_id, today_in(tenant_id))
        currency = get_network(tenant_id).currency
        merged = select(Member).where(Member.merged_into_member_id == member_id).order_by(Member.member_id)
        own_cards = select(Card).where(Card.member_id == member_id).order_by(Card.card_id)
        return {
            "exported_at": show_moment(clock.now()),
            **show_member(member),
            "merged_members": [show_member(row) for row in session.scalars(merged)],
            "cards": show_cards(list(session.scalars(own_cards))),
            "changes": [show_change(change, other) for change, other in changes_of_member(session, member_id)],
            **secrets_of(session, tenant_id, member_id),
            "available": balance.available,
            "held": balance.held,
            "deficit": balance.deficit,
            "transfers": [
                show_transfer(record_of(transfer), currency, store_code, number)
                for transfer, store_code, number in transfers_of_member(session, member_id)
            ],
        }


def secrets_of(session: Unit, tenant_id: UUID, member_id: UUID) -> dict[str, Any]:
    pin = session.get(Pin, (tenant_id, member_id))
    wallet = session.get(MobileWallet, (tenant_id, member_id))
    return {
        "payment_tokens": count_of_member(session, member_id),
        "pin_set_at": pin and pin.set_at and show_moment(pin.set_at),
        "wallet_made_at": wallet and show_moment(wallet.generated_at),
    }
