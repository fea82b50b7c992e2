"""Whether answers are what /openapi.json says. Every answer of every test is looked at (tests/conftest.py)."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import jsonschema_rs
from apiflask import APIFlask
from flask import Response, request

from tenants.foundation.openapi import path_of

Json = dict[str, Any]


class AnswerChecks:
    """`findings` are sentences, `seen` the (method, path, status) of what was answered."""

    def __init__(self, app: APIFlask) -> None:
        self.app = app
        self.findings: list[str] = []
        self.seen: set[tuple[str, str, str]] = set()
        self.validators: dict[str, jsonschema_rs.Validator] = {}

    @cached_property
    def document(self) -> Json:
        return self.app.spec  # type: ignore[return-value]

    def look_at(self, response: Response) -> Response:
        if request.url_rule is not None:
            path, method = path_of(request.url_rule), request.method.lower()
            operation = self.document["paths"].get(path, {}).get(method)
            if operation is not None:
                self.compare(method, path, operation, response)
        return response

    def compare(self, method: str, path: str, operation: Json, response: Response) -> None:
        status = str(response.status_code)
        self.seen.add((method, path, status))
        if status not in operation["responses"]:
            self.find(method, path, response, "this status is not documented")
            return
        documented = self.follow(operation["responses"][status])
        if response.mimetype not in documented["content"]:
            self.find(method, path, response, f"{response.mimetype} is not documented")
        for name, header in documented.get("headers", {}).items():
            if header.get("required") and name not in response.headers:
                self.find(method, path, response, f"the header {name} is missing")
        if response.is_json and response.mimetype in documented["content"]:
            validator = self.validator(documented["content"][response.mimetype]["schema"])
            for error in validator.iter_errors(response.json):
                self.find(method, path, response, f"{list(error.instance_path)}: {error.message}")

    def follow(self, part: Json) -> Json:
        return self.document["components"]["responses"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part

    def validator(self, schema: Json) -> jsonschema_rs.Validator:
        name = str(schema)
        if name not in self.validators:
            whole = {**schema, "components": self.document["components"]}
            self.validators[name] = jsonschema_rs.Draft202012Validator(whole)
        return self.validators[name]

    def find(self, method: str, path: str, response: Response, what: str) -> None:
        self.findings.append(f"{method.upper()} {path} answered {response.status_code}: {what}")
