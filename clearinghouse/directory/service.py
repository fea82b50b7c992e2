"""The directory's nouns as the admin API answers them and as `--json` prints them: one shape for both."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from clearinghouse.ledger.queries import balance_of
from clearinghouse.programme.service import terms_of
from clearinghouse.programme.tables import ProgrammeVersion
from tenants.credentials.service import Principal
from tenants.credentials.tables import Credential
from tenants.foundation import ids
from tenants.foundation.database import unit_of_work
from tenants.members.identity import identity_of
from tenants.members.rules import mask_email, mask_phone
from tenants.members.service import find_card, find_member, list_cards
from tenants.members.tables import Card, Member
from tenants.networks.service import show_rate, today_in
from tenants.networks.tables import Network
from tenants.stores.tables import Participant, Store
from tenants.terminals.tables import Terminal


def show_network(network: Network) -> dict[str, Any]:
    return {
        "network_id": ids.show(ids.NETWORK, network.tenant_id),
        "code": network.code,
        "name": network.name,
        "time_zone": network.time_zone,
        "currency": network.currency,
        "opened_on": network.opened_on.isoformat(),
        "days_accepted_late": network.days_accepted_late,
        "close_grace_days": network.close_grace_days,
        "phone_region": network.phone_region,
        "retention_months": network.retention_months,
        "created_at": show_moment(network.created_at),
    }


def show_participant(participant: Participant) -> dict[str, Any]:
    return {
        "code": participant.code,
        "name": participant.name,
        "participant_id": ids.show(ids.PARTICIPANT, participant.participant_id),
        "created_at": show_moment(participant.created_at),
    }


def show_store(store: Store, participant_code: str) -> dict[str, Any]:
    return {
        "code": store.code,
        "name": store.name,
        "participant": participant_code,
        "status": store.status,
        "store_id": ids.show(ids.STORE, store.store_id),
        "created_at": show_moment(store.created_at),
    }


def show_terminal(terminal: Terminal, store_code: str) -> dict[str, Any]:
    return {
        "store": store_code,
        "code": terminal.code,
        "terminal_id": ids.show(ids.TERMINAL, terminal.terminal_id),
        "created_at": show_moment(terminal.created_at),
    }


def show_key(credential: Credential) -> dict[str, Any]:
    """`hint` is the last four characters of the key, to tell one from another.

    A person's key has no scopes of its own. `rate_limit` is requests per second, None for what keys of its role may
    send; `replaces` is the id of the key whose place it takes.
    """
    return {
        "key_id": ids.show(ids.KEY, credential.credential_id),
        "role": credential.role,
        "terminal_id": credential.terminal_id and ids.show(ids.TERMINAL, credential.terminal_id),
        "staff_id": credential.staff_id and ids.show(ids.STAFF, credential.staff_id),
        "label": credential.label,
        "hint": credential.key_hint,
        "scopes": credential.scopes,
        "rate_limit": credential.rate_limit,
        "replaces": credential.replaces_credential_id and ids.show(ids.KEY, credential.replaces_credential_id),
        "created_at": show_moment(credential.created_at),
        "last_used_at": credential.last_used_at and show_moment(credential.last_used_at),
        "expires_at": credential.expires_at and show_moment(credential.expires_at),
        "revoked_at": credential.revoked_at and show_moment(credential.revoked_at),
    }


def show_rotation(new: Credential, key: str, old: Credential) -> dict[str, Any]:
    return {"new_key": {**show_key(new), "key": key}, "old_key": show_key(old)}


def show_member(member: Member, in_full: bool = True) -> dict[str, Any]:
    """Without `in_full` only as much of phone and email as tells them apart from others."""
    identity = identity_of(member)
    phone, email = identity["phone"], identity["email"]
    return {
        "member_id": ids.show(ids.MEMBER, member.member_id),
        "reference": identity["reference"],
        "name": identity["name"],
        "phone": phone if in_full or phone is None else mask_phone(phone),
        "email": email if in_full or email is None else mask_email(email),
        "created_at": show_moment(member.created_at),
        "registered_at": member.registered_at and show_moment(member.registered_at),
        "erased_at": member.erased_at and show_moment(member.erased_at),
    }


def show_card(card: Card, replaced_by: str | None = None) -> dict[str, Any]:
    """`replaced_by` is the number of the card that took this one's place."""
    return {
        "card": card.number,
        "status": card.status,
        "member_id": ids.show(ids.MEMBER, card.member_id),
        "replaced_by": replaced_by,
        "created_at": show_moment(card.created_at),
    }


def show_cards(cards: Sequence[Card]) -> list[dict[str, Any]]:
    """All cards of one member: the card that replaces another is among them."""
    numbers: dict[UUID | None, str] = {card.card_id: card.number for card in cards}
    return [show_card(card, numbers.get(card.replaced_by_card_id)) for card in cards]


def member_with_cards(tenant_id: UUID, member_id: UUID, in_full: bool = True) -> dict[str, Any]:
    member = find_member(tenant_id, member_id)
    return {**show_member(member, in_full), "cards": show_cards(list_cards(tenant_id, member_id))}


def card_with_balance(tenant_id: UUID, number: str) -> dict[str, Any]:
    """Points that expire before today, in the network's time zone, count no more."""
    member_id = find_card(tenant_id, number).member_id
    shown = {row["card"]: row for row in show_cards(list_cards(tenant_id, member_id))}[number]
    with unit_of_work(tenant_id) as session:
        today = today_in(tenant_id)
        balance = balance_of(session, member_id, today)
    return {
        **shown,
        "available": balance.available,
        "held": balance.held,
        "deficit": balance.deficit,
        "expiring_next": balance.expiring_next,
        "expires_on": balance.expires_on and balance.expires_on.isoformat(),
    }


def show_who(principal: Principal) -> str:
    """Who did something, as records of it say: the id of the key that was used."""
    return ids.show(ids.KEY, principal.credential_id)


def show_version(version: ProgrammeVersion) -> dict[str, Any]:
    terms = vars(terms_of(version))
    return {
        "version": version.version,
        "effective_from": show_moment(version.effective_from),
        **{name: show_rate(term) if isinstance(term, Decimal) else term for name, term in terms.items()},
        "created_at": show_moment(version.created_at),
    }


def show_moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
