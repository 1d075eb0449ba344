"""Writing an answer: from what a handler returned to the bytes that are sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import hdrs, web
from pydantic import TypeAdapter
from pydantic_core import to_json, to_jsonable_python

from daemon.api.raw import holds_raw

JSON = "application/json"  # exactly so, with no charset: a Svix SDK compares the string

Encode = Callable[[Any], bytes]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that departs from what the operation declares.

    `status` None means the declared one. A `body` of bytes is sent as it is.
    """

    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


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


def responder(encode: Encode, status: int, media: str = JSON) -> Callable[[object], web.StreamResponse]:
    """Make the function from what a handler returned to the response that is sent."""

    def respond(got: object) -> web.StreamResponse:
        if isinstance(got, web.StreamResponse):
            return got
        reply = got if isinstance(got, Reply) else Reply(body=got)
        code = reply.status or status
        if reply.body is None:
            return web.Response(status=code, headers=reply.headers)
        body = reply.body if type(reply.body) is bytes else encode(reply.body)
        return web.Response(status=code, body=body, headers={hdrs.CONTENT_TYPE: media, **reply.headers})

    return respond
