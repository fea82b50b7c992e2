"""What stands in the code of a statement: which store's part of which settlement, and proof that we wrote it.

The ids are no secret; without the code that goes with them, which only this installation can make, they open nothing.
No table is needed, and a code never ends.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from uuid import UUID

# Half of an HMAC-SHA256: nobody guesses 128 bits, and the code is small enough to be scanned from paper.
CODE_BYTES = 16
TOKEN_BYTES = 3 * 16 + CODE_BYTES


@dataclass(frozen=True)
class Claim:
    tenant_id: UUID
    settlement_id: UUID
    store_id: UUID

    @property
    def parts(self) -> tuple[bytes, ...]:
        return self.tenant_id.bytes, self.settlement_id.bytes, self.store_id.bytes


def write_token(claim: Claim, code: bytes) -> str:
    """In the letters of base64url, without padding."""
    return base64.urlsafe_b64encode(b"".join((*claim.parts, code))).decode().rstrip("=")


def read_token(token: str) -> tuple[Claim, bytes] | None:
    """What it claims, and the code that has to be checked; None for what is no token."""
    try:
        content = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(content) != TOKEN_BYTES:
        return None
    claim = Claim(*(UUID(bytes=content[start : start + 16]) for start in (0, 16, 32)))
    return claim, content[48:]
