"""The processes that share a run of the tests keep apart."""

from __future__ import annotations

import pytest
from redis import Redis

from tests.conftest import own_redis

URLS = ["unix:///run/redis.sock?db=0", "unix:///run/redis.sock", "redis://user:word@127.0.0.1:6379/5?protocol=3"]


@pytest.mark.parametrize("url", URLS)
def test_each_process_has_a_redis_database_of_its_own(url: str) -> None:
    databases = [Redis.from_url(own_redis(url, number)).get_connection_kwargs()["db"] for number in range(3)]

    assert databases == [0, 1, 2]
