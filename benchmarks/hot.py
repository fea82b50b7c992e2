"""(j) All traffic on one store, or on one card, beside traffic that is spread evenly, by turns."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.http import WARM_UP_SECONDS, HttpServer, checked, single_requests
from benchmarks.load import Load, merged, saturate
from benchmarks.posting import number_after, pgbench
from benchmarks.world import MEMBERS, STORE_NUMBERS, Network, World, add_terminals

EVEN, STORE, CARD = "200 stores, 100,000 cards", "one store", "one card"
CONNECTIONS = 8
ROUNDS = 2
# As many tills as there are elsewhere, so that no key meets its rate limit.
TERMINAL_NUMBERS = range(STORE_NUMBERS.stop, STORE_NUMBERS.stop + len(STORE_NUMBERS))


@dataclass(frozen=True)
class HotRun:
    """`posting_per_second`: of the bare posting function, eight clients. The other figures are over HTTP."""

    name: str
    posting_per_second: float
    http_per_second: float
    milliseconds_p99: float


def measure_hot(world: World, server: HttpServer, network: Network, seconds: int) -> list[HotRun]:
    hot_keys = add_terminals(world, network.tenant_id, TERMINAL_NUMBERS, str(STORE_NUMBERS.start))
    networks = {
        EVEN: network,
        STORE: replace(network, keys=hot_keys),
        CARD: replace(network, cards=network.cards[:1]),
    }
    bounds = {EVEN: (len(STORE_NUMBERS), MEMBERS), STORE: (1, MEMBERS), CARD: (len(STORE_NUMBERS), 1)}
    rates: dict[str, list[float]] = {name: [] for name in networks}
    loads: dict[str, list[Load]] = {name: [] for name in networks}
    saturate(server.port, CONNECTIONS, single_requests(network), WARM_UP_SECONDS)
    for _ in range(ROUNDS):
        for name, hot in networks.items():
            output = pgbench(world, network, max(seconds // ROUNDS, 1), *bounds[name])
            rates[name].append(number_after(output, r"tps = "))
            load = saturate(server.port, CONNECTIONS, single_requests(hot), seconds / ROUNDS)
            loads[name].append(checked(load))
    return [run_of(name, sum(rates[name]) / ROUNDS, merged(loads[name])) for name in networks]


def run_of(name: str, posting_per_second: float, load: Load) -> HotRun:
    return HotRun(name, posting_per_second, load.per_second, load.percentile(99))
