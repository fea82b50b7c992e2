"""Events on their way, in queues of their own: a long close delays none. Slow receivers have a queue apart, which is
served when nothing is due for the fast ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from clearinghouse.webhooks.delivery import carry, deliver, networks_with_work, purge
from tenants.foundation.queue import job_queue

FAST, SLOW = "webhooks", "webhooks-slow"
QUEUES = (FAST, SLOW)

JOB_SECONDS_MAX = 120
KEEP_FAILED_JOBS_SECONDS = 24 * 3600
UUID_CHARACTERS = 36


def carry_all() -> None:
    """Every few seconds; never by a till's request."""
    for tenant_id in networks_with_work():
        put(FAST, tenant_id, carry_network, str(tenant_id))


def carry_network(tenant_id: str) -> None:
    for endpoint_id, is_slow in carry(UUID(tenant_id)):
        put_delivery(tenant_id, endpoint_id, is_slow)


def deliver_to(tenant_id: str, endpoint_id: str) -> None:
    more = deliver(UUID(tenant_id), UUID(endpoint_id))
    if more is not None:
        put_delivery(tenant_id, *more)


def purge_network(tenant_id: str) -> int:
    return purge(UUID(tenant_id))


def put_delivery(tenant_id: str, endpoint_id: UUID, is_slow: bool) -> None:
    put(SLOW if is_slow else FAST, endpoint_id, deliver_to, tenant_id, str(endpoint_id))


def put(queue_name: str, subject: UUID, job: Callable[..., Any], *arguments: str) -> None:
    """Unless a job for the same subject is waiting already. Ids are not reused: that of a job whose worker was killed
    would block its successors."""
    queue = job_queue(queue_name)
    if str(subject) not in {job_id[:UUID_CHARACTERS] for job_id in queue.get_job_ids()}:
        queue.enqueue(
            job,
            *arguments,
            job_id=f"{subject}-{uuid4().hex[:8]}",
            job_timeout=JOB_SECONDS_MAX,
            result_ttl=0,
            failure_ttl=KEEP_FAILED_JOBS_SECONDS,
        )
