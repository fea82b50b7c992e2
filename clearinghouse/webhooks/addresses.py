"""Which addresses a webhook's host has, and that none of them leads inside.

Asked when a URL is saved and again whenever a connection is made, which then goes to exactly the address that was
judged: a name that has changed its mind meanwhile gains nothing.
"""

from __future__ import annotations

from socket import SOCK_STREAM, getaddrinfo

from clearinghouse.webhooks.rules import Target, is_public
from tenants.foundation.errors import InvalidInput

ADDRESSES_MAX = 4


def resolve(target: Target, to_private: bool) -> list[str]:
    """The addresses to try, in turn; raises `InvalidInput` when there is none, or when one is not public."""
    try:
        found = getaddrinfo(target.host, target.port, type=SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InvalidInput(f"The host {target.host} can't be found: {error}.", code="webhook_host_unknown") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not to_private and not all(is_public(address) for address in addresses):
        raise InvalidInput(
            f"The host {target.host} leads to an address that is not public; webhooks call public addresses only.",
            code="webhook_address_not_public",
        )
    return addresses[:ADDRESSES_MAX]
