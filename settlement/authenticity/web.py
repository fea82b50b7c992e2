"""The page that the code on a statement leads to: public, without scripts and without anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from apiflask import APIBlueprint, Schema
from flask import Response, make_response, render_template, request
from markupsafe import Markup

from settlement.authenticity.service import Published, look_up
from settlement.languages.headlines import HEADLINES
from settlement.languages.rules import ENGLISH, LANGUAGES, Language
from settlement.languages.schemas import language_field
from settlement.proposals.rules import direction_of
from settlement.states.rules import APPROVED, PROPOSED, REJECTED, SETTLED, SETTLING
from tenants.foundation.errors import NotFound
from tenants.foundation.openapi import refusals
from tenants.foundation.web import query

authenticity = APIBlueprint("authenticity", __name__, template_folder=".", tag="Documents")

STYLE = Markup(
    ":root{--ink:#1d2733;--grey:#5f6b7a;--paper:#fff;--band:#f1f4f8;--accent:#1f4e79;--bad:#a33a2a}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6ebf1;--grey:#9aa7b6;--paper:#12181f;--band:#1c2530;"
    "--accent:#8ab4dd;--bad:#ff9a8a}}"
    "body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}"
    "main{max-width:40rem;margin:0 auto;padding:2rem 1.25rem}"
    "h1{font-size:1.4rem;margin:0 0 .5rem;color:var(--accent)}.bad{color:var(--bad)}p{margin:0 0 1rem}"
    ".amount{background:var(--band);border-left:3px solid var(--accent);padding:.9rem 1rem;display:flex;"
    "flex-wrap:wrap;gap:.25rem 1rem;justify-content:space-between;font-size:1.25rem}"
    "dl{margin:0}dl div{border-top:1px solid var(--band);padding:.5rem 0}"
    "dt{color:var(--grey);font-size:.85rem}dd{margin:0;overflow-wrap:anywhere}"
    ".hash{font-family:ui-monospace,monospace;font-size:.85rem}.good{color:var(--accent)}"
)
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Vary": "Accept-Language",
}

STATES = {
    PROPOSED: "draft: it may still change",
    APPROVED: "approved",
    REJECTED: "rejected: this version does not count",
    SETTLING: "being settled",
    SETTLED: "settled",
}
A_PAGE: dict[str, Any] = {"text/html": {"schema": {"type": "string"}}}
PAGES: dict[int | str, dict[str, Any]] = {
    200: {"description": "What head office published of the statement", "content": A_PAGE},
    404: {"description": "No statement has this code", "content": A_PAGE},
}

INCLUSION = {True: "proven", False: "NOT PROVEN: tell head office"}


class VerificationQuerySchema(Schema):
    language = language_field("By default what the browser asks for")


@authenticity.get("/verify/<token>")
@query(VerificationQuerySchema)
@authenticity.doc(responses=PAGES)
@refusals(never={404})
def get_verification(token: str, query: dict[str, Any]) -> Response:
    """What head office published of a statement, for whoever scans its code

    Without a key: the code itself can't be guessed. It says what stands on the statement and nothing more.
    """
    language = LANGUAGES[query.get("language") or asked_language()]
    try:
        published = look_up(token)
    except NotFound:
        sentence = language.say("No statement has this code. Scan it again, or ask head office.")
        return page(404, language, title=language.say("Not found"), sentence=sentence, is_bad=True)
    return page(200, language, **facts_of(published, language))


def asked_language() -> str:
    """The first that the browser asks for of which there is any kind: whoever reads zh-CN or zh-TW reads zh-Hans."""
    spoken = {code.partition("-")[0]: code for code in LANGUAGES}
    asked = (code.partition("-")[0].lower() for code in request.accept_languages.values())
    return next((spoken[language] for language in asked if language in spoken), ENGLISH)


def page(status: int, language: Language, **values: Any) -> Response:
    html = render_template("verification.html", language=language, style=STYLE, **values)
    return make_response(html, status, HEADERS)


def facts_of(published: Published, language: Language) -> dict[str, Any]:
    say = language.say
    sentence = "Head office of {network} published it. Compare the figures with the paper you have."
    is_rejected = published.state == REJECTED
    return {
        "title": say("This version was rejected" if is_rejected else "This statement is genuine"),
        "is_bad": is_rejected,
        "sentence": say(sentence, network=published.network_name),
        "direction": say(HEADLINES[direction_of(published.amount)]),
        "amount": language.amount(abs(published.amount), published.currency),
        "facts": [
            (say("Network"), published.network_name, ""),
            (say("Store"), f"{published.store_code} · {published.store_name}", ""),
            (say("Month"), language.month(published.month), ""),
            (say("Version"), language.number(published.version), ""),
            (say("State"), say(STATES[published.state]), "bad" if is_rejected else ""),
            (say("SHA-256 of all lines of this version"), published.content_hash.hex(), "hash"),
            *seal_facts(published, language),
        ],
    }


def seal_facts(published: Published, language: Language) -> list[tuple[str, str, str]]:
    say, root = language.say, language.say("Merkle root of the month's transfers")
    if published.merkle_root is None or published.transfers is None:
        return [(root, say("Not sealed"), "")]
    is_included = bool(published.is_included)
    return [
        (root, published.merkle_root.hex(), "hash"),
        (say("Transfers under the seal"), language.number(published.transfers), ""),
        (say("Inclusion in the month's seal"), say(INCLUSION[is_included]), "good" if is_included else "bad"),
    ]
