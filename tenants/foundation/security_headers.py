"""Headers that tell browsers to do less with an answer, on every answer that the application gives.

They are put on outside Flask, as one list: a `Headers` object would look for each of them in all others, twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Nothing is loaded, run, framed or posted from an answer. Pages say themselves what else they need.
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

ALWAYS = (
    ("Content-Security-Policy", NOTHING),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    # Money, points and people: not in the cache of a browser or of a proxy.
    ("Cache-Control", "no-store"),
    # Instead of the name of the HTTP server, which helps nobody but who looks for one with holes.
    ("Server", "clearinghouse"),
)
# Browsers heed it on https only, so it is sent wherever the public address is one. Subdomains are others' business.
TRANSPORT = ("Strict-Transport-Security", f"max-age={365 * 24 * 60 * 60}")


class SecurityHeaders:
    """Adds those that an answer does not have, spelt as here."""

    def __init__(self, application: WSGIApplication, public_url: str) -> None:
        self.application = application
        self.headers = [*ALWAYS, *([TRANSPORT] if urlsplit(public_url).scheme == "https" else [])]
        self.names = frozenset(name for name, _ in self.headers)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            present = dict(headers)
            added = self.headers
            if not self.names.isdisjoint(present):
                added = [header for header in added if header[0] not in present]
            return start_response(status, [*headers, *added], exc_info)

        return self.application(environ, start)
