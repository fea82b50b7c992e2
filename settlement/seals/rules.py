"""What a month's transfers hash to: the Merkle tree of RFC 6962 (Certificate Transparency) over its stores.

Each store has a leaf, also one without transfers; head office, under the network's id, has one for the transfers that
no store made. A leaf's data says how many transfers the store had and gives one SHA-256 over all their hashes, one
after the other, in the order of their ids. Who has the store's transfers can recompute it, and with the path to the
root see that the root holds them, without seeing anything of another store. A tree of transfers instead of one hash
would prove a single transfer without the others, for millions of nodes a month: a store has them all anyway.

Each transfer's hash holds its member's previous one (docs/ledger.md), so the root fixes the chains too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from tenants.foundation import ids
from tenants.foundation.months import show_month

# What the hashes of no transfers hash to, and the root of a tree without leaves.
NOTHING = hashlib.sha256().digest()


@dataclass(frozen=True)
class StoreSeal:
    """`digest`: SHA-256 over the hashes of all the store's transfers of the month, in the order of their ids."""

    store_id: UUID
    transfers: int
    digest: bytes


@dataclass(frozen=True)
class Proof:
    """That `leaf`, number `index` (from 0) of `size`, is in the tree of `root`: the audit path of RFC 6962."""

    leaf: bytes
    index: int
    size: int
    path: Sequence[bytes]
    root: bytes

    @property
    def holds(self) -> bool:
        return root_by_path(self.leaf, self.index, self.size, self.path) == self.root


def leaf_data(tenant_id: UUID, month: date, seal: StoreSeal) -> bytes:
    """Text with one space between: network, month, store (or the network again), number of transfers, digest."""
    network = ids.show(ids.NETWORK, tenant_id)
    store = network if seal.store_id == tenant_id else ids.show(ids.STORE, seal.store_id)
    return f"{network} {show_month(month)} {store} {seal.transfers} {seal.digest.hex()}".encode()


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """`leaves` are hashes already."""
    if not leaves:
        return NOTHING
    if len(leaves) == 1:
        return leaves[0]
    split = split_of(len(leaves))
    return node_hash(root_of(leaves[:split]), root_of(leaves[split:]))


def path_of(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """What the leaf is to be hashed with, one after the other, to come to the root."""
    if len(leaves) == 1:
        return []
    split = split_of(len(leaves))
    if index < split:
        return [*path_of(leaves[:split], index), root_of(leaves[split:])]
    return [*path_of(leaves[split:], index - split), root_of(leaves[:split])]


def root_by_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """None for a path of the wrong length, which proves nothing."""
    if not 0 <= index < size:
        return None
    if size == 1:
        return None if path else leaf
    if not path:
        return None
    split = split_of(size)
    if index < split:
        left = root_by_path(leaf, index, split, path[:-1])
        return left and node_hash(left, path[-1])
    right = root_by_path(leaf, index - split, size - split, path[:-1])
    return right and node_hash(path[-1], right)


def split_of(size: int) -> int:
    """The largest power of two that is smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1
