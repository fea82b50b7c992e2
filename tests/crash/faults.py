"""What can happen to an installation while tills post: how it is done, what tills may see of it, what a log says."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tenants.foundation.lifetimes import children_of
from tests.crash.driver import Driver
from tests.crash.installation import Installation, kill
from tests.crash.proxy import CuttingProxy
from tests.observability.serving import is_running
from tests.waiting import wait_until

# How long something is broken that does not break at once.
BROKEN_SECONDS = 1.5

NO_ANSWER, DATABASE_AWAY = "no answer", "503 database_unavailable"

Victims = Callable[[Installation], list[int]]
Inject = Callable[[Installation, Driver, random.Random], None]


@dataclass(frozen=True)
class Fault:
    """`seen`: what tills see of it besides answers, and they do. `log`: a pattern that a log has afterwards.

    `is_special`: left to the long form, as another one shows nearly the same.
    """

    name: str
    inject: Inject
    seen: tuple[str, ...] = ()
    log: str = ""
    is_special: bool = False


def those(victims: Victims, installation: Installation) -> list[int]:
    """They may be on their way back from another fault."""
    wait_until(lambda: bool(victims(installation)), "there is something to break")
    return victims(installation)


def kill_one(victims: Victims, installation: Installation, driver: Driver, chance: random.Random) -> None:
    kill([chance.choice(those(victims, installation))])


def kill_all(victims: Victims, installation: Installation, driver: Driver, chance: random.Random) -> None:
    """With what they have started, such as the job that a worker is at."""
    found = those(victims, installation)
    kill([child for pid in found for child in children_of(pid)] + found)


def freeze(victims: Victims, installation: Installation, driver: Driver, chance: random.Random) -> None:
    """Hung, but not gone."""
    frozen = those(victims, installation)
    kill(frozen, signal.SIGSTOP)
    try:
        time.sleep(BROKEN_SECONDS)
    finally:
        kill(frozen, signal.SIGCONT)


def all_of_the_jobs(installation: Installation) -> list[int]:
    return installation.job_worker() + installation.webhook_worker() + installation.scheduler()


def both_servers(installation: Installation) -> list[int]:
    return installation.postmaster() + installation.redis()


def kill_everything(installation: Installation, driver: Driver, chance: random.Random) -> None:
    """As the kernel does when memory has run out, or a machine that is switched off; something starts it again."""
    kill(installation.everything() + installation.postmaster() + installation.redis())
    assert installation.process is not None
    installation.process.wait()
    installation.start()


def kill_serve(installation: Installation, driver: Driver, chance: random.Random) -> None:
    """Alone: its children have to notice."""
    before = installation.everything()
    kill([installation.parent])
    assert installation.process is not None
    installation.process.wait()
    wait_until(lambda: not any(map(is_running, before)), "the children of a killed serve end")
    installation.start()


def stop_serve(installation: Installation, driver: Driver, chance: random.Random) -> None:
    """As an upgrade does."""
    installation.stop()
    installation.start()


def hang_up(installation: Installation, driver: Driver, chance: random.Random) -> None:
    driver.hang_up_share = 0.5
    time.sleep(BROKEN_SECONDS)
    driver.hang_up_share = 0.0


def cut_lines(installation: Installation, driver: Driver, chance: random.Random) -> None:
    proxy = CuttingProxy(installation.port, chance)
    driver.port = proxy.port
    time.sleep(BROKEN_SECONDS)
    driver.port = installation.port
    proxy.close()


FAULTS = [
    Fault("all HTTP workers are killed", partial(kill_all, Installation.http_workers), (NO_ANSWER,),
          r"Unexpected exit from worker-\d"),
    Fault("an HTTP worker is killed", partial(kill_one, Installation.http_workers), (NO_ANSWER,),
          r"Unexpected exit from worker-\d", is_special=True),
    Fault("the HTTP server is killed", partial(kill_one, Installation.http_server), (NO_ANSWER,),
          r"the http ended with status -9; starting it again"),
    Fault("workers and scheduler are killed", partial(kill_all, all_of_the_jobs), (),
          r"the scheduler ended with status -9; starting it again"),
    Fault("the job worker is killed", partial(kill_all, Installation.job_worker), (),
          r"the worker ended with status -9; starting it again", is_special=True),
    Fault("the worker of webhooks is killed", partial(kill_all, Installation.webhook_worker), (),
          r"the webhooks ended with status -9; starting it again", is_special=True),
    Fault("the scheduler is killed", partial(kill_all, Installation.scheduler), (),
          r"the scheduler ended with status -9; starting it again", is_special=True),
    Fault("PostgreSQL is killed", partial(kill_one, Installation.postmaster), (DATABASE_AWAY,),
          r"PostgreSQL had ended; started again"),
    Fault("the backend of a connection is killed", partial(kill_one, Installation.backends), (DATABASE_AWAY,),
          r"client backend \(PID \d+\) was terminated by signal 9"),
    Fault("PostgreSQL hangs", partial(freeze, Installation.all_of_postgresql), ()),
    # Not after Redis was killed: for some seconds it is not asked then.
    Fault("Redis hangs", partial(freeze, Installation.redis), (),
          r"Redis can't be asked .*requests pass uncounted until it is back"),
    Fault("Redis is killed", partial(kill_one, Installation.redis), (), r"Redis had ended; started again"),
    Fault("PostgreSQL and Redis are killed", partial(kill_all, both_servers), (DATABASE_AWAY,),
          r"PostgreSQL had ended; started again(.|\n)*Redis had ended; started again", is_special=True),
    Fault("serve is killed", kill_serve, (NO_ANSWER,), is_special=True),
    Fault("serve is stopped and started again", stop_serve, (NO_ANSWER,), is_special=True),
    Fault("everything is killed at once", kill_everything, (NO_ANSWER,),
          r"database system was not properly shut down"),
    Fault("tills hang up without waiting", hang_up, (NO_ANSWER,)),
    Fault("lines are cut in requests and answers", cut_lines, (NO_ANSWER,)),
]  # fmt: skip
