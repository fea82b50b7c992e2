"""Batches of cards and what was done to a card, as the API answers them and as `--json` prints them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from clearinghouse.cards.files import LabelSheet, cards_csv
from clearinghouse.directory.service import show_moment
from tenants.card_batches.service import find_batch, list_numbers
from tenants.card_batches.tables import CardBatch
from tenants.foundation import ids
from tenants.foundation.database import unit_of_work
from tenants.members.service import list_changes
from tenants.members.tables import CardChange
from tenants.networks.service import get_network


def show_batch(batch: CardBatch) -> dict[str, Any]:
    return {
        "batch_id": ids.show(ids.CARD_BATCH, batch.batch_id),
        "label": batch.label,
        "prefix": batch.prefix,
        "cards": batch.cards,
        "created_by": batch.created_by,
        "created_at": show_moment(batch.created_at),
    }


def show_change(change: CardChange, other_card: str | None) -> dict[str, Any]:
    other_member_id = change.other_member_id
    return {
        "change_id": ids.show(ids.CARD_CHANGE, change.change_id),
        "action": change.action,
        "from_status": change.from_status,
        "to_status": change.to_status,
        "other_card": other_card,
        "other_member_id": ids.show(ids.MEMBER, other_member_id) if other_member_id else None,
        "reason": change.reason,
        "changed_by": change.changed_by,
        "changed_at": show_moment(change.changed_at),
    }


def show_changes(
    tenant_id: UUID, number: str, after: UUID | None = None, limit: int | None = None
) -> list[dict[str, Any]]:
    return [show_change(change, other) for change, other in list_changes(tenant_id, number, after, limit)]


def batch_csv(tenant_id: UUID, batch_id: UUID) -> bytes:
    return cards_csv(label_sheet(tenant_id, batch_id))


def batch_pdf(tenant_id: UUID, batch_id: UUID) -> bytes:
    # What draws takes 11 MB of memory; most processes draw nothing.
    from clearinghouse.cards.labels_pdf import cards_pdf

    return cards_pdf(label_sheet(tenant_id, batch_id))


def label_sheet(tenant_id: UUID, batch_id: UUID) -> LabelSheet:
    batch = find_batch(tenant_id, batch_id)
    numbers = list_numbers(tenant_id, batch_id)
    with unit_of_work(tenant_id):
        network_name = get_network(tenant_id).name
    return LabelSheet(network_name, batch.label, numbers)
