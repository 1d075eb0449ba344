"""Attempts: what was tried, where, when, and what came of it, as the log has it."""

import codecs
from base64 import b64encode
from collections.abc import Mapping
from datetime import date, datetime
from enum import IntEnum
from typing import Final

from daemon.api.auth import Tokens
from daemon.api.context import DESK, Refused
from daemon.api.layer import Surface
from daemon.api.lists import Page
from daemon.api.models import CamelOut
from daemon.api.operation import Call
from daemon.api.v1.callers import NOT_FOUND, Tenant, application_of, endpoint_of
from daemon.api.v1.listing import TimedQuery, bad_iterator, oldest_first, page_of, slice_by_id, window
from daemon.api.v1.messages import message_of
from events import ids
from events.catalogue import AttemptAbandoned, AttemptFailed, AttemptSucceeded, Event
from events.message import Message
from events.views import Attempt, Attempts, Narrowed, Slice

TAG: Final = "Message Attempt"
RESPONSE_BYTES_MAX: Final = 20_000
WITHHELD: Final = "{}"
EXPUNGED: Final = "EXPUNGED"
EXPIRED: Final = "EXPIRED"


class Status(IntEnum):
    """How an attempt ended, or a delivery stands."""

    SUCCESS = 0
    PENDING = 1
    FAIL = 2
    SENDING = 3


class CodeClass(IntEnum):
    """A hundred status codes; 0: no answer came."""

    NONE = 0
    INFORMATION = 100
    SUCCESS = 200
    REDIRECT = 300
    CLIENT_ERROR = 400
    SERVER_ERROR = 500


# Only what has ended is recorded: no attempt is ever pending or sending.
KINDS: Final[Mapping[Status | None, tuple[type[Event], ...]]] = {
    None: (AttemptSucceeded, AttemptFailed, AttemptAbandoned),
    Status.SUCCESS: (AttemptSucceeded,),
    Status.FAIL: (AttemptFailed, AttemptAbandoned),
    Status.PENDING: (),
    Status.SENDING: (),
}


class AttemptQuery(TimedQuery):
    """Which attempts to an endpoint."""

    status: Status | None = None
    status_code_class: CodeClass | None = None


class MessageAttemptQuery(AttemptQuery):
    """Which attempts to send a message."""

    endpoint_id: str | None = None


class AttemptOut(CamelOut):
    """An attempt. `response` is the body, or the error text when no answer came.

    A body that was removed reads EXPUNGED, one whose time was up EXPIRED.
    """

    id: str
    msg_id: str
    endpoint_id: str
    url: str
    response: str
    response_status_code: int
    response_duration_ms: int
    status: int
    status_text: str
    trigger_type: int = 0
    timestamp: datetime


def declare(surface: Surface, tokens: Tokens) -> None:
    """Declare the routes."""
    auth, errors = tokens.tenant, (404, 503)
    by_endpoint, by_message = "/app/{app_id}/attempt/endpoint/{endpoint_id}", "/app/{app_id}/attempt/msg/{msg_id}"
    surface.op("GET", by_endpoint, query=AttemptQuery, out=Page[AttemptOut], errors=errors, auth=auth, tag=TAG)(
        list_attempts_by_endpoint
    )
    surface.op("GET", by_message, query=MessageAttemptQuery, out=Page[AttemptOut], errors=errors, auth=auth, tag=TAG)(
        list_attempts_by_message
    )
    surface.op(
        "GET", "/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}", out=AttemptOut, errors=errors, auth=auth, tag=TAG
    )(get_attempt)


async def list_attempts_by_endpoint(
    call: Call[Tenant], app_id: str, endpoint_id: str, query: AttemptQuery
) -> Page[AttemptOut]:
    """List the attempts to an endpoint, the latest first."""
    endpoint = endpoint_of(call, app_id, endpoint_id)
    wanted = Attempts(endpoint.partition, endpoint.application, endpoint=endpoint.id)
    return await _list(call, wanted, query)


async def list_attempts_by_message(
    call: Call[Tenant], app_id: str, msg_id: str, query: MessageAttemptQuery
) -> Page[AttemptOut]:
    """List the attempts to deliver a message, the latest first."""
    application = application_of(call, app_id)
    endpoint_id = None if query.endpoint_id is None else endpoint_of(call, app_id, query.endpoint_id).id
    message = await message_of(call, application, msg_id)
    wanted = Attempts(application.partition, application.id, message=message.id, endpoint=endpoint_id)
    return await _list(call, wanted, query)


async def get_attempt(call: Call[Tenant], app_id: str, msg_id: str, attempt_id: str) -> AttemptOut:
    """Get an attempt."""
    message = await message_of(call, application_of(call, app_id), msg_id)
    return write(await attempt_of(call, message, attempt_id), call.state(DESK).clock.now().date())


async def attempt_of(call: Call[Tenant], message: Message, attempt_id: str) -> Attempt:
    """The attempt of that id to deliver a message. Raises Refused (404)."""
    try:
        partition, seq = ids.attempt_position(attempt_id)
    except ValueError:
        raise Refused(NOT_FOUND) from None
    found = None
    if partition == message.partition:
        found = await call.state(DESK).views.attempt(partition, message.id, seq)
    if found is None:
        raise Refused(NOT_FOUND)
    return found


async def _list(call: Call[Tenant], wanted: Attempts, query: AttemptQuery) -> Page[AttemptOut]:
    page = slice_by_id(query, ids.ATTEMPT, descending=True)
    if oldest_first(query):
        page = Slice(page.limit, backwards=True, descending=True)
    # An attempt's id tells its position, not its moment: from an iterator on, the list reaches to its end.
    iterated = query.before is None and query.after is None and page.cursor is not None
    now = call.state(DESK).clock.now()
    narrowed = Narrowed(channel=query.channel, event_types=_tuple(query.event_types))
    if not iterated:
        after, before = window(query, now, None)
        narrowed = Narrowed(after, before, narrowed.channel, narrowed.event_types)
    asked = _with(wanted, query, narrowed)
    try:
        views = call.state(DESK).views
        found = await views.attempts(asked, page, with_responses=query.with_content)
    except ValueError as error:
        raise bad_iterator(str(error)) from None
    return page_of(found, lambda each: write(each, now.date(), with_content=query.with_content), lambda each: each.id)


def _with(wanted: Attempts, query: AttemptQuery, narrowed: Narrowed) -> Attempts:
    code_class = None if query.status_code_class is None else query.status_code_class // 100
    return Attempts(
        wanted.partition,
        wanted.application,
        wanted.message,
        wanted.endpoint,
        narrowed,
        KINDS[query.status],
        code_class,
    )


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def write(attempt: Attempt, today: date, *, with_content: bool = True) -> AttemptOut:
    """Write an attempt as it is answered."""
    recorded = attempt.recorded
    event = recorded.event
    assert isinstance(event, AttemptSucceeded | AttemptFailed | AttemptAbandoned)
    status = Status.SUCCESS if isinstance(event, AttemptSucceeded) else Status.FAIL
    ended = None if isinstance(event, AttemptAbandoned) else event
    return AttemptOut(
        id=attempt.id,
        msg_id=recorded.stream,
        endpoint_id=str(recorded.endpoint),
        url=attempt.url,
        response=_response(attempt, event, today) if with_content else WITHHELD,
        response_status_code=(ended.status or 0) if ended else 0,
        response_duration_ms=ended.duration_ms if ended else 0,
        status=status,
        status_text=status.name.lower(),
        timestamp=recorded.at,
    )


def _response(attempt: Attempt, event: AttemptSucceeded | AttemptFailed | AttemptAbandoned, today: date) -> str:
    if attempt.response is not None:
        return _text(attempt.response[:RESPONSE_BYTES_MAX])
    if not isinstance(event, AttemptAbandoned) and event.response_digest:  # there was one
        return EXPIRED if attempt.last_day is None or attempt.last_day < today else EXPUNGED
    if isinstance(event, AttemptSucceeded):
        return ""
    fault = event.fault.value if isinstance(event, AttemptFailed) and event.status is None else ""
    return event.detail or fault


def _text(body: bytes) -> str:
    """Text as it is, but for a character cut in two at the end; anything else in base64."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(body)
    except UnicodeDecodeError:
        return b64encode(body).decode()
