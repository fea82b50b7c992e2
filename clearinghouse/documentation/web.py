"""The page for people at /docs/: Swagger UI, which comes as a package and loads nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from flask import Response
from flask_swagger_ui import get_swaggerui_blueprint

# Keys that somebody tries calls with are gone with the page, and nobody elsewhere is asked to check the document. The
# address for OAuth, which nobody uses, would otherwise be made of whatever the request says its host is.
SETTINGS: dict[str, Any] = {
    "validatorUrl": "none",
    "persistAuthorization": False,
    "oauth2RedirectUrl": "/docs/oauth2-redirect.html",
}
INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)

documentation = get_swaggerui_blueprint("/docs", "/openapi.json", SETTINGS)


@documentation.after_request
def allow_what_the_page_needs(response: Response) -> Response:
    """Scripts of ours and the one in the page, which has nothing of the request in it."""
    if response.mimetype == "text/html" and not response.direct_passthrough:
        inline = INLINE_SCRIPT.findall(response.get_data(as_text=True))
        scripts = " ".join(f"'{hash_of(script)}'" for script in inline)
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
            "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    return response


def hash_of(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
