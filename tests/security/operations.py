"""Every call that /openapi.json knows, and a plausible request for each, so that a new one is tried without being
listed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from clearinghouse.app import create_app
from settlement.blueprints import BLUEPRINTS
from tenants.foundation.config import Settings

Json = dict[str, Any]
Values = Mapping[str, Any]

METHODS = ("get", "post", "put", "patch", "delete")
# What a body says beside what it must: whom or what it is about, and what it would be incomplete without.
NAMED_TOO = {"card", "transfer_id", "staff", "points", "account_number"}
PLAIN = {"date": "2026-01-10", "date-time": "2026-01-10T12:00:00Z"}


@cache
def document() -> Json:
    """Nothing is asked of a database for it, so that it can be read before there is one."""
    nowhere = Settings("postgresql://nowhere/", "redis://nowhere/", Path("nowhere"), bytes(32), rate_limit=False)
    return create_app(nowhere, BLUEPRINTS).spec  # type: ignore[return-value]


@dataclass(frozen=True)
class Operation:
    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def raw(self) -> Json:
        found: Json = document()["paths"][self.path][self.method]
        return found

    @property
    def is_public(self) -> bool:
        return "security" not in self.raw

    @property
    def roles(self) -> set[str]:
        return {role for requirement in self.raw.get("security", ()) for role in requirement}

    def names(self, where: str) -> list[str]:
        return [each["name"] for each in self.raw.get("parameters", ()) if each["in"] == where]

    def url(self, values: Values, query: Values | None = None) -> str:
        path = re.sub(r"\{(\w+)\}", lambda found: quote(str(values[found[1]]), safe=""), self.path)
        asked = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in (query or {}).items())
        return f"{path}?{asked}" if asked else path

    @property
    def body_schema(self) -> Json | None:
        content = self.raw.get("requestBody", {}).get("content", {})
        return follow(content["application/json"]["schema"]) if "application/json" in content else None

    def body(self, values: Values) -> Json | None:
        """Its required fields, and those of NAMED_TOO; what `values` has is taken from there."""
        return None if self.body_schema is None else example_of("", self.body_schema, values)


def operations() -> list[Operation]:
    paths = document()["paths"].items()
    found = [Operation(method, path) for path, item in paths for method in METHODS if method in item]
    assert len(found) > 140
    return found


def follow(schema: Json) -> Json:
    return document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def example_of(name: str, schema: Json, values: Values) -> Any:
    if name in values:
        return values[name]
    schema = follow(schema)
    if "properties" in schema:
        wanted = [each for each in schema["properties"] if each in {*schema.get("required", ()), *NAMED_TOO}]
        return {each: example_of(each, schema["properties"][each], values) for each in wanted}
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "array":
        return [example_of("", schema["items"], values)]
    plain = {"integer": schema.get("minimum", 1), "number": "1", "boolean": False, "object": {}}
    kind = schema.get("type", "string")
    fallback = plain.get(kind) if isinstance(kind, str) and kind in plain else PLAIN.get(schema.get("format", ""))
    return fallback if fallback is not None else schema.get("example", "words")


def strings_in(schema: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where in a body there is a text: names of fields from the outside in; "[]" is an item of a list."""
    schema = follow(schema)
    for name, field in schema.get("properties", {}).items():
        yield from strings_in(field, (*path, name))
    if "items" in schema:
        yield from strings_in(schema["items"], (*path, "[]"))
    kind = schema.get("type", ())
    if path and "string" in ([kind] if isinstance(kind, str) else kind):
        yield path


def put(body: Any, path: tuple[str, ...], value: Any) -> Any:
    """A copy of the body with `value` there."""
    if not path:
        return value
    name, *rest = path
    if name == "[]":
        return [put(body[0] if isinstance(body, list) and body else {}, tuple(rest), value)]
    inside = body if isinstance(body, dict) else {}
    return {**inside, name: put(inside.get(name), tuple(rest), value)}
