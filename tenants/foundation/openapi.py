"""What /openapi.json says of each call beyond its schemas: how it can be refused, and what its answers always hold.

Derived from how a view is made (its key, its body, its path, its method), so that a new one is documented without a
word. Where a rule does not fit, the view says so with `refusals`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import Any, TypeVar

from apiflask import APIFlask
from apiflask.scaffold import _annotate
from apispec import BasePlugin
from marshmallow import Schema
from werkzeug.routing import Rule

View = TypeVar("View", bound=Callable[..., Any])
Json = dict[str, Any]

PROBLEM = {
    "type": "object",
    "description": "RFC 9457. Act on `code`; `detail` is for people. Some codes come with more members.",
    "properties": {
        "type": {"type": "string", "example": "urn:clearinghouse:problem:insufficient_points"},
        "title": {"type": "string", "example": "Conflict"},
        "status": {"type": "integer", "example": 409},
        "code": {"type": "string", "description": "Stable", "example": "insufficient_points"},
        "detail": {"type": "string", "description": "What is wrong and what to do about it"},
        "errors": {"type": "object", "description": "What is wrong with each field, by its name"},
        "request_id": {
            "type": "string",
            "description": "Tell it when you ask for help: the log has it",
            "example": "till1-000017",
        },
    },
    "required": ["type", "title", "status", "code", "detail", "request_id"],
}

# What a call can be refused with, by status: name and meaning.
REFUSALS = {
    400: ("NotJson", "The body is not JSON."),
    401: ("Unauthenticated", "The key is missing, unknown, revoked or expired."),
    403: ("Forbidden", "Not with this key, or not with this card or member."),
    404: ("NotFound", "The network has nothing of this name."),
    409: ("Conflict", "The present state does not allow it."),
    413: ("TooLarge", "The body is too large; send it in parts."),
    422: ("Invalid", "Fields are missing or wrong; `errors` names them."),
    429: ("TooManyRequests", "Nothing was done; send the same again after `Retry-After` seconds."),
    500: ("IntegrityFailure", "The books disagree with themselves; nothing is published until somebody has looked."),
    503: ("Unavailable", "Nothing was written; send the same again after `Retry-After` seconds."),
}

HEADERS = {
    "WWW-Authenticate": ("Bearer", "The kind of authentication that is asked for"),
    "Retry-After": ("1", "Seconds"),
    "RateLimit": ('"default";r=99;t=1', "How many more requests the key may send now"),
    "RateLimit-Policy": ('"default";q=100;w=2', "How many requests it may send in how many seconds"),
    "Idempotent-Replayed": ("true", "Stands for: done before, this is the answer of then"),
    "X-Request-Id": ("till1-000017", "That of the request, or one that was made for it"),
}
RATE_HEADERS = ("RateLimit", "RateLimit-Policy")
REQUEST_HEADERS = ("X-Request-Id",)
# Headers that are always there, by the status of the refusal.
REFUSAL_HEADERS = {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}


def refusals(also: Collection[int] = (), never: Collection[int] = ()) -> Callable[[View], View]:
    """Statuses that this view can answer with beside those that the rules expect of it, and those that it can't."""
    unknown = {*also, *never} - REFUSALS.keys()
    assert not unknown, unknown

    def decorate(view: View) -> View:
        _annotate(view, also_refused=also, never_refused=never)
        return view

    return decorate


def replays(view: View) -> View:
    """Documents that the view says so when it answers what it has answered before."""
    _annotate(view, replays=True)
    return view


class OptionalFields(BasePlugin):
    """Hands on which fields an answer may lack: those with `optional` in their metadata."""

    def schema_helper(self, name: str, definition: Json, schema: Schema | None = None, **_: Any) -> Json:
        fields = schema.fields if isinstance(schema, Schema) else {}
        optional = [field.data_key or key for key, field in fields.items() if field.metadata.get("optional")]
        return {"x-optional": optional}


def complete_document(app: APIFlask, document: Json) -> Json:
    components = document["components"]
    components["schemas"]["ProblemSchema"] = PROBLEM
    components["headers"] = {name: header(name) for name in HEADERS}
    components["responses"] = {name: refusal_response(status) for status, (name, _) in REFUSALS.items()}
    for rule in app.url_map.iter_rules():
        spec = getattr(app.view_functions[rule.endpoint], "_spec", {})
        for method, operation in document["paths"].get(path_of(rule), {}).items():
            if method.upper() in (rule.methods or ()):
                complete_operation(operation, method, rule, spec)
    complete_schemas(document)
    # Each blueprint has brought its own.
    document["tags"] = list({tag["name"]: tag for tag in document["tags"]}.values())
    return document


def path_of(rule: Rule) -> str:
    return template(rule.rule)


@cache
def template(path: str) -> str:
    """`/cards/<number>` -> `/cards/{number}`"""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)


def header(name: str) -> Json:
    example, description = HEADERS[name]
    return {"description": description, "schema": {"type": "string"}, "example": example}


def refusal_response(status: int) -> Json:
    _, description = REFUSALS[status]
    always = {name: {**header(name), "required": True} for name in REFUSAL_HEADERS.get(status, ())}
    more = header_references((*REQUEST_HEADERS, *(() if status == 401 else RATE_HEADERS)))
    return {
        "description": description,
        "headers": always | more,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemSchema"}}},
    }


def header_references(names: Collection[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def complete_operation(operation: Json, method: str, rule: Rule, spec: Json) -> None:
    if "requestBody" in operation:
        operation["requestBody"]["required"] = not spec.get("body_is_optional")
    names = [
        *REQUEST_HEADERS,
        *(RATE_HEADERS if "security" in operation else ()),
        *(["Idempotent-Replayed"] if spec.get("replays") else ()),
    ]
    for response in operation["responses"].values():
        response["headers"] = header_references(names) | response.get("headers", {})
    for status in sorted(statuses_refused(operation, method, rule, spec)):
        operation["responses"][str(status)] = {"$ref": f"#/components/responses/{REFUSALS[status][0]}"}


def statuses_refused(operation: Json, method: str, rule: Rule, spec: Json) -> set[int]:
    # Whatever is asked for is looked through for numbers of payment cards.
    statuses = {422}
    if "security" in operation:
        statuses |= {401, 403, 429, 503}
        if method != "get":
            statuses.add(409)
    if rule.arguments:
        statuses.add(404)
    if "requestBody" in operation:
        statuses |= {400, 413}
    return (statuses | set(spec.get("also_refused", ()))) - set(spec.get("never_refused", ()))


def complete_schemas(document: Json) -> None:
    """Answers hold all of their fields, whereas of a request marshmallow has said already which it needs."""
    schemas = document["components"]["schemas"]
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    asked = named_in([(each["parameters"], each.get("requestBody")) for each in operations], schemas)
    answered = named_in([each["responses"] for each in operations], schemas)
    for name, schema in schemas.items():
        optional = schema.pop("x-optional", ())
        if name in answered - asked:
            schema["required"] = [field for field in schema["properties"] if field not in optional]
    use_patterns_of_json_schema(document)


def named_in(part: Any, schemas: Json) -> set[str]:
    """Names of the schemas that `part` of the document refers to, also by way of others."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        for name in references_in(waiting.pop()):
            if name not in found:
                found.add(name)
                waiting.append(schemas[name])
    return found


def references_in(part: Any) -> Iterator[str]:
    for each in dicts_in(part):
        reference = each.get("$ref", "")
        if reference.startswith("#/components/schemas/"):
            yield reference.rpartition("/")[2]


def dicts_in(part: Any) -> Iterator[Json]:
    if isinstance(part, dict):
        yield part
        part = list(part.values())
    if isinstance(part, list | tuple):
        for each in part:
            yield from dicts_in(each)


def use_patterns_of_json_schema(document: Json) -> None:
    r"""Python's `\Z` is a Z elsewhere, and a pattern that does not begin with ^ may begin anywhere.

    Halves of surrogate pairs are refused before any pattern is looked at, and no characters elsewhere.
    """
    for each in dicts_in(document):
        pattern = each.get("pattern")
        if isinstance(pattern, str):
            pattern = pattern.replace(r"\ud800-\udfff", "")
            is_pythons = pattern.endswith(r"\Z")
            each["pattern"] = "^(?:" + pattern.removesuffix(r"\Z") + ")$" if is_pythons else pattern
