"""Payment cards bound to members, by what the payment provider calls them; nothing of the card comes here.

The token itself is neither kept nor logged: only a keyed hash of it, which nobody can make without the
installation's secret key.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from tenants.foundation import clock
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict, InvalidInput, NotFound
from tenants.foundation.payment_cards import refuse_payment_cards
from tenants.foundation.secret_key import derive
from tenants.members.service import BOUND, UNBOUND, load_card, load_usable_card, record_change
from tenants.payment_tokens.tables import PaymentToken

# Shorter ones are no provider's, but perhaps the last digits of a card.
TOKEN_PATTERN = r"[\x21-\x7e]{8,255}"  # nosec B105 # it describes tokens and is none


def check_token(token: str) -> None:
    refuse_payment_cards(token)
    if not re.fullmatch(TOKEN_PATTERN, token):
        raise InvalidInput(
            "A payment token has 8 to 255 printable ASCII characters without spaces.", code="invalid_payment_token"
        )


def hash_token(tenant_id: UUID, token: str) -> bytes:
    """Each network has its own: the same payment card can't be followed from one to another."""
    return derive("payment token", tenant_id.bytes, token.encode())


def bind_token(tenant_id: UUID, number: str, token: str, changed_by: str) -> int:
    """Let purchases paid with this token find the card's member; how many tokens the member has then.

    Binding it again changes nothing. Raises `Conflict` when it is bound to another member.
    """
    check_token(token)
    token_hash = hash_token(tenant_id, token)
    with unit_of_work(tenant_id) as session:
        card = load_usable_card(session, number)
        if take_token(session, tenant_id, token_hash, card.member_id, changed_by):
            record_change(session, tenant_id, card.member_id, BOUND, changed_by, card_id=card.card_id)
        return count_of_member(session, card.member_id)


def take_token(session: Unit, tenant_id: UUID, token_hash: bytes, member_id: UUID, changed_by: str) -> bool:
    """Whether it was free until now. One statement, so that of two who bind it at once one is told."""
    taken = {"member_id": member_id, "bound_at": clock.now(), "bound_by": changed_by}
    statement = insert(PaymentToken).values(tenant_id=tenant_id, token_hash=token_hash, **taken)
    statement = statement.on_conflict_do_update(
        index_elements=["tenant_id", "token_hash"], set_=taken, where=PaymentToken.member_id.is_(None)
    )
    if session.scalar(statement.returning(PaymentToken.member_id)) is not None:
        return True
    holder = session.scalar(select(PaymentToken.member_id).where(PaymentToken.token_hash == token_hash))
    if holder != member_id:
        raise Conflict(
            "This payment card is bound to another member: unbind it there first, or have head office merge the two.",
            code="token_bound",
        )
    return False


def unbind_token(tenant_id: UUID, number: str, token: str, changed_by: str) -> int:
    """Purchases paid with it find nobody from now on; how many tokens the member has left.

    Raises `NotFound` when it is not bound to the card's member. The card may be blocked or replaced.
    """
    check_token(token)
    token_hash = hash_token(tenant_id, token)
    with unit_of_work(tenant_id) as session:
        card = load_card(session, number, for_update=True)
        # The row stays, without a member: the application may delete nothing.
        statement = (
            update(PaymentToken)
            .where(PaymentToken.token_hash == token_hash, PaymentToken.member_id == card.member_id)
            .values(member_id=None)
            .returning(PaymentToken.token_hash)
        )
        if session.scalar(statement) is None:
            raise NotFound("This payment card is not bound to this member.", code="payment_token_unknown")
        record_change(session, tenant_id, card.member_id, UNBOUND, changed_by, card_id=card.card_id)
        return count_of_member(session, card.member_id)


def unbind_all(session: Unit, member_ids: Sequence[UUID]) -> int:
    """Of members who are erased; how many there were."""
    statement = update(PaymentToken).where(PaymentToken.member_id.in_(member_ids)).values(member_id=None)
    return len(session.scalars(statement.returning(PaymentToken.token_hash)).all())


def count_tokens(tenant_id: UUID, number: str) -> int:
    with unit_of_work(tenant_id) as session:
        return count_of_member(session, load_card(session, number).member_id)


def count_of_member(session: Unit, member_id: UUID) -> int:
    statement = select(func.count()).select_from(PaymentToken).where(PaymentToken.member_id == member_id)
    return session.scalar(statement) or 0
