from __future__ import annotations

import logging

from tenants.audit.heads import all_noted, note_head
from tenants.audit.rules import network_of
from tenants.audit.service import find_head
from tenants.foundation import clock, ids
from tenants.networks.service import list_networks

log = logging.getLogger(__name__)


def note_heads() -> int:
    """Every day, outside the database: where each chain ends that has grown; how many."""
    last = dict(all_noted())
    noted = 0
    for tenant_id, code in [(ids.INSTALLATION, "the installation"), *list_networks()]:
        head = find_head(tenant_id)
        if head is not None and head != last.get(network_of(tenant_id)):
            note_head(tenant_id, head, clock.now())
            log.info("audit head of %s: %s", code, head)
            noted += 1
    return noted
