"""The directory as head office sees and changes it, under /v1."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from apiflask import APIBlueprint
from flask import Response

from clearinghouse.directory.schemas import (
    CardActionSchema,
    CardSchema,
    CodePageQuerySchema,
    KeyChangeSchema,
    KeyPageSchema,
    KeySchema,
    MadeKeySchema,
    MemberChangeSchema,
    MemberPageSchema,
    MemberQuerySchema,
    MemberSchema,
    MemberWithCardsSchema,
    NetworkChangeSchema,
    NetworkSchema,
    NewCardSchema,
    NewKeySchema,
    NewMemberSchema,
    NewParticipantSchema,
    NewRotationSchema,
    NewStoreSchema,
    NewTerminalKeySchema,
    NewTerminalSchema,
    NewVersionSchema,
    PageQuerySchema,
    ParticipantPageSchema,
    ParticipantSchema,
    ReplacementSchema,
    RotationSchema,
    StorePageSchema,
    StoreSchema,
    TerminalPageSchema,
    TerminalSchema,
    VersionSchema,
    VersionsSchema,
)
from clearinghouse.directory.service import (
    member_with_cards,
    show_card,
    show_key,
    show_member,
    show_network,
    show_participant,
    show_rotation,
    show_store,
    show_terminal,
    show_version,
    show_who,
)
from clearinghouse.programme.service import add_version, list_versions, terms_of
from tenants.credentials.rules import DIRECTORY, HQ, KEYS, READ, STAFF, TERMINAL
from tenants.credentials.service import (
    Principal,
    change_credential,
    create_credential,
    list_credentials,
    revoke_credential,
    rotate_credential,
)
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.database import unit_of_work
from tenants.foundation.openapi import refusals
from tenants.foundation.web import answer, answer_page, body, id_cursor, query
from tenants.members.service import (
    change_card,
    create_member,
    issue_card,
    list_members,
    replace_card,
    update_member,
)
from tenants.networks.service import change_network, get_network
from tenants.staff.service import find_staff
from tenants.stores.service import (
    close_store,
    create_participant,
    create_store,
    find_store_and_owner,
    list_participants,
    list_stores,
)
from tenants.terminals.service import create_terminal, list_terminals

directory = APIBlueprint("directory", __name__, url_prefix="/v1", tag="Directory")


@directory.get("/network")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@directory.output(NetworkSchema)
def show_own_network(principal: Principal) -> Response:
    """The network of this key"""
    with unit_of_work(principal.tenant_id):
        network = get_network(principal.tenant_id)
    return answer(show_network(network))


@directory.patch("/network")
@authenticated(HQ, scope=DIRECTORY)
@body(NetworkChangeSchema)
@directory.output(NetworkSchema)
@refusals(never={409})
def patch_network(principal: Principal, body: dict[str, Any]) -> Response:
    """Say how phone numbers are read, and how long members are remembered

    With `retention_months` the members who have had neither points nor any activity for so long are erased every
    night, for good: `clearinghouse member erase-inactive --dry-run` tells who they would be now.
    """
    return answer(show_network(change_network(principal.tenant_id, body)))


@directory.post("/participants")
@authenticated(HQ, scope=DIRECTORY)
@body(NewParticipantSchema)
@directory.output(ParticipantSchema, status_code=201)
def post_participant(principal: Principal, body: dict[str, Any]) -> Response:
    """Add a legal entity"""
    return answer(show_participant(create_participant(principal.tenant_id, **body)), 201)


@directory.get("/participants")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@query(CodePageQuerySchema)
@directory.output(ParticipantPageSchema)
def get_participants(principal: Principal, query: dict[str, Any]) -> Response:
    """List the legal entities that own stores and settle"""
    limit = query["limit"]
    participants = list_participants(principal.tenant_id, query.get("cursor"), limit + 1)
    return answer_page("participants", [show_participant(p) for p in participants], limit, "code")


@directory.post("/stores")
@authenticated(HQ, scope=DIRECTORY)
@body(NewStoreSchema)
@directory.output(StoreSchema, status_code=201)
@refusals(also={404})
def post_store(principal: Principal, body: dict[str, Any]) -> Response:
    """Add a store

    Without `participant` the store is a legal entity of its own, which is added with its code and name.
    """
    owner_code = body.get("participant")
    store = create_store(principal.tenant_id, body["code"], body["name"], owner_code)
    return answer(show_store(store, owner_code or store.code), 201)


@directory.get("/stores")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@query(CodePageQuerySchema)
@directory.output(StorePageSchema)
def get_stores(principal: Principal, query: dict[str, Any]) -> Response:
    """List the stores, by code"""
    limit = query["limit"]
    rows = list_stores(principal.tenant_id, query.get("cursor"), limit + 1)
    return answer_page("stores", [show_store(store, owner.code) for store, owner in rows], limit, "code")


@directory.get("/stores/<code>")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@directory.output(StoreSchema)
def get_store(principal: Principal, code: str) -> Response:
    """One store"""
    store, owner = find_store_and_owner(principal.tenant_id, code)
    return answer(show_store(store, owner.code))


@directory.post("/stores/<code>/close")
@authenticated(HQ, scope=DIRECTORY)
@directory.output(StoreSchema)
@refusals(never={409})
def post_store_close(principal: Principal, code: str) -> Response:
    """Close a store for good

    Its terminals are refused within seconds. What it issued and recovered stays and settles.
    """
    close_store(principal.tenant_id, code)
    store, owner = find_store_and_owner(principal.tenant_id, code)
    return answer(show_store(store, owner.code))


@directory.post("/stores/<code>/terminals")
@authenticated(HQ, scope=DIRECTORY)
@body(NewTerminalSchema)
@directory.output(TerminalSchema, status_code=201)
def post_terminal(principal: Principal, code: str, body: dict[str, Any]) -> Response:
    """Add a terminal to a store

    It can do nothing yet: make its key with `/v1/terminals/{terminal_id}/keys`.
    """
    return answer(show_terminal(create_terminal(principal.tenant_id, code, body["code"]), code), 201)


@directory.get("/stores/<code>/terminals")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@query(CodePageQuerySchema)
@directory.output(TerminalPageSchema)
def get_terminals(principal: Principal, code: str, query: dict[str, Any]) -> Response:
    """List the terminals of a store"""
    limit = query["limit"]
    rows = list_terminals(principal.tenant_id, code, query.get("cursor"), limit + 1)
    shown = [show_terminal(terminal, store.code) for terminal, store in rows]
    return answer_page("terminals", shown, limit, "code")


@directory.post("/terminals/<terminal_id>/keys")
@authenticated(HQ, scope=KEYS)
@body(NewTerminalKeySchema, optional=True)
@directory.output(MadeKeySchema, status_code=201)
def post_terminal_key(principal: Principal, terminal_id: str, body: dict[str, Any]) -> Response:
    """Make a key for a terminal

    `key` is shown only in this answer. Earlier keys of the terminal stay valid until they are revoked; to replace
    one, rotate it.
    """
    parsed = ids.parse(ids.TERMINAL, terminal_id)
    credential, key = create_credential(principal.tenant_id, TERMINAL, terminal_id=parsed, maker=principal, **body)
    return answer({**show_key(credential), "key": key}, 201)


@directory.post("/keys")
@authenticated(HQ, scope=KEYS)
@body(NewKeySchema)
@directory.output(MadeKeySchema, status_code=201)
@refusals(also={404})
def post_key(principal: Principal, body: dict[str, Any]) -> Response:
    """Make one more key of head office, or of a person who settles

    `key` is shown only in this answer. A key can't be given scopes that the key which makes it lacks; a person's key
    may do what the person's roles allow at the time.
    """
    tenant_id, code = principal.tenant_id, body.pop("staff", None)
    staff_id = code and find_staff(tenant_id, code).staff_id
    credential, key = create_credential(
        tenant_id, STAFF if staff_id else HQ, maker=principal, staff_id=staff_id, **body
    )
    return answer({**show_key(credential), "key": key}, 201)


@directory.get("/keys")
@authenticated(HQ, scope=KEYS)
@query(PageQuerySchema)
@directory.output(KeyPageSchema)
def get_keys(principal: Principal, query: dict[str, Any]) -> Response:
    """List the keys of terminals, of head office and of people, oldest first"""
    limit = query["limit"]
    credentials = list_credentials(principal.tenant_id, id_cursor(ids.KEY, query), limit + 1)
    return answer_page("keys", [show_key(credential) for credential in credentials], limit, "key_id")


@directory.patch("/keys/<key_id>")
@authenticated(HQ, scope=KEYS)
@body(KeyChangeSchema)
@directory.output(KeySchema)
def patch_key(principal: Principal, key_id: str, body: dict[str, Any]) -> Response:
    """Change how often a key may ask

    It counts within seconds. `null` stands for what keys of its role may send.
    """
    return answer(show_key(change_credential(principal.tenant_id, ids.parse(ids.KEY, key_id), **body)))


@directory.post("/keys/<key_id>/rotate")
@authenticated(HQ, scope=KEYS)
@body(NewRotationSchema, optional=True)
@directory.output(RotationSchema, status_code=201)
def post_key_rotation(principal: Principal, key_id: str, body: dict[str, Any]) -> Response:
    """Replace a key by a new one

    The new key has the old one's terminal or person, label, scopes and rate; `key` is shown only in this answer. The
    old key goes on working for the overlap.
    """
    overlap = timedelta(hours=body["overlap_hours"])
    rotated = rotate_credential(principal.tenant_id, ids.parse(ids.KEY, key_id), overlap, principal)
    return answer(show_rotation(*rotated), 201)


@directory.post("/keys/<key_id>/revoke")
@authenticated(HQ, scope=KEYS)
@directory.output(KeySchema)
@refusals(never={409})
def post_key_revoke(principal: Principal, key_id: str) -> Response:
    """Revoke a key

    It is refused within seconds. Revoking it again changes nothing.
    """
    return answer(show_key(revoke_credential(principal.tenant_id, ids.parse(ids.KEY, key_id))))


@directory.post("/members")
@authenticated(HQ, scope=DIRECTORY)
@body(NewMemberSchema, optional=True, phone="phone")
@directory.output(MemberSchema, status_code=201)
@refusals(also={500})
def post_member(principal: Principal, body: dict[str, Any]) -> Response:
    """Add a member"""
    return answer(show_member(create_member(principal.tenant_id, **body)), 201)


@directory.get("/members")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@query(MemberQuerySchema)
@directory.output(MemberPageSchema)
@refusals(also={500})
def get_members(principal: Principal, query: dict[str, Any]) -> Response:
    """List the members, oldest first

    Phones and emails in full for keys with the scope `directory` only.
    """
    limit, after = query["limit"], id_cursor(ids.MEMBER, query)
    members = list_members(principal.tenant_id, after, limit + 1, query.get("reference"))
    in_full = sees_in_full(principal)
    return answer_page("members", [show_member(member, in_full) for member in members], limit, "member_id")


def sees_in_full(principal: Principal) -> bool:
    """Who looks after members has to call and write to them; who only reads has not."""
    return DIRECTORY in principal.scopes


@directory.post("/members/<member_id>/cards")
@authenticated(HQ, scope=DIRECTORY)
@body(NewCardSchema, optional=True)
@directory.output(CardSchema, status_code=201)
def post_card(principal: Principal, member_id: str, body: dict[str, Any]) -> Response:
    """Give a member one more card

    Every card of a member spends from the same points.
    """
    card = issue_card(principal.tenant_id, ids.parse(ids.MEMBER, member_id), body.get("number"), show_who(principal))
    return answer(show_card(card), 201)


@directory.get("/members/<member_id>")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@directory.output(MemberWithCardsSchema)
@refusals(also={500})
def get_member(principal: Principal, member_id: str) -> Response:
    """One member with all cards, oldest first"""
    parsed = ids.parse(ids.MEMBER, member_id)
    return answer(member_with_cards(principal.tenant_id, parsed, sees_in_full(principal)))


@directory.patch("/members/<member_id>")
@authenticated(HQ, scope=DIRECTORY)
@body(MemberChangeSchema, phone="phone")
@directory.output(MemberSchema)
@refusals(also={500})
def patch_member(principal: Principal, member_id: str, body: dict[str, Any]) -> Response:
    """Change a member's reference, name, phone or email

    A member who had none of them is registered with it.
    """
    reason, country = body.pop("reason", None), body.pop("country", None)
    parsed = ids.parse(ids.MEMBER, member_id)
    updated = update_member(principal.tenant_id, parsed, body, show_who(principal), reason, country)
    return answer(show_member(updated))


@directory.post("/cards/<number>/block")
@authenticated(HQ, scope=DIRECTORY)
@body(CardActionSchema, optional=True)
@directory.output(CardSchema)
def post_card_block(principal: Principal, number: str, body: dict[str, Any]) -> Response:
    """Block a card

    Tills refuse it until it is unblocked; the member's other cards go on working.
    """
    return answer(show_card(change_card(principal.tenant_id, number, "block", show_who(principal), **body)))


@directory.post("/cards/<number>/unblock")
@authenticated(HQ, scope=DIRECTORY)
@body(CardActionSchema, optional=True)
@directory.output(CardSchema)
def post_card_unblock(principal: Principal, number: str, body: dict[str, Any]) -> Response:
    """Let a blocked card work again"""
    return answer(show_card(change_card(principal.tenant_id, number, "unblock", show_who(principal), **body)))


@directory.post("/cards/<number>/replace")
@authenticated(HQ, scope=DIRECTORY)
@body(ReplacementSchema, optional=True)
@directory.output(CardSchema, status_code=201)
def post_card_replace(principal: Principal, number: str, body: dict[str, Any]) -> Response:
    """Replace a card by a new one

    The answer is the new card. The old one never works again; the points stay with the member.
    """
    new, reason = body.get("number"), body.get("reason")
    return answer(show_card(replace_card(principal.tenant_id, number, show_who(principal), new, reason)), 201)


@directory.post("/programme/versions")
@authenticated(HQ, scope=DIRECTORY)
@body(NewVersionSchema)
@directory.output(VersionSchema, status_code=201)
def post_version(principal: Principal, body: dict[str, Any]) -> Response:
    """Announce a version of the programme

    From `effective_from` on, purchases earn and points redeem by it. What is left out stays as in the newest
    version. A version is never changed afterwards.
    """
    effective_from = body.pop("effective_from")
    newest = terms_of(list_versions(principal.tenant_id)[-1])
    number = add_version(principal.tenant_id, replace(newest, **body), effective_from)
    return answer(show_version(list_versions(principal.tenant_id)[number - 1]), 201)


@directory.get("/programme/versions")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@directory.output(VersionsSchema)
def get_versions(principal: Principal) -> Response:
    """List the versions of the programme, oldest first"""
    return answer({"versions": [show_version(version) for version in list_versions(principal.tenant_id)]})
