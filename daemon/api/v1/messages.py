"""Messages: what is to be sent. Creating one is the busiest route: it reads nothing, and writes once."""

import re
from collections.abc import Callable, Coroutine
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Final

import msgspec
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from daemon.api.asked import Asked
from daemon.api.auth import Org, Tokens
from daemon.api.context import DESK, Refused
from daemon.api.errors import ApiError
from daemon.api.layer import Surface
from daemon.api.lists import Page
from daemon.api.models import CamelIn, CamelOut
from daemon.api.operation import Call
from daemon.api.raw import RawObject
from daemon.api.refusals import explain_v1
from daemon.api.reply import Reply
from daemon.api.v1 import applications
from daemon.api.v1.applications import ApplicationIn
from daemon.api.v1.callers import NOT_FOUND, Tenant, application_of, known_application
from daemon.api.v1.fields import LABEL, EventId, Label, RetentionPeriod, unsupported
from daemon.api.v1.listing import TimedQuery, oldest_first, page_of, slice_by_id, window
from daemon.batch import Answer
from daemon.desk import Desk
from events import ids
from events.application import Application
from events.message import AcceptMessage, Message
from events.refusal import Refusal
from events.views import Narrowed, Slice

TAG: Final = "Message"
ALL: Final = "/app/{app_id}/msg"
MESSAGES_MAX: Final = 1000  # in one batch
NAMEABLE: Final = re.compile(LABEL)

EMPTY: Final = RawObject(b"{}")
EXPIRED: Final = RawObject(b'{"expired":true}')

_encode: Final = msgspec.json.Encoder().encode

Channels = Annotated[list[Label], Field(min_length=1, max_length=5)]
Later = Annotated[Any, *unsupported("delivery at a later time is")]
Transformations = Annotated[Any, *unsupported("transformations are")]
Hours = Annotated[Any, *unsupported("retention by the hour is")]


class MessageIn(CamelIn):
    """A new message. Its payload is stored, signed and sent byte for byte."""

    event_type: Label
    payload: RawObject = Field(validation_alias=AliasChoices("payload", "data"))
    event_id: EventId | None = None
    channels: Channels | None = None
    application: ApplicationIn | None = None
    payload_retention_period: RetentionPeriod | None = None
    payload_retention_hours: Hours = None
    deliver_at: Later = None
    transformations_params: Transformations = None


class MessageOut(CamelOut):
    """A message. A payload that is gone reads `{"expired":true}`."""

    id: str
    event_id: str | None
    event_type: str
    payload: RawObject
    channels: list[str] | None
    timestamp: datetime


class MessagesIn(CamelIn):
    """New messages, accepted or refused one by one."""

    messages: list[MessageIn] = Field(min_length=1, max_length=MESSAGES_MAX)


class MessageRefused(CamelOut):
    """Why the message at this index of the batch was not accepted: status and body as if it had been sent alone."""

    index: int
    status: int
    code: str
    detail: str


class MessagesOut(CamelOut):
    """One entry for each message, in their order."""

    data: list[MessageOut | MessageRefused]


class _Written(msgspec.Struct, rename="camel"):
    """A MessageOut on the busiest route: written ten times faster."""

    id: str
    event_id: str | None
    event_type: str
    payload: msgspec.Raw
    channels: tuple[str, ...] | None
    timestamp: datetime


class ContentQuery(BaseModel):
    """Whether the payload is to be answered too."""

    model_config = ConfigDict(frozen=True)

    with_content: bool = True


def declare(surface: Surface, tokens: Tokens) -> None:
    """Declare the routes."""
    surface.op(
        "POST",
        ALL,
        body=MessageIn,
        query=ContentQuery,
        out=MessageOut,
        status=202,
        errors=(404, 409, 503),
        auth=tokens.org,
        tag=TAG,
    )(create_message)
    surface.op(
        "POST",
        ALL + "/batch",
        body=MessagesIn,
        query=ContentQuery,
        out=MessagesOut,
        status=202,
        errors=(404, 503),
        auth=tokens.org,
        tag=TAG,
    )(create_messages)
    surface.op("GET", ALL, query=TimedQuery, out=Page[MessageOut], errors=(404, 503), auth=tokens.tenant, tag=TAG)(
        list_messages
    )
    surface.op(
        "GET", ALL + "/{msg_id}", query=ContentQuery, out=MessageOut, errors=(404, 503), auth=tokens.tenant, tag=TAG
    )(get_message)


def create_message(
    call: Call[Org], app_id: str, body: MessageIn, query: ContentQuery
) -> Asked | Coroutine[Any, Any, Asked]:
    """Accept a message for every endpoint that wants it; it is durable once this is answered.

    With `application`, the application is created first if it does not exist.
    """
    application = known_application(call, app_id)
    if application is None:
        return _create_first(call, app_id, body.application, lambda made: _ask(call, made, body, query))
    return _ask(call, application, body, query)


def create_messages(
    call: Call[Org], app_id: str, body: MessagesIn, query: ContentQuery
) -> Asked | Coroutine[Any, Any, Asked]:
    """Accept up to 1,000 messages with one wait for the disk; all are durable once this is answered.

    Each is accepted or refused for itself: `data` has a message or a refusal for each, in their order. A body that
    does not fit is refused as a whole, and then nothing of it is accepted. After a 503, repeat it with the same
    eventIds: those that were accepted are refused then. With `application` in any of them, the application is created
    first if it does not exist.
    """
    application = known_application(call, app_id)
    if application is None:
        wanted = next((each.application for each in body.messages if each.application is not None), None)
        return _create_first(call, app_id, wanted, lambda made: _ask_all(call, made, body, query))
    return _ask_all(call, application, body, query)


async def list_messages(call: Call[Tenant], app_id: str, query: TimedQuery) -> Page[MessageOut]:
    """List an application's messages, the newest first."""
    application, views = application_of(call, app_id), call.state(DESK).views
    page = slice_by_id(query, ids.MESSAGE, descending=True)
    if oldest_first(query):
        page = Slice(page.limit, backwards=True, descending=True)
    moment = ids.minted_at(page.cursor) if page.cursor else None
    after, before = window(query, call.state(DESK).clock.now(), moment)
    types = None if query.event_types is None else tuple(query.event_types)
    found = await views.messages(
        application.partition, application.id, page, Narrowed(after, before, query.channel, types)
    )
    payloads = await views.payloads(found.items) if query.with_content else None
    return page_of(found, lambda message: write(message, _payload(message, payloads)), lambda message: message.id)


async def get_message(call: Call[Tenant], app_id: str, msg_id: str, query: ContentQuery) -> MessageOut:
    """Get a message, by its id or its eventId."""
    message = await message_of(call, application_of(call, app_id), msg_id)
    payloads = await call.state(DESK).views.payloads([message]) if query.with_content else None
    return write(message, _payload(message, payloads))


async def message_of(call: Call[Tenant], application: Application, msg_id: str) -> Message:
    """The message of that id or eventId in an application. Raises Refused (404)."""
    found = None
    if NAMEABLE.fullmatch(msg_id):  # PostgreSQL refuses what is no text at all
        found = await call.state(DESK).views.message(application.partition, application.id, msg_id)
    if found is None:
        raise Refused(NOT_FOUND)
    return found


async def _create_first(
    call: Call[Org], app_id: str, wanted: ApplicationIn | None, ask: Callable[[Application], Asked]
) -> Asked:
    if wanted is None:
        raise Refused(NOT_FOUND)
    if wanted.uid is None:
        raise ApiError(422, "application_uid_missing", "application must have the uid of the path", "application")
    if wanted.uid != app_id:
        raise ApiError(422, "application_uid_mismatch", "the uid differs from that of the path", "application")
    created = await applications.create(call, wanted, get_if_exists=True)
    return ask(created or application_of(call, app_id))


def _ask(call: Call[Org], application: Application, body: MessageIn, query: ContentQuery) -> Asked:
    desk = call.state(DESK)

    def finish(answer: Answer | Refusal) -> Reply | Refusal:
        return answer if isinstance(answer, Refusal) else Reply(body=_encode(_written(answer, body, query)))

    return Asked(desk.ask(_accept(desk, application, body), call.principal.actor, call.request_id), finish)


def _ask_all(call: Call[Org], application: Application, body: MessagesIn, query: ContentQuery) -> Asked:
    desk = call.state(DESK)

    def finish(answers: list[Answer | Refusal]) -> Reply:
        data = [
            _refused(index, answer) if isinstance(answer, Refusal) else _written(answer, sent, query)
            for index, (sent, answer) in enumerate(zip(body.messages, answers, strict=True))
        ]
        return Reply(body=_encode({"data": data}))

    commands = [_accept(desk, application, each) for each in body.messages]
    return Asked(desk.ask_all(commands, call.principal.actor, call.request_id), finish)


def _payload(message: Message, payloads: dict[str, bytes] | None) -> RawObject:
    if payloads is None:
        return EMPTY
    kept = payloads.get(message.id)
    return EXPIRED if kept is None else RawObject(kept)


def _accept(desk: Desk, application: Application, body: MessageIn) -> AcceptMessage:
    return AcceptMessage(
        desk.mint(ids.MESSAGE),
        application.id,
        body.event_type,
        body.payload,
        sha256(body.payload).hexdigest(),
        None if body.channels is None else tuple(body.channels),
        body.event_id,
        body.payload_retention_period,
    )


def _written(answer: Answer, sent: MessageIn, query: ContentQuery) -> _Written:
    message = answer[0]
    assert isinstance(message, Message)
    raw, at = msgspec.Raw(sent.payload if query.with_content else EMPTY), message.accepted_at
    return _Written(message.id, message.event_id, message.event_type, raw, message.channels, at)


def _refused(index: int, refusal: Refusal) -> dict[str, object]:
    error = explain_v1(refusal)
    assert error is not None
    return {"index": index, "status": error.status, "code": error.code, "detail": error.detail}


def write(message: Message, payload: RawObject) -> MessageOut:
    """Write a message as it is answered."""
    return MessageOut(
        id=message.id,
        event_id=message.event_id,
        event_type=message.event_type,
        payload=payload,
        channels=None if message.channels is None else list(message.channels),
        timestamp=message.accepted_at,
    )
