"""People as the admin API answers them and as `--json` prints them: one shape for both."""

from __future__ import annotations

from typing import Any

from clearinghouse.directory.service import show_moment
from tenants.foundation import ids
from tenants.foundation.encryption import read_field
from tenants.staff.tables import Staff
from tenants.stores.tables import Participant


def show_staff(person: Staff, participant: Participant | None) -> dict[str, Any]:
    return {
        "code": person.code,
        "name": read_field(person, "name"),
        "roles": person.roles,
        "participant": participant and participant.code,
        "staff_id": ids.show(ids.STAFF, person.staff_id),
        "created_at": show_moment(person.created_at),
        "left_at": person.left_at and show_moment(person.left_at),
    }
