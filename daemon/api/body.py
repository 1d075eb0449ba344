"""Reading a body: bytes in, a validated model out; what can be worked out at the declaration is."""

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import msgspec
from aiohttp import HttpVersion11, hdrs, web
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from daemon.api.errors import UNREADABLE, Invalid, Issue, invalid
from daemon.api.fields import spellings
from daemon.api.models import CamelMaybe
from daemon.api.raw import holds_raw, is_raw, slices

M = TypeVar("M", bound=BaseModel)
Convert = Callable[[bytes], object]


async def received(request: web.BaseRequest) -> bytes:
    """Take the bytes of a request's body: most have come along with its head. Raises HTTPException (413)."""
    content = request.content
    if not content.is_eof():
        await _ask_for_it(request)
        return await request.read()
    body = content.read_nowait()
    if len(body) > request.client_max_size:
        raise web.HTTPRequestEntityTooLarge(request.client_max_size, len(body))
    return body


async def _ask_for_it(request: web.BaseRequest) -> None:
    """Tell a client that waits for the word that its body is wanted (RFC 9110 §10.1.1)."""
    if request.version == HttpVersion11 and request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun


def body_reader(model: type[M]) -> Callable[[bytes], M]:
    """Make the reader of a model's JSON. It raises Invalid; the declaration raises TypeError."""
    return _raw_reader(model) if holds_raw(model) else _plain_reader(model)


def _plain_reader(model: type[M]) -> Callable[[bytes], M]:
    validate = model.__pydantic_validator__.validate_json
    nothing = b"{}" if issubclass(model, CamelMaybe) else b""

    def read(body: bytes) -> M:
        try:
            return validate(body or nothing)  # type: ignore[no-any-return]
        except ValidationError as found:
            raise invalid("body", found) from None

    return read


def _raw_reader(model: type[M]) -> Callable[[bytes], M]:
    converters = _converters(model)
    # Where unknown fields are ignored they need not be parsed either.
    unknown: Convert | None = None if model.model_config.get("extra", "ignore") == "ignore" else from_json
    validate = model.__pydantic_validator__.validate_python

    def read(body: bytes) -> M:
        values: dict[str, object] = {}
        for name, raw in _cut(body).items():
            convert = converters.get(name, unknown)
            if convert is not None:
                try:
                    values[name] = convert(bytes(raw))
                except ValueError as error:  # nesting or a number beyond all bounds
                    raise _unreadable(error, name) from None
        try:
            return validate(values)  # type: ignore[no-any-return]
        except ValidationError as found:
            raise invalid("body", found) from None

    return read


def _cut(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return slices(body)
    except msgspec.ValidationError:
        raise Invalid([Issue("body", (), "Input should be an object", "dict_type")]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(error) from None


def _unreadable(error: Exception, *path: str) -> Invalid:
    return Invalid([Issue("body", path, f"Invalid JSON: {error}", UNREADABLE)])


def _converters(model: type[BaseModel]) -> dict[str, Convert]:
    return {name: _converter(model, field.annotation) for name, field in spellings(model).items()}


def _converter(model: type[BaseModel], annotation: Any) -> Convert:
    if is_raw(annotation):
        return _as_sent
    members = get_args(annotation)
    if any(map(is_raw, members)):
        return _as_sent_or_none if type(None) in members else _as_sent
    if holds_raw(annotation):
        raise TypeError(f"{model.__name__}: RawJson can be cut out at the top level of a body only")
    return from_json


def _as_sent(raw: bytes) -> bytes:
    return raw


def _as_sent_or_none(raw: bytes) -> bytes | None:
    return None if raw == b"null" else raw
