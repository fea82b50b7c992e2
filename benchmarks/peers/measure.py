"""(i) The same transfer with other ledgers for Python, on the same PostgreSQL server, by turns.

The peers post in process, which costs them neither HTTP nor a key nor a check of what a till sent. Ours posts in
process, over HTTP with all of that, and in batches over HTTP.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

from benchmarks.http import HttpServer, checked, measure_batch, single_requests
from benchmarks.load import Load, merged, saturate
from benchmarks.peers.crew import Contender, Crew, in_child, post_together
from benchmarks.world import Network, World, run
from tenants.foundation.database import normal_url

NEEDED = ("hordak", "django_ledger")
MISSING = "peers: left out, as django-hordak and django-ledger are not installed: " + (
    "pip install -c constraints.txt -e '.[peers]'"
)

CREWS = (Crew(1, 1), Crew(2, 1), Crew(2, 4))
CONNECTIONS = (8, 32)
BATCH_EVENTS = 1_000
ROUNDS = 2
# Of every contender, as making an account takes the peers some ten milliseconds. Batches come from all members: of so
# few, each would lock half.
MEMBERS = 500

HORDAK, HORDAK_TILL, DJANGO_LEDGER = "django-hordak, transfer alone", "django-hordak, as a till", "django-ledger"
OURS, HTTP, BATCHES = "clearinghouse, ledger", "clearinghouse over HTTP", "clearinghouse, batches"


@dataclass(frozen=True)
class PeerRun:
    """`clients`: processes x threads of each, or connections. Milliseconds are of one transfer; a batch has none."""

    name: str
    clients: str
    per_second: float
    milliseconds_median: float | None = None
    milliseconds_p99: float | None = None


def peers_are_installed() -> bool:
    return all(find_spec(package) for package in NEEDED)


def measure_peers(world: World, server: HttpServer, network: Network, seconds: int) -> list[PeerRun]:
    few = replace(network, cards=network.cards[:MEMBERS])
    contenders = [*make_peers(world), ours(world, few)]
    loads: dict[tuple[str, str], list[Load]] = defaultdict(list)
    batches: list[float] = []
    for _ in range(ROUNDS):
        for contender in contenders:
            settle(world)
            for crew in CREWS:
                loads[contender.name, str(crew)].append(post_together(contender, crew, seconds / ROUNDS))
        settle(world)
        for connections in CONNECTIONS:
            load = saturate(server.port, connections, single_requests(few), seconds / ROUNDS)
            loads[HTTP, f"{connections} connections"].append(checked(load))
        batches.append(measure_batch(server, network, BATCH_EVENTS, max(seconds // ROUNDS, 1)).per_second)
    singles = [run_of(name, clients, merged(measured)) for (name, clients), measured in loads.items()]
    return [*singles, PeerRun(BATCHES, f"of {BATCH_EVENTS:,}, 4 connections", sum(batches) / ROUNDS)]


def make_peers(world: World) -> list[Contender]:
    """Each with a database of its own and its accounts in it."""
    hordak = Contender(HORDAK, "benchmarks.peers.hordak", (make_database(world, "hordak"), MEMBERS))
    ledger = Contender(DJANGO_LEDGER, "benchmarks.peers.django_ledger", (make_database(world, "ledger"), MEMBERS))
    for peer in (hordak, ledger):
        in_child(peer, "prepare")
    return [hordak, replace(hordak, name=HORDAK_TILL, opens="open_till"), ledger]


def make_database(world: World, name: str) -> str:
    run(world, f"CREATE DATABASE peer_{name}")
    url = normal_url(world.database_url).set(database=f"peer_{name}")
    return url.render_as_string(hide_password=False)


def ours(world: World, network: Network) -> Contender:
    arguments = (world.database_url, world.redis_url, network.tenant_id, network.cards)
    return Contender(OURS, "benchmarks.peers.ours", arguments)


def settle(world: World) -> None:
    """What one contender left to be written is not written during the next one's turn."""
    run(world, "CHECKPOINT")


def run_of(name: str, clients: str, load: Load) -> PeerRun:
    return PeerRun(name, clients, load.per_second, load.percentile(50), load.percentile(99))


def best(runs: Sequence[PeerRun], name: str) -> float:
    """The rate with the clients that suit it best."""
    return max(run.per_second for run in runs if run.name == name)
