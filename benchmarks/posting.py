"""(a) The bare posting function under pgbench: what the database alone can do."""

from __future__ import annotations

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from uuid import UUID

from sqlalchemy.engine import make_url

from benchmarks.world import (
    CARD_PREFIX,
    FILES,
    MEMBERS,
    STORE,
    STORE_NUMBERS,
    TERMINAL,
    Network,
    World,
    ask,
    id_prefix,
    run,
)
from clearinghouse.ledger.service import Grant, accrual, common_fields, ledger
from clearinghouse.programme.rules import expires_on
from tenants.foundation import clock
from tenants.foundation.database import PLANS_BY_INDEX, connect_arguments
from tenants.foundation.luhn import check_digit

CLIENTS, THREADS = 8, 2
# Of ten events.
ACCRUALS, REDEMPTIONS = 8, 2

# What a member has before anything is measured: enough for most redemptions, which take 1 to 100.
SEED_POINTS = 1_000
SEED_BATCH = 250

# Ids rise with time in their first digits, as UUIDv7 does, and are random in their last.
# Digits of a card number that Luhn doubles count 2d, less 9 from 5 on.
COMMON_VARIABLES = f"""
\\set n :n + 1
\\set member random(0, :members - 1)
\\set ones :member % 10
\\set tens :member / 10 % 10
\\set hundreds :member / 100 % 10
\\set thousands :member / 1000 % 10
\\set myriads :member / 10000
\\set doubled 2 * (:ones + :hundreds + :myriads) - 9 * (:ones / 5 + :hundreds / 5 + :myriads / 5)
\\set check (10 - (:prefix_sum + :doubled + :tens + :thousands) % 10) % 10
\\set card {int(CARD_PREFIX) * 10**6} + 10 * :member + :check
\\set store random({STORE_NUMBERS.start}, {STORE_NUMBERS.start - 1} + :stores)
\\set points random(1, 100)
\\set a random(100000000000, 999999999999)
\\set b random(100000000000, 999999999999)
"""

COMMON_FIELDS = f"""
"transfer_id":":n-0000-7000-8000-:a",
"store_id":"{id_prefix(STORE)}000000000:store","terminal_id":"{id_prefix(TERMINAL)}000000000:store",
"order_ref":":run.:client_id.:n","card":":card","amount": :points,"points": :points,
"programme_version":1,"occurred_at":":moment","business_date":":day","idempotency_key":":a-:b",
"request_hash":"\\\\x1234:a:b:a:b:a"
""".replace("\n", "")

GRANTS = (
    f'"grants":[{{"lot_id":":n-0000-7000-9000-:a","funder_id":"{id_prefix(STORE)}000000000:store",'
    '"points": :points,"expires_on":":last_day"}]'
)

CALL = "SELECT outcome, code, (transfer).points FROM ledger.post(':tenant', '[{{{}}}]');\n"


@dataclass(frozen=True)
class PgbenchRun:
    """`redeemed` is the share of the redemptions that were posted."""

    per_second: float
    milliseconds_mean: float
    redeemed: float


def seed(network: Network) -> None:
    """Points for every member, so that redemptions find some."""
    batches = [network.cards[start : start + SEED_BATCH] for start in range(0, MEMBERS, SEED_BATCH)]
    book = ledger()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda cards: book.post(network.tenant_id, seed_events(cards)), batches))


def seed_events(cards: list[str]) -> list[dict[str, object]]:
    now = clock.now()
    grant = Grant(numbered_id(STORE, STORE_NUMBERS.start), SEED_POINTS, last_usable_day(now.date()))
    terminal_id = numbered_id(TERMINAL, STORE_NUMBERS.start)
    return [
        accrual(
            [grant],
            SEED_POINTS * 100,
            1,
            card,
            **common_fields(
                now, now.date(), terminal_id, grant.funder_id, f"seed.{card}", f"seed.{card}", b"\0" * 32
            ),
        )
        for card in cards
    ]


def numbered_id(noun: int, number: int) -> UUID:
    return UUID(f"{id_prefix(noun)}{number:012d}")


def last_usable_day(day: date) -> date:
    return expires_on("P12M", day)


def measure_posting(world: World, network: Network, seconds: int) -> PgbenchRun:
    run(world, "VACUUM ANALYZE ledger.transfers, ledger.lots, ledger.wallets, ledger.postings")
    run(world, "CHECKPOINT")
    before = count_redemptions(world, network)
    output = pgbench(world, network, seconds)
    wanted = transactions_of(output, "redemption.sql")
    return PgbenchRun(
        number_after(output, r"tps = "),
        number_after(output, r"latency average = "),
        (count_redemptions(world, network) - before) / wanted,
    )


def count_redemptions(world: World, network: Network) -> int:
    counted: int = ask(
        world,
        "SELECT count(*) FROM ledger.transfers WHERE tenant_id = :tenant AND kind = 'redemption'",
        tenant=network.tenant_id,
    )
    return counted


def pgbench(
    world: World, network: Network, seconds: int, stores: int = len(STORE_NUMBERS), members: int = MEMBERS
) -> str:
    """Posts for the first stores and members."""
    scripts = write_scripts(FILES)
    command = [
        str(world.binaries / "pgbench"),
        "--no-vacuum",
        f"--client={CLIENTS}",
        f"--jobs={THREADS}",
        f"--time={seconds}",
        *(f"--define={name}={value}" for name, value in variables(network, stores, members).items()),
        f"--file={scripts[0]}@{ACCRUALS}",
        f"--file={scripts[1]}@{REDEMPTIONS}",
    ]
    done = subprocess.run(command, env=environment(world), check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"pgbench failed:\n{done.stderr}")
    return done.stdout


def write_scripts(folder: Path) -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    accrual_path, redemption_path = folder / "accrual.sql", folder / "redemption.sql"
    accrual_path.write_text(COMMON_VARIABLES + CALL.format(f'"kind":"accrual",{COMMON_FIELDS},{GRANTS}'))
    redemption_path.write_text(COMMON_VARIABLES + CALL.format(f'"kind":"redemption",{COMMON_FIELDS}'))
    return accrual_path, redemption_path


def variables(network: Network, stores: int, members: int) -> dict[str, object]:
    now = clock.now()
    return {
        "tenant": network.tenant_id,
        "stores": stores,
        "members": members,
        "n": 10_000_000,
        "run": int(now.timestamp()),
        "moment": now.isoformat(),
        "day": now.date(),
        "last_day": last_usable_day(now.date()),
        "prefix_sum": -int(check_digit(f"{CARD_PREFIX}00000")) % 10,
    }


def environment(world: World) -> dict[str, str]:
    """As the application's posting engine connects: same role, same settings."""
    url = make_url(world.database_url)
    arguments = connect_arguments(*PLANS_BY_INDEX)
    return {
        **os.environ,
        "PGHOST": str(url.query["host"]),
        "PGPORT": str(url.query["port"]),
        "PGUSER": str(url.username),
        "PGDATABASE": str(url.database),
        "PGOPTIONS": arguments["options"],
    }


def transactions_of(output: str, script: str) -> int:
    section = output[output.index(script) :]
    return int(number_after(section, r"- "))


def number_after(output: str, pattern: str) -> float:
    found = re.search(pattern + r"([\d.]+)", output)
    if found is None:
        raise RuntimeError(f"pgbench printed no {pattern!r}:\n{output}")
    return float(found[1])
