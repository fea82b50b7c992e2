"""The HTTP edge that every blueprint shares: bodies in, answers out, and the one place where an error
becomes a status (RFC 9457, `application/problem+json`)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from functools import cache, wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote_plus
from uuid import UUID

import orjson
import redis
from apiflask import APIFlask
from apiflask.scaffold import _annotate
from flask import Response, g, has_request_context, request
from marshmallow import Schema, ValidationError, fields
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from tenants.foundation import ids
from tenants.foundation.database_errors import explain_database_error
from tenants.foundation.errors import ClearinghouseError, InvalidInput, Unavailable
from tenants.foundation.payment_cards import refuse_payment_cards, refuse_payment_cards_in

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger(__name__)

BODY_BYTES_MAX = 8 * 1024 * 1024

View = TypeVar("View", bound=Callable[..., Any])


class InvalidBody(ClearinghouseError):
    code = "invalid_json"


class WholeResponse(Response):
    """Given to the HTTP server in one piece, if it is there already. An iterator it would ask for each piece from a
    thread of its own, which costs as much as Flask itself."""

    def get_app_iter(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        pieces = super().get_app_iter(environ)
        return list(pieces) if self.is_sequence else pieces


def answer(payload: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`payload` as JSON. Views give this instead of a value, which saves dumping it through a schema."""
    return json_response(json_bytes(payload), status, headers)


def answer_page(name: str, rows: list[dict[str, Any]], limit: int, cursor: str) -> Response:
    """`rows` has one more than `limit` when there is a next page; `cursor` is the field to go on after."""
    page = rows[:limit]
    return answer({name: page, "next_cursor": page[-1][cursor] if len(rows) > limit else None})


def id_cursor(prefix: str, query: dict[str, Any]) -> UUID | None:
    return ids.parse(prefix, query["cursor"]) if "cursor" in query else None


def json_bytes(value: Any) -> bytes:
    # Numbers as names: marshmallow's errors name items of a list by their place.
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


def json_response(content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return WholeResponse(content, status, headers, mimetype="application/json")


def body(
    schema: type[Schema], optional: bool = False, parts: str | None = None, phone: str | None = None
) -> Callable[[View], View]:
    """Parse and check the JSON body and pass it to the view as `body`; documents it in OpenAPI too.

    `optional`: no body at all counts as an empty object.
    `parts`: the list of this name is passed on whatever is in it; the view refuses payment cards in each item.
    `phone`: the text of this name is a phone number, of which one in ten would look like an old payment card's; it
    has at most the 15 digits of E.164.
    APIFlask's own `input` lets a body through to a stack trace that is nested too deep or holds a
    number of thousands of digits.
    """
    instance = schema()

    def decorate(view: View) -> View:
        @wraps(view)
        def with_body(*args: Any, **kwargs: Any) -> Any:
            return view(*args, body=load(instance, parse_json(sent(optional), parts, phone)), **kwargs)

        _annotate(with_body, body=instance, content_type="application/json", body_is_optional=optional)
        return with_body  # type: ignore[return-value]

    return decorate


def sent(optional: bool) -> bytes:
    return request.get_data(cache=False) or (b"{}" if optional else b"")


def file_body(content_type: str) -> Callable[[View], View]:
    """Pass the body to the view as `content`, the bytes as they came; documents it in OpenAPI as a file."""

    def decorate(view: View) -> View:
        @wraps(view)
        def with_content(*args: Any, **kwargs: Any) -> Any:
            return view(*args, content=request.get_data(cache=False), **kwargs)

        _annotate(with_content, body={"type": "string", "format": "binary"}, content_type=content_type)
        return with_content  # type: ignore[return-value]

    return decorate


def query(schema: type[Schema]) -> Callable[[View], View]:
    """Check the query string and pass it to the view as `query`."""
    instance = schema()

    def decorate(view: View) -> View:
        @wraps(view)
        def with_query(*args: Any, **kwargs: Any) -> Any:
            return view(*args, query=load(instance, request.args.to_dict()), **kwargs)

        _annotate(with_query, args=[(instance, "query")])
        return with_query  # type: ignore[return-value]

    return decorate


@cache
def part(schema: type[Schema]) -> type[Schema]:
    """The schema as part of another answer. It has a class of its own there, because OpenAPI would otherwise name a
    schema twice that is also an answer by itself."""
    return type(schema.__name__.replace("Schema", "PartSchema"), (schema,), {})


def rows_of(schema: type[Schema]) -> fields.List:
    return fields.List(fields.Nested(part(schema)))


def passes(check: Callable[[Any], None]) -> Callable[[Any], None]:
    """A service's check as a validator, so that its refusal names the field."""

    def validator(value: Any) -> None:
        try:
            check(value)
        except InvalidInput as error:
            raise ValidationError(error.message) from error

    return validator


def parse_json(data: bytes, parts: str | None = None, phone: str | None = None) -> Any:
    """Raises `PaymentCardNumber` when the body holds what looks like one, elsewhere than in the list `parts` or in
    the text `phone`."""
    try:
        value = decode_json(data)
    except InvalidBody:
        refuse_payment_cards(data.decode("latin-1"))
        raise
    apart = {name for name, kind in ((parts, list), (phone, str)) if isinstance(value, dict)
             and isinstance(value.get(name), kind)}  # fmt: skip
    refuse_payment_cards_in({name: value[name] for name in value if name not in apart} if apart else value)
    return value


def decode_json(data: bytes) -> Any:
    try:
        value = json.loads(data.decode())
        if b"\\ud" in data or b"\\uD" in data:
            # Half a surrogate pair is no text: neither the database nor an answer could hold it.
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except RecursionError as error:
        raise InvalidBody("The body is nested too deep.") from error
    except ValueError as error:
        raise InvalidBody(f"The body is not JSON: {error}.") from error


def load(schema: Schema, data: Any) -> dict[str, Any]:
    try:
        return schema.load(data)
    except ValidationError as error:
        raise InvalidInput("Some fields are missing or wrong; see errors.", errors=error.messages) from error


def problem(status: int, code: str, detail: str, **members: Any) -> Response:
    if has_request_context():
        g.refusal = code
        members["request_id"] = g.request_id
    content = {
        "type": f"urn:clearinghouse:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **members,
    }
    response = answer(content, status)
    response.mimetype = "application/problem+json"
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        response.headers["Retry-After"] = "1"
    return response


def problem_from_error(error: ClearinghouseError) -> Response:
    return problem(error.http_status, error.code, error.message, **error.details)


def problem_from_http(error: HTTPException) -> Response:
    codes = {404: "no_such_route", 405: "method_not_allowed", 413: "body_too_large"}
    status = error.code or 500
    code = codes.get(status, HTTPStatus(status).name.lower())
    detail = error.description or HTTPStatus(status).phrase
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        detail = f"The body is larger than {BODY_BYTES_MAX} bytes; send it in parts."
    response = problem(status, code, detail)
    if isinstance(error, MethodNotAllowed):
        response.allow.update(error.valid_methods or ())
    return response


def problem_from_exception(error: Exception) -> Response:
    explained = explain_database_error(error)
    if explained is None and isinstance(error, redis.RedisError):
        explained = Unavailable("The job queue can't be reached; try again.", code="queue_unavailable")
    if explained is not None:
        log.warning("%s: %s", explained.code, error, extra={"code": explained.code})
        return problem_from_error(explained)
    log.exception("an error that nobody expected", extra={"code": "internal_error"})
    return problem(500, "internal_error", "Something went wrong here; it has been logged. Try again later.")


def refuse_payment_cards_outside_the_body() -> None:
    """Before every request: its path, its query and its idempotency key may end in logs, tables and answers."""
    refuse_payment_cards(request.path)
    if request.query_string:
        refuse_payment_cards(unquote_plus(request.query_string.decode("latin-1")))
    refuse_payment_cards(request.headers.get("Idempotency-Key", ""))


def register_error_handlers(app: APIFlask) -> None:
    app.register_error_handler(ClearinghouseError, problem_from_error)
    app.register_error_handler(HTTPException, problem_from_http)
    app.register_error_handler(Exception, problem_from_exception)
