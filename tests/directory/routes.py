"""Every route of the directory and of people, found in the blueprints, so that a new one is tested without being
listed."""

from __future__ import annotations

import re

from flask import Flask

from clearinghouse.directory.web import directory
from clearinghouse.staff.web import staff


def find_routes() -> list[tuple[str, str]]:
    """(method, rule) of each route."""
    app = Flask("routes")
    app.register_blueprint(directory)
    app.register_blueprint(staff)
    found = [
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(("directory.", "staff."))
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]
    assert len(found) > 25, "no routes were found: the tests over them would pass without testing anything"
    return found


ROUTES = find_routes()

# Well formed, and of nobody.
NOBODYS = {
    "code": "nowhere",
    "terminal_id": "trm_01h455vb4pex5vsknk084sn02q",
    "key_id": "key_01h455vb4pex5vsknk084sn02q",
    "member_id": "mem_01h455vb4pex5vsknk084sn02q",
    "number": "79927398713",
    "dispute_id": "dsp_01h455vb4pex5vsknk084sn02q",
}


def a_path(rule: str, values: dict[str, str] = NOBODYS) -> str:
    return re.sub(r"<(\w+)>", lambda found: values[found[1]], rule)
