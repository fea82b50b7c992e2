"""Seals as others see them; hashes in hexadecimal."""

from __future__ import annotations

from typing import Any

from settlement.seals.service import SealedMonth, StoreProof
from tenants.foundation.months import show_month


def show_seals(sealed: SealedMonth) -> dict[str, Any]:
    return {
        "month": show_month(sealed.month),
        "root": sealed.root.hex(),
        "stores": [
            {"store": store.code, "transfers": store.transfers, "leaf": store.leaf.hex()} for store in sealed.stores
        ],
    }


def show_store_proof(store: StoreProof) -> dict[str, Any]:
    proof = store.proof
    return {
        "month": show_month(store.month),
        "store": store.code,
        "transfers": store.transfers,
        "data": store.data.decode(),
        "leaf": proof.leaf.hex(),
        "leaf_index": proof.index,
        "tree_size": proof.size,
        "audit_path": [node.hex() for node in proof.path],
        "root": proof.root.hex(),
        "holds": store.holds,
    }
