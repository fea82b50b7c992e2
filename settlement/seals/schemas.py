from __future__ import annotations

from apiflask import Schema
from marshmallow import fields


class StoreSealSchema(Schema):
    store = fields.String(metadata={"description": "HQ: the transfers that no store made"})
    transfers = fields.Integer()
    leaf = fields.String(metadata={"description": "SHA-256 in hexadecimal, as all hashes here"})


class SealsSchema(Schema):
    month = fields.String()
    root = fields.String(metadata={"description": "Of the Merkle tree (RFC 6962) over the leaves in this order"})
    stores = fields.List(fields.Nested(StoreSealSchema))


class StoreProofSchema(Schema):
    month = fields.String()
    store = fields.String()
    transfers = fields.Integer()
    data = fields.String(
        metadata={
            "description": "Network, month, store, number of transfers, and the SHA-256 of all their hashes, one "
            "after the other in the order of their ids; the leaf is the SHA-256 of a zero byte and this text"
        }
    )
    leaf = fields.String()
    leaf_index = fields.Integer()
    tree_size = fields.Integer()
    audit_path = fields.List(fields.String(), metadata={"description": "As RFC 6962, from the leaf to the root"})
    root = fields.String()
    holds = fields.Boolean(metadata={"description": "Whether data hashes to the leaf, and leaf and path to the root"})
