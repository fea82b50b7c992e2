"""Who is doing what at the moment: said once, where a request, a command or a job begins.

`tenants.foundation.database.unit_of_work` enters it into the audit log with whatever it writes. Nobody who says
nothing goes unrecorded: what writes then is entered as `UNSAID`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace

# Kinds of actors: a key of head office, a person, whoever has a shell, a job, and code that does not say.
KEY, STAFF, COMMAND_LINE, JOB, PROGRAM = "key", "staff", "command line", "job", "program"
# What came of an act: it wrote something, it was shown something worth recording, it was refused.
DONE, READ, REFUSED = "done", "read", "refused"

SCHEDULER = "scheduler"


@dataclass(frozen=True)
class Act:
    """`actor` is the id of a key, the code of a person, a user of the operating system, or for whom a job is done.

    `via`: with which key a person came, which user used the person's name at the command line, which job it is.
    `action` is a method and a route, the words of a command, or the name of a job. `subject` are names and values
    of what it was done to. `content` is what was sent, of which only a digest is kept. `refused_because` is an error
    code.
    """

    kind: str
    actor: str
    action: str
    via: str | None = None
    subject: tuple[tuple[str, str], ...] = ()
    request_id: str | None = None
    content: bytes = b""
    refused_because: str | None = None

    @property
    def shown_actor(self) -> str:
        """For whom a job is done that this act puts in."""
        return self.actor if self.kind == JOB else f"{self.kind} {self.actor}"

    def about(self, *subject: tuple[str, str]) -> Act:
        return replace(self, subject=(*self.subject, *subject))


UNSAID = Act(PROGRAM, "unsaid", "unsaid")

_current: ContextVar[Act | None] = ContextVar("act", default=UNSAID)


def current_act() -> Act | None:
    """None for what the audit log leaves to other records: see `acting`."""
    return _current.get()


class acting:
    """`with acting(act):` says who does what follows.

    None is for tills, whose requests are in the ledger, and for `unrecorded`. A class, because every request of a
    till goes through it: a generator takes four times as long.
    """

    __slots__ = ("act", "token")

    def __init__(self, act: Act | None) -> None:
        self.act = act
        self.token: Token[Act | None] | None = None

    def __enter__(self) -> None:
        self.token = _current.set(self.act)

    def __exit__(self, *_: object) -> None:
        assert self.token is not None
        _current.reset(self.token)


@contextmanager
def unrecorded() -> Iterator[None]:
    """What is no administrative act, whoever sets it off: sums kept to save time, deliveries of webhooks."""
    with acting(None):
        yield
