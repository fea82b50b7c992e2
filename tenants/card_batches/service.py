"""Cards issued in bulk, to be handed out: each with a member of its own, whom nobody knows yet."""

from __future__ import annotations

import re
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from tenants.card_batches.tables import CardBatch
from tenants.foundation import clock, ids
from tenants.foundation.acts import READ
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict, InvalidInput, NotFound
from tenants.foundation.payment_cards import may_begin_payment_card
from tenants.members.service import GENERATED_PREFIX, add_members_with_cards, generate_numbers
from tenants.members.tables import Card
from tenants.networks.service import check_name

CARDS_MAX = 10_000
# Long enough to be told from the issuers of payment cards, short enough to leave room for random digits.
PREFIX_PATTERN = r"[0-9]{3,6}"


def issue_batch(
    tenant_id: UUID,
    count: int,
    label: str,
    created_by: str,
    prefix: str = GENERATED_PREFIX,
    idempotency_key: str | None = None,
) -> tuple[CardBatch, bool]:
    """The batch, and whether it was there already: a repeat with the same key makes no more cards.

    Raises `Conflict` when the key was used for another batch.
    """
    check_batch(count, label, prefix)
    wanted = {"label": label, "prefix": prefix, "cards": count}
    with unit_of_work(tenant_id) as session:
        batch = add_batch(session, tenant_id, idempotency_key, created_by, wanted)
        if batch is None:
            return find_repeated(session, idempotency_key, wanted), True
        numbers = generate_numbers(session, count, prefix)
        add_members_with_cards(session, tenant_id, [(None, n) for n in numbers], created_by, batch.batch_id)
    return batch, False


def check_batch(count: int, label: str, prefix: str) -> None:
    check_name(label)
    check_prefix(prefix)
    if not 1 <= count <= CARDS_MAX:
        raise InvalidInput(f"A batch has 1 to {CARDS_MAX:,} cards.", code="invalid_count")


def check_prefix(prefix: str) -> None:
    if not re.fullmatch(PREFIX_PATTERN, prefix):
        raise InvalidInput("A prefix has 3 to 6 digits.", code="invalid_prefix")
    if may_begin_payment_card(prefix):
        raise InvalidInput(
            "Numbers of payment cards begin like this: use a prefix of no card issuer, like 629.",
            code="invalid_prefix",
        )


def add_batch(
    session: Unit, tenant_id: UUID, idempotency_key: str | None, created_by: str, wanted: dict[str, object]
) -> CardBatch | None:
    """None when there is one with this key. Waits for another that is making it right now."""
    statement = insert(CardBatch).values(
        tenant_id=tenant_id,
        batch_id=ids.new_id(),
        idempotency_key=idempotency_key,
        created_by=created_by,
        created_at=clock.now(),
        **wanted,
    )
    return session.scalar(
        statement.on_conflict_do_nothing(index_elements=["tenant_id", "idempotency_key"]).returning(CardBatch)
    )


def find_repeated(session: Unit, idempotency_key: str | None, wanted: dict[str, object]) -> CardBatch:
    batch = session.scalars(select(CardBatch).where(CardBatch.idempotency_key == idempotency_key)).one()
    if any(getattr(batch, name) != value for name, value in wanted.items()):
        raise Conflict(
            "This Idempotency-Key was used for another batch; use a new key for each new batch.",
            code="idempotency_key_reused",
            batch_id=ids.show(ids.CARD_BATCH, batch.batch_id),
        )
    return batch


def list_batches(tenant_id: UUID, after: UUID | None = None, limit: int | None = None) -> list[CardBatch]:
    """Oldest first, those made after the batch `after`."""
    statement = select(CardBatch).order_by(CardBatch.batch_id).limit(limit)
    if after is not None:
        statement = statement.where(CardBatch.batch_id > after)
    with unit_of_work(tenant_id) as session:
        return list(session.scalars(statement))


def find_batch(tenant_id: UUID, batch_id: UUID) -> CardBatch:
    with unit_of_work(tenant_id) as session:
        batch = session.get(CardBatch, (tenant_id, batch_id))
    if batch is None:
        raise NotFound("There is no such batch of cards in this network.", code="batch_unknown")
    return batch


def list_numbers(tenant_id: UUID, batch_id: UUID) -> list[str]:
    """The numbers of a batch's cards, in the order in which they were issued."""
    with unit_of_work(tenant_id, recorded_as=READ) as session:
        return list(session.scalars(select(Card.number).where(Card.batch_id == batch_id).order_by(Card.card_id)))
