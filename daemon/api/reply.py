"""Writing an answer: from what a handler returned to the bytes that are sent."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from pydantic import TypeAdapter
from pydantic_core import to_json, to_jsonable_python

from daemon.api.answer import NO_HEADERS, Answer
from daemon.api.raw import holds_raw

JSON = "application/json"  # exactly so, with no charset: a Svix SDK compares the string

Encode = Callable[[Any], bytes]


class Reply(msgspec.Struct, frozen=True):
    """An answer that departs from what the operation declares.

    `status` None means the declared one. A `body` of bytes is sent as it is.
    """

    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] = NO_HEADERS


def encoder(out: Any) -> Encode:
    """Make the writer of a declared type's JSON; None stands for an undeclared one."""
    if out is None:
        return lambda value: to_json(value, by_alias=True)
    adapter: TypeAdapter[Any] = TypeAdapter(out)
    if not holds_raw(out):
        serializer = adapter.serializer
        return lambda value: serializer.to_json(value, by_alias=True)
    # pydantic cannot write bytes that are JSON already; msgspec can, as msgspec.Raw.
    encode = msgspec.json.Encoder(enc_hook=to_jsonable_python).encode
    return lambda value: encode(adapter.dump_python(value, by_alias=True))


def responder(encode: Encode, status: int, media: str = JSON) -> Callable[[object], Answer]:
    """Make the function from what a handler returned to the response that is sent."""

    def respond(got: object) -> Answer:
        if isinstance(got, Reply):
            body, code, headers = got.body, got.status or status, got.headers
        elif isinstance(got, Answer):
            return got
        else:
            body, code, headers = got, status, NO_HEADERS
        if body is not None and type(body) is not bytes:
            body = encode(body)
        return Answer(code, body, media, headers)

    return respond
