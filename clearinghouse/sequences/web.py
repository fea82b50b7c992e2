"""What has been received of a terminal's numbered events, under /v1."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from clearinghouse.sequences.schemas import SequenceSchema
from clearinghouse.sequences.service import sequence_of_terminal
from tenants.credentials.rules import DIRECTORY, HQ, READ, STAFF, TERMINAL
from tenants.credentials.service import Principal
from tenants.credentials.web import authenticated
from tenants.foundation import ids
from tenants.foundation.web import answer

sequences = APIBlueprint("sequences", __name__, url_prefix="/v1", tag="Points of sale")


@sequences.get("/sequences")
@authenticated(TERMINAL, scope=READ)
@sequences.output(SequenceSchema)
def get_own_sequence(principal: Principal) -> Response:
    """Which of its own sequence numbers this terminal has sent, and which are missing

    A till that has lost its memory goes on after `highest_sequence`.
    """
    assert principal.terminal_id is not None
    return answer(sequence_of_terminal(principal.tenant_id, principal.terminal_id))


@sequences.get("/terminals/<terminal_id>/sequence")
@authenticated(HQ, STAFF, scope=(READ, DIRECTORY))
@sequences.output(SequenceSchema)
def get_sequence(principal: Principal, terminal_id: str) -> Response:
    """Which of its own sequence numbers a terminal has sent, and which are missing"""
    return answer(sequence_of_terminal(principal.tenant_id, ids.parse(ids.TERMINAL, terminal_id)))
