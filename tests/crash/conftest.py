"""Crash tests: each kind once with `make test`, and as long as you like with `make torture MINUTES=30`.

`CLEARINGHOUSE_TORTURE_MINUTES` says how long, `CLEARINGHOUSE_TORTURE_SEED` which choices; each failure prints its
seed. Choices can be made again, moments can't.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import new_network
from tests.crash.driver import Driver
from tests.crash.installation import Installation, an_installation

# 0: the short form.
TORTURE_MINUTES = float(os.environ.get("CLEARINGHOUSE_TORTURE_MINUTES") or 0)
only_torture = pytest.mark.skipif(not TORTURE_MINUTES, reason="takes long: `make torture`")


@pytest.fixture(scope="session")
def seed() -> int:
    return int(os.environ.get("CLEARINGHOUSE_TORTURE_SEED") or random.randrange(10**9))


@pytest.fixture
def chance(seed: int, request: pytest.FixtureRequest) -> random.Random:
    print(f"CLEARINGHOUSE_TORTURE_SEED={seed}")
    return random.Random(f"{seed} {request.node.name}")


MakeDriver = Callable[[], Driver]


@pytest.fixture
def make_driver(installation: Installation, chance: random.Random) -> Iterator[MakeDriver]:
    """Of a network of its own, whose members have points."""

    def make() -> Driver:
        network = new_network(installation.app)
        for store_code in "ABCD":
            network.add_till(store_code)
        driver = Driver(network, installation.port, chance.randrange(10**9))
        driver.fund()
        return driver

    with installation.app.app_context():
        yield make


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with an_installation() as found:
        yield found
