"""A worker of RQ that stops without losing a job, and whose lines say which job they are of.

RQ's own ends by an exception that comes out wherever it is, also when it has just taken a job from a queue: that job
is nowhere then. This one is told to stop between two looks at its queues.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterable
from types import FrameType
from typing import Any

from redis import Redis
from redis.client import Pipeline
from rq import Queue, Worker
from rq.exceptions import DequeueTimeout, InvalidJobOperation, StopRequested
from rq.executions import Execution
from rq.job import Job

from clearinghouse.webhooks.jobs import QUEUES as QUEUES_OF_WEBHOOKS
from tenants.foundation import logs
from tenants.foundation.acts import acting
from tenants.foundation.calls import calls
from tenants.foundation.database import db
from tenants.foundation.database_errors import explain_database_error
from tenants.foundation.errors import Unavailable
from tenants.foundation.lifetimes import end_with
from tenants.foundation.queue import act_of

log = logging.getLogger(__name__)

Taken = tuple[Job, Queue]

# How long a look at the queues lasts, and so at most how long an idle worker goes on after it was told to stop.
LOOK_SECONDS = 1
# A worker that says nothing for longer than this and a minute is taken for gone.
WORKER_SECONDS = 60
# How often a worker looks for jobs whose worker was killed, which are then done again. RQ's own 10 minutes are long
# for whoever waits for statements.
MAINTENANCE_SECONDS = 60
# Two signals as close as this are one: Ctrl-C and systemd send to the whole family what serve passes on.
SAME_SIGNAL_SECONDS = 1.0


class ForkingWorker(Worker):
    """Runs each job in a fork, which must not use the connections it was born with: they are its parent's."""

    # Seconds between two tries to reach Redis.
    max_connection_wait_time = 5.0

    told_to_stop_at: float | None = None
    is_hurried = False
    is_looking = False

    def __init__(self, queues: list[Queue], connection: Redis) -> None:
        super().__init__(
            queues, connection=connection, maintenance_interval=MAINTENANCE_SECONDS, worker_ttl=WORKER_SECONDS
        )
        self.queue_class = queue_of(self)

    # ------------------------------------------------------------- stopping

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Finish the job at hand, take no other. A second time: put it back instead."""
        if self.told_to_stop_at is None:
            self.told_to_stop_at = time.monotonic()
            self._stop_requested = True
        elif time.monotonic() - self.told_to_stop_at > SAME_SIGNAL_SECONDS:
            self.is_hurried = True
            if self.horse_pid:
                self.kill_horse()

    def handle_job_failure(self, job: Job, queue: Queue, *arguments: Any, **more: Any) -> None:
        """A job that was stopped by a second signal goes back to the front of its queue."""
        if self.is_hurried:
            log.warning("the job is put back, as the worker has to stop", extra=fields_of(job))
            job.retries_left = (job.retries_left or 0) + 1
            job.enqueue_at_front_on_retry = True
        super().handle_job_failure(job, queue, *arguments, **more)

    def dequeue_job_and_maintain_ttl(self, timeout: int | None, max_idle_time: int | None = None) -> Taken | None:
        self.is_looking = True
        try:
            return super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)
        finally:
            self.is_looking = False

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Comes before each look at the queues, also while Redis is down."""
        self.stop_if_told()
        super().heartbeat(timeout, pipeline)

    def stop_if_told(self) -> None:
        """Raises `StopRequested`, as long as no job has been taken."""
        if self.is_looking and self._stop_requested:
            raise StopRequested

    # ------------------------------------------------------------- one job

    def execute_job(self, job: Job, queue: Queue) -> None:
        began = time.perf_counter()
        super().execute_job(job, queue)
        # Those of webhooks come every few seconds.
        level = logging.DEBUG if job.origin in QUEUES_OF_WEBHOOKS else logging.INFO
        if log.isEnabledFor(level):
            milliseconds = round((time.perf_counter() - began) * 1000, 3)
            more = {"outcome": outcome_of(job), "duration_ms": milliseconds}
            log.log(level, "the job has ended", extra={**fields_of(job), **more})

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        # Without its worker nobody would hear of its end, and another worker does the job again.
        end_with(self.pid or 0, signal.SIGKILL)
        logs.bound.update(fields_of(job))
        db.engine.dispose(close=False)
        calls().engine.dispose(close=False)
        with acting(act_of(job)):
            super().main_work_horse(job, queue)

    def _finalize_failure(self, job: Job, queue: Queue, execution: Execution, exc_info: logs.ErrorInfo) -> None:
        """RQ would log and keep whatever the error says, personal data too.

        A database that is away is told in one line: jobs fail every few seconds for as long as it lasts.
        """
        explained = explain_database_error(exc_info[1]) if exc_info[1] else None
        if isinstance(explained, Unavailable):
            log.warning("the job has failed", extra={**fields_of(job), "code": explained.code})
        else:
            log.error("the job has failed", exc_info=exc_info, extra=fields_of(job))  # type: ignore[arg-type]
        told = JobFailed(logs.hide(logs.stack_of(exc_info[1])))
        super()._finalize_failure(job, queue, execution, (JobFailed, told, None))

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """It has been logged."""


class JobFailed(Exception):
    """Stands for the error that a job ended with, and tells of it what may be kept."""


def queue_of(worker: ForkingWorker) -> type[Queue]:
    """Queues that this worker looks at for a second at a time."""

    class WatchedQueue(Queue):
        @classmethod
        def dequeue_any(cls, queues: Iterable[Queue], timeout: int | None, *where: Any, **how: Any) -> Taken | None:
            until = time.monotonic() + (timeout or 0)
            while True:
                worker.stop_if_told()
                try:
                    taken = super().dequeue_any(queues, timeout and LOOK_SECONDS, *where, **how)
                    worker.is_looking = False
                    return taken
                except DequeueTimeout:
                    if time.monotonic() >= until:
                        raise

    return WatchedQueue


def fields_of(job: Job) -> dict[str, Any]:
    return {"job_id": job.id, "function": job.func_name, "queue": job.origin}


def outcome_of(job: Job) -> str:
    try:
        return str(job.get_status().value)
    except InvalidJobOperation:
        # Its result is not kept.
        return "finished"
