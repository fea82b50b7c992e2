"""The periodic jobs, and the jobs they fan out to: one for each network, so that one network never delays another."""

from __future__ import annotations

from clearinghouse.audit.jobs import note_heads
from clearinghouse.erasure.jobs import erase_inactive_of
from clearinghouse.expiry.jobs import expire_network
from clearinghouse.holds.service import release_overdue_everywhere
from clearinghouse.ledger.service import ensure_partitions_ahead
from clearinghouse.webhooks.jobs import carry_all, purge_network, put
from settlement.disputes.jobs import expire_disputes_of
from settlement.exposure.jobs import update_network
from settlement.exposure.service import has_caps
from settlement.windows.jobs import close_due_months
from tenants.data_keys.jobs import encrypt_everything
from tenants.foundation.queue import QUEUE_NAME, job_queue
from tenants.networks.service import list_networks

CLOSE_SECONDS_MAX = 3600


def expire_all() -> None:
    """Hourly, because midnight comes at another hour in each time zone."""
    queue = job_queue()
    for tenant_id, _ in list_networks():
        queue.enqueue(expire_network, str(tenant_id), job_timeout=CLOSE_SECONDS_MAX)


def close_all() -> None:
    queue = job_queue()
    for tenant_id, _ in list_networks():
        queue.enqueue(close_due_months, str(tenant_id), job_timeout=CLOSE_SECONDS_MAX)


def measure_all() -> None:
    """Of networks whose job of the minute before is waiting still, that one will do."""
    for tenant_id, _ in list_networks():
        if has_caps(tenant_id):
            put(QUEUE_NAME, tenant_id, update_network, str(tenant_id))


def make_partitions() -> int:
    return ensure_partitions_ahead()


def purge_all() -> None:
    queue = job_queue()
    for tenant_id, _ in list_networks():
        queue.enqueue(purge_network, str(tenant_id), job_timeout=CLOSE_SECONDS_MAX)


def encrypt_all() -> None:
    job_queue().enqueue(encrypt_everything, job_timeout=CLOSE_SECONDS_MAX)


def erase_all_inactive() -> None:
    queue = job_queue()
    for tenant_id, _ in list_networks():
        queue.enqueue(erase_inactive_of, str(tenant_id), job_timeout=CLOSE_SECONDS_MAX)


def expire_all_disputes() -> None:
    queue = job_queue()
    for tenant_id, _ in list_networks():
        queue.enqueue(expire_disputes_of, str(tenant_id), job_timeout=CLOSE_SECONDS_MAX)


# (job, cron expression): minutes apart, so that a month's last expiry has run when its close comes up.
PERIODIC = (
    (release_overdue_everywhere, "* * * * *"),
    (measure_all, "* * * * *"),
    (expire_all, "5 * * * *"),
    (close_all, "35 * * * *"),
    (make_partitions, "50 3 * * *"),
    (erase_all_inactive, "50 2 * * *"),
    (encrypt_all, "20 3 * * *"),
    (purge_all, "20 4 * * *"),
    (expire_all_disputes, "40 4 * * *"),
    (note_heads, "55 4 * * *"),
)
# (job, seconds between two runs): asks what there is to do, and has it done by other jobs.
FREQUENT = ((carry_all, 3),)
