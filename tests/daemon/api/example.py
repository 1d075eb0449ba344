"""A tiny application with one surface of each dialect, as the tests of the layer see it."""

import asyncio
from typing import Annotated

from aiohttp import web
from pydantic import AliasChoices, Field, field_validator

from daemon.api.dialect import ProblemDialect, SeedDialect, SvixDialect
from daemon.api.errors import ApiError, Denied
from daemon.api.layer import Surface, serve
from daemon.api.lists import EventTypesQuery, Page
from daemon.api.models import CamelIn, CamelOut, Strict
from daemon.api.operation import Auth, Call
from daemon.api.raw import RawObject
from daemon.api.reply import Reply
from daemon.api.stream import Stream

GREETING = web.AppKey("greeting", str)
BODY_BYTES_MAX = 10_000


class Refusal:
    """A domain's no, as a value."""


class RefusalError(Exception):
    """A domain's no, raised."""


class Hook(Strict):
    url: str
    size: Annotated[int, Field(ge=1)] = 1


class MessageIn(CamelIn):
    event_type: Annotated[str, Field(pattern=r"^[a-z.]+$")]
    payload: RawObject = Field(validation_alias=AliasChoices("payload", "data"))
    channels: list[Annotated[str, Field(max_length=3)]] | None = None

    @field_validator("channels")
    @classmethod
    def some(cls, value):
        if value == []:
            raise ValueError("at least one")
        return value


class MessageOut(CamelOut):
    id: str
    event_type: str
    payload: RawObject


def refused(value):
    return ApiError(409, "conflict", "It is refused") if isinstance(value, Refusal | RefusalError) else None


def check_org(request):
    if request.header(b"authorization") != "Bearer yes":
        raise Denied(401, "authentication_failed", "Invalid token", headers={"WWW-Authenticate": "Bearer"})
    return "org_1"


ORG = Auth(check_org, {"bearer": {"type": "http", "scheme": "bearer"}})


def seed():
    surface = Surface("/api", SeedDialect(), title="Seed", version="1", refused=refused)

    @surface.op("POST", "/webhooks/register", body=Hook, status=201, errors=(409,))
    async def register(call: Call[None], body: Hook) -> dict[str, str]:
        """Register a webhook."""
        if body.url == "taken":
            raise ApiError(409, "conflict", "in use", field="url")
        return {"url": body.url}

    return surface


def svix():
    surface = Surface("/api/v1", SvixDialect(), title="Svix", version="1", refused=refused, slashes=True)

    @surface.op(
        "POST",
        "/app/{app_id}/msg",
        body=MessageIn,
        out=MessageOut,
        status=202,
        errors=(404, 409),
        auth=ORG,
        tag="Message",
    )
    async def create_message(call: Call[str], app_id: str, body: MessageIn) -> MessageOut:
        """Create a message.

        Its payload is kept as it is.
        """
        assert call.principal == "org_1"
        return MessageOut(id=app_id, event_type=body.event_type, payload=body.payload)

    @surface.op("GET", "/app/{app_id}/msg", query=EventTypesQuery, out=Page[MessageOut], auth=ORG, tag="Message")
    async def list_messages(call: Call[str], app_id: str, query: EventTypesQuery) -> Page[MessageOut]:
        names = query.event_types or []
        found = [MessageOut(id=f"msg_{n}", event_type=n, payload=RawObject(b'{"a" : 1}')) for n in names]
        return Page.of(found, lambda message: message.id, done=True)

    @surface.op("DELETE", "/app/{app_id}", status=204)
    async def delete_app(call: Call[None], app_id: str) -> Refusal | None:
        if app_id == "raises":
            raise RefusalError
        if app_id == "breaks":
            raise RuntimeError("secret detail")
        if app_id == "uid":
            raise ApiError(422, "application_uid_missing", "no uid", field="application")
        return Refusal() if app_id == "refused" else None

    return surface


def own():
    surface = Surface("", ProblemDialect(), title="Own", version="1")

    @surface.op("GET", "/healthz", media="text/plain")
    async def health(call: Call[None]) -> Reply:
        return Reply(body=call.state(GREETING).encode(), headers={"Cache-Control": "no-store"})

    @surface.op("POST", "/log/{position}", body=Hook, also=(200,), status=201, out=Hook)
    async def append(call: Call[None], position: Annotated[int, Field(ge=0)], body: Hook) -> Reply:
        if body.url == "field":
            raise ApiError(422, "bad_url", "not that", field="url")
        return Reply(status=200 if position else None, body=body)

    @surface.op("GET", "/stream")
    async def stream(call: Call[None]) -> Stream:
        response = Stream("text/plain")
        response.begin(call.request)
        call.request.transport.write(b"chunk")
        if "break" in call.request.query:
            raise RuntimeError
        return response

    @surface.op("GET", "/endless")
    async def endless(call: Call[None]) -> Stream:
        response = Stream("text/plain")
        response.begin(call.request)
        while not call.request.transport.is_closing():
            call.request.transport.write(b"chunk")
            await asyncio.sleep(0.001)
        return response

    return surface


def server():
    state = {GREETING: "well"}
    return serve([own(), seed(), svix()], state, body_bytes_max=BODY_BYTES_MAX, new_id=lambda: "generated")
