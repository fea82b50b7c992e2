from __future__ import annotations

import hashlib
from datetime import date
from uuid import UUID

import pytest

from settlement.seals.rules import (
    NOTHING,
    Proof,
    StoreSeal,
    leaf_data,
    leaf_hash,
    path_of,
    root_by_path,
    root_of,
)

# Of Certificate Transparency: the leaves, roots and audit paths of github.com/transparency-dev/merkle
# (testonly/constants.go, testdata/inclusion), which began in google/certificate-transparency.
LEAVES = [
    bytes.fromhex(data)
    for data in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# (index, size, path)
PATHS = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(data) for data in LEAVES[:size]]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert root_of(leaves_of(size)).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "path"), PATHS)
def test_audit_paths_are_those_of_certificate_transparency(index: int, size: int, path: list[str]) -> None:
    assert [node.hex() for node in path_of(leaves_of(size), index)] == path


def many_leaves(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 100])
def test_every_leaf_is_proven_by_its_path(size: int) -> None:
    leaves = many_leaves(size)
    root = root_of(leaves)

    for index, leaf in enumerate(leaves):
        assert Proof(leaf, index, size, path_of(leaves, index), root).holds


@pytest.mark.parametrize("size", [2, 3, 5, 8, 13])
def test_nothing_else_is_proven_by_it(size: int) -> None:
    leaves = many_leaves(size)
    root = root_of(leaves)
    for index, leaf in enumerate(leaves):
        path = path_of(leaves, index)
        wrong = [
            Proof(leaves[index - 1], index, size, path, root),
            Proof(leaf, (index + 1) % size, size, path, root),
            Proof(leaf, index, size, path[:-1], root),
            Proof(leaf, index, size, [*path, leaf], root),
            Proof(leaf, index, size, [leaf, *path[1:]], root),
            Proof(leaf, -1, size, path, root),
            Proof(leaf, size, size, path, root),
            Proof(leaf, index, size, path, leaf),
        ]

        assert [proof.holds for proof in wrong] == [False] * len(wrong)


def test_a_path_that_is_missing_or_too_long_proves_nothing() -> None:
    [leaf] = many_leaves(1)

    assert root_by_path(leaf, 0, 1, [leaf]) is None
    assert root_by_path(leaf, 0, 2, []) is None
    assert root_by_path(leaf, 0, 0, []) is None


NETWORK, STORE = UUID(int=1), UUID(int=2)


def test_a_leaf_says_network_month_store_and_number() -> None:
    data = leaf_data(NETWORK, date(2026, 1, 1), StoreSeal(STORE, 3, hashlib.sha256(b"x").digest()))

    assert data.decode() == (
        "net_00000000000000000000000001 2026-01 str_00000000000000000000000002 3 " + hashlib.sha256(b"x").hexdigest()
    )


def test_head_offices_leaf_names_the_network_twice() -> None:
    data = leaf_data(NETWORK, date(2026, 1, 1), StoreSeal(NETWORK, 0, NOTHING))

    assert data.decode().split()[2] == "net_00000000000000000000000001"
