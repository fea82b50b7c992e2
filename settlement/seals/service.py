"""Sealing a closed month: what its transfers hash to, store by store, and the one root over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import select

from settlement.seals import queries
from settlement.seals.rules import Proof, leaf_data, leaf_hash, path_of, root_of
from settlement.seals.tables import SealRow
from settlement.windows.tables import Window
from tenants.foundation.database import Unit, unit_of_work
from tenants.foundation.errors import Conflict, NotFound
from tenants.foundation.months import show_month
from tenants.stores.rules import HEAD_OFFICE
from tenants.stores.tables import Store


@dataclass(frozen=True)
class SealedStore:
    code: str
    transfers: int
    leaf: bytes


@dataclass(frozen=True)
class SealedMonth:
    """`stores` in the order of the tree's leaves."""

    month: date
    root: bytes
    stores: list[SealedStore]


@dataclass(frozen=True)
class StoreProof:
    """`data` is what the store's transfers come to now; it hashes to the leaf as long as none of them has changed."""

    month: date
    code: str
    transfers: int
    data: bytes
    proof: Proof

    @property
    def holds(self) -> bool:
        return leaf_hash(self.data) == self.proof.leaf and self.proof.holds


def seal_window(session: Unit, window: Window) -> None:
    """Of a window with its positions, whose row the caller has locked. What is sealed stays as it is."""
    if window.merkle_root is not None:
        return
    seals = queries.seals_now(session, window)
    leaves = [leaf_hash(leaf_data(window.tenant_id, window.month, seal)) for seal in seals]
    session.add_all(
        SealRow(
            tenant_id=window.tenant_id,
            month=window.month,
            store_id=seal.store_id,
            transfers=seal.transfers,
            leaf=leaf,
        )
        for seal, leaf in zip(seals, leaves, strict=True)
    )
    window.merkle_root = root_of(leaves)
    session.flush()


def proof_of(session: Unit, month: date, store_id: UUID) -> Proof:
    """Of a store, or with the network's id of head office. Raises `Conflict` for a month that is not sealed, and
    `NotFound` for a store that it does not have."""
    root = root_kept(session, month)
    rows = queries.kept_seals(session, month)
    index = next((index for index, row in enumerate(rows) if row.store_id == store_id), None)
    if index is None:
        raise NotFound(f"The store was not there yet in {show_month(month)}.", code="store_unknown")
    leaves = [row.leaf for row in rows]
    return Proof(leaves[index], index, len(leaves), path_of(leaves, index), root)


def root_kept(session: Unit, month: date) -> bytes:
    window = session.scalar(select(Window).where(Window.month == month))
    if window is None:
        raise NotFound(
            f"{show_month(month)} has not been closed; `clearinghouse window list` shows the months.",
            code="window_unknown",
        )
    if window.merkle_root is None:
        raise Conflict(
            f"{show_month(month)} is not sealed yet. One that was published before there were seals is sealed when "
            "its settlement is proposed.",
            code="window_not_sealed",
        )
    return window.merkle_root


def list_seals(tenant_id: UUID, month: date) -> SealedMonth:
    with unit_of_work(tenant_id) as session:
        root = root_kept(session, month)
        codes = {store_id: code for store_id, code in session.execute(select(Store.store_id, Store.code))}
        codes[tenant_id] = HEAD_OFFICE
        rows = queries.kept_seals(session, month)
        return SealedMonth(month, root, [SealedStore(codes[row.store_id], row.transfers, row.leaf) for row in rows])


def prove_store(tenant_id: UUID, month: date, code: str, participant_id: UUID | None = None) -> StoreProof:
    """`code` may be `HQ`. With `participant_id` only of that participant's stores: others count as unknown."""
    with unit_of_work(tenant_id) as session:
        store_id = find_sealed(session, tenant_id, code, participant_id)
        proof = proof_of(session, month, store_id)
        window = session.scalars(select(Window).where(Window.month == month)).one()
        seal = queries.seal_now(session, window, store_id)
    return StoreProof(month, code, seal.transfers, leaf_data(tenant_id, month, seal), proof)


def find_sealed(session: Unit, tenant_id: UUID, code: str, participant_id: UUID | None) -> UUID:
    if code == HEAD_OFFICE and participant_id is None:
        return tenant_id
    statement = select(Store.store_id).where(Store.code == code)
    if participant_id is not None:
        statement = statement.where(Store.participant_id == participant_id)
    store_id = session.scalar(statement)
    if store_id is None:
        raise NotFound(f"There is no store {code!r} in this network.", code="store_unknown")
    return store_id
