"""Deliveries: what is not delivered, and everything about one message and one delivery."""

import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import Field

from daemon.api.auth import App, Operator, Tokens
from daemon.api.context import BOARD, DESK, Refused
from daemon.api.errors import Invalid, Issue
from daemon.api.layer import Surface
from daemon.api.lists import PAGE_SIZE, PAGE_SIZE_MAX
from daemon.api.models import CamelOut, Strict, absent
from daemon.api.operation import Call
from daemon.api.raw import RawJson
from daemon.api.v1.attempts import RESPONSE_BYTES_MAX
from daemon.api.v1.callers import NOT_FOUND
from daemon.api.v1.listing import bad_iterator
from daemon.api.v1.log_pages import EventOut, event_out
from daemon.api.v1.sent import RequestOut, request_out, signers_at
from daemon.api.v1.watchers import Watcher, application_seen, endpoint_seen, may_see
from events import history, ids
from events.board_views import DUE_ENDPOINTS_MAX, Undelivered
from events.catalogue import AttemptAbandoned, AttemptFailed, AttemptSucceeded, MessageAccepted
from events.delivery import DeliveryState
from events.envelope import Recorded
from events.message import Message, born
from events.past import Thing
from events.views import END, EPOCH, Attempt, Attempts, Narrowed, Slice

TAG: Final = "Live"
DELIVERIES_MAX: Final = 2000
"""Of one message, shown at once."""
TRAIL_MAX: Final = 1000
ATTEMPTS_MAX: Final = 250

_DUE: Final = re.compile(r"(\d{1,17})\.(msg_[0-9A-Za-z]{1,64})\.(ep_[0-9A-Za-z]{1,64})", re.ASCII)
_ENDED: Final = re.compile(r"(\d{1,5})\.(msg_[0-9A-Za-z]{1,64})\.(ep_[0-9A-Za-z]{1,64})", re.ASCII)
_MICROSECOND: Final = timedelta(microseconds=1)
_ORIGIN: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AFTER_ALL: Final = "~"


class DeliveriesQuery(Strict):
    """Which ones: pending ones, the soonest due first; or those that ended so, the newest message first."""

    state: DeliveryState = DeliveryState.PENDING
    endpoint: str | None = None
    application: str | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE
    iterator: str | None = None


class UndeliveredOut(CamelOut):
    """A delivery that is not delivered."""

    message: str
    endpoint: str
    application: str | None
    url: str | None
    state: DeliveryState
    attempts: int
    accepted_at: datetime
    next_at: datetime | None = Field(default=None, exclude_if=absent)
    reason: str | None = Field(default=None, exclude_if=absent)


class DeliveryPage(CamelOut):
    """One page, which may be shorter than asked for, even empty, before the end: `done` says that it is reached."""

    data: list[UndeliveredOut]
    iterator: str | None
    done: bool


class MessageDelivery(CamelOut):
    """What became of a message at one endpoint."""

    endpoint: str
    url: str | None
    state: DeliveryState
    attempts: int
    next_at: datetime | None = Field(default=None, exclude_if=absent)
    reason: str | None = Field(default=None, exclude_if=absent)


class MessageDetail(CamelOut):
    """A message and its deliveries, the first 2,000 of them."""

    id: str
    application: str
    event_type: str
    event_id: str | None = Field(default=None, exclude_if=absent)
    channels: list[str] | None = Field(default=None, exclude_if=absent)
    accepted_at: datetime
    size: int
    digest: str
    payload: RawJson | None
    payload_gone: str | None = Field(default=None, exclude_if=absent, description="why there is no payload")
    deliveries: list[MessageDelivery]


class AttemptDetail(CamelOut):
    """One attempt: the request as it was sent, and what came back."""

    position: str
    at: datetime
    attempt: int
    status: int | None = Field(default=None, exclude_if=absent)
    fault: str | None = Field(default=None, exclude_if=absent)
    detail: str | None = Field(default=None, exclude_if=absent)
    duration_ms: int
    timestamp: int = Field(description="the webhook-timestamp sent, unix seconds")
    request: RequestOut
    response: str | None
    response_bytes: int


class DeliveryDetail(CamelOut):
    """One delivery, with its last 250 attempts and its first 1,000 facts."""

    message: str
    endpoint: str
    application: str
    url: str
    state: DeliveryState
    attempts: list[AttemptDetail]
    next_at: datetime | None = Field(default=None, exclude_if=absent)
    reason: str | None = Field(default=None, exclude_if=absent)
    accepted_at: datetime
    payload: str | None
    trail: list[EventOut]


def declare(surface: Surface, tokens: Tokens) -> None:
    """Declare the routes."""
    auth, errors = tokens.watcher, (404, 503)
    surface.op("GET", "/deliveries", query=DeliveriesQuery, out=DeliveryPage, errors=errors, auth=auth, tag=TAG)(
        list_deliveries
    )
    surface.op("GET", "/messages/{message_id}", out=MessageDetail, errors=errors, auth=auth, tag=TAG)(
        get_message_detail
    )
    surface.op(
        "GET",
        "/deliveries/{message_id}/{endpoint_id}",
        out=DeliveryDetail,
        errors=errors,
        auth=auth,
        tag=TAG,
    )(get_delivery)


# --- lists


async def list_deliveries(call: Call[Watcher], query: DeliveriesQuery) -> DeliveryPage:
    """List what is not delivered.

    An organization's token names an application or an endpoint; an operator's may leave both out, as long as not more
    than 5,000 endpoints have something pending.
    """
    if query.state is DeliveryState.DELIVERED:
        raise _invalid("state", "what is delivered is in the log alone: ask for the attempts of its endpoint")
    endpoints = _endpoints(call, query)
    if query.state is DeliveryState.PENDING:
        found, after = await _due(call, query, endpoints)
    else:
        found, after = await _ended(call, query, endpoints)
    world = call.state(DESK).world
    known = {each.endpoint: world.endpoint(each.endpoint) for each in found}
    gone = [(each.partition, each.endpoint) for each in found if known[each.endpoint] is None]
    deleted = await call.state(BOARD).endpoints(sorted(set(gone)))
    data = []
    for each in found:
        endpoint = known[each.endpoint] or deleted.get(each.endpoint)
        data.append(
            UndeliveredOut(
                message=each.message,
                endpoint=each.endpoint,
                application=endpoint.application if endpoint else None,
                url=endpoint.url if endpoint else None,
                state=each.state,
                attempts=each.attempts,
                accepted_at=each.accepted_at,
                next_at=each.next_at,
                reason=each.reason,
            )
        )
    return DeliveryPage(data=data, iterator=after, done=after is None)


def _endpoints(call: Call[Watcher], query: DeliveriesQuery) -> list[tuple[int, str]] | None:
    """The endpoints that are asked for; None: all."""
    if query.endpoint is not None:
        found = endpoint_seen(call, query.endpoint)
        if query.application not in (None, found.application):
            raise Refused(NOT_FOUND)
        return [(found.partition, found.id)]
    principal = call.principal
    application = principal.app_id if isinstance(principal, App) else query.application
    if isinstance(principal, App) and query.application not in (None, application):
        raise Refused(NOT_FOUND)
    if application is None:
        if isinstance(principal, Operator):
            return None
        raise _invalid("application", "name an application or an endpoint")
    owned = call.state(DESK).world.endpoints_of(application_seen(call, application).id)
    return [(each.partition, each.id) for each in owned]


async def _due(
    call: Call[Watcher], query: DeliveriesQuery, endpoints: list[tuple[int, str]] | None
) -> tuple[list[Undelivered], str | None]:
    board, after = call.state(BOARD), (EPOCH, "", "")
    if query.iterator is not None:
        found = _DUE.fullmatch(query.iterator)
        if found is None:
            raise bad_iterator("must be the iterator of another page of this list")
        moment = _ORIGIN + _MICROSECOND * min(int(found[1]), (END - _ORIGIN) // _MICROSECOND)
        after = moment, found[2], found[3]
    if endpoints is None:
        endpoints = await board.due_endpoints()
    if len(endpoints) > DUE_ENDPOINTS_MAX:
        raise _invalid("application", f"more than {DUE_ENDPOINTS_MAX} endpoints: name an application or an endpoint")
    rows = await board.due(endpoints, after, query.limit + 1)
    shown = rows[: query.limit]
    if len(rows) <= query.limit:
        return shown, None
    last = shown[-1]
    assert last.next_at is not None
    return shown, f"{(last.next_at - _ORIGIN) // _MICROSECOND}.{last.message}.{last.endpoint}"


async def _ended(
    call: Call[Watcher], query: DeliveriesQuery, endpoints: list[tuple[int, str]] | None
) -> tuple[list[Undelivered], str | None]:
    top = endpoints[0][0] if endpoints else call.state(DESK).world.partitions
    before, lowest = (top, _AFTER_ALL, _AFTER_ALL), top if endpoints else 0
    if endpoints == []:
        return [], None
    if query.iterator is not None:
        found = _ENDED.fullmatch(query.iterator)
        if found is None or not lowest <= int(found[1]) <= top:
            raise bad_iterator("must be the iterator of another page of this list")
        before = int(found[1]), found[2], found[3]
    wanted = None if endpoints is None else [each for _, each in endpoints]
    rows, walked = await call.state(BOARD).ended(query.state, before, lowest, wanted, query.limit + 1)
    shown = rows[: query.limit]
    if len(rows) > query.limit:
        walked = shown[-1].partition, shown[-1].message, shown[-1].endpoint
    return shown, None if walked is None else ".".join(map(str, walked))


# --- one


async def get_message_detail(call: Call[Watcher], message_id: str) -> MessageDetail:
    """Get a message and what became of it at each endpoint. Its id is enough."""
    recorded, event, message = await _message(call, message_id)
    payloads = await call.state(DESK).views.payloads([message])
    payload = payloads.get(message.id)
    gone = None if payload is not None else _why_gone(call, message)
    return MessageDetail(
        id=message.id,
        application=message.application,
        event_type=message.event_type,
        event_id=message.event_id,
        channels=None if message.channels is None else list(message.channels),
        accepted_at=message.accepted_at,
        size=message.size,
        digest=message.digest,
        payload=None if payload is None else RawJson(payload),
        payload_gone=gone,
        deliveries=await _deliveries(call, recorded, event.endpoints[:DELIVERIES_MAX]),
    )


async def _deliveries(call: Call[Watcher], recorded: Recorded, chosen: Sequence[str]) -> list[MessageDelivery]:
    board, partition = call.state(BOARD), recorded.partition
    rows = await board.of_message(partition, recorded.stream, DELIVERIES_MAX)
    succeeded = await board.succeeded(partition, recorded.stream, DELIVERIES_MAX)
    endpoints = await board.endpoints([(partition, each) for each in chosen])
    found = []
    for key in chosen:
        row, endpoint = rows.get(key), endpoints.get(key)
        found.append(
            MessageDelivery(
                endpoint=key,
                url=endpoint.url if endpoint else None,
                state=row.state if row else DeliveryState.DELIVERED,
                attempts=row.attempts if row else succeeded.get(key, 1),
                next_at=row.next_at if row else None,
                reason=row.reason if row else None,
            )
        )
    return found


async def get_delivery(call: Call[Watcher], message_id: str, endpoint_id: str) -> DeliveryDetail:
    """Get all that is known of one delivery: each request as it was sent, what came back, and every fact about it."""
    recorded, event, message = await _message(call, message_id)
    if endpoint_id not in event.endpoints:
        raise Refused(NOT_FOUND)
    board, views, partition = call.state(BOARD), call.state(DESK).views, recorded.partition
    endpoint = (await board.endpoints([(partition, endpoint_id)]))[endpoint_id]
    row = (await board.of_message(partition, message.id, 1, endpoint_id)).get(endpoint_id)
    async with views.reading() as connection:
        trail = await history.trail(connection, Thing(partition, message.id, endpoint_id), TRAIL_MAX)
    wanted = Attempts(partition, message.application, message.id, endpoint_id, Narrowed(EPOCH, END))
    found = await views.attempts(wanted, Slice(ATTEMPTS_MAX, descending=True))
    payload = (await views.payloads([message])).get(message.id)
    return DeliveryDetail(
        message=message.id,
        endpoint=endpoint_id,
        application=message.application,
        url=endpoint.url,
        state=row.state if row else DeliveryState.DELIVERED,
        attempts=await _attempts(call, found.items[::-1], payload),
        next_at=row.next_at if row else None,
        reason=row.reason if row else None,
        accepted_at=message.accepted_at,
        payload=None if payload is None else _text(payload),
        trail=[event_out(each) for each in trail],
    )


async def _attempts(call: Call[Watcher], attempts: Sequence[Attempt], payload: bytes | None) -> list[AttemptDetail]:
    if not attempts:
        return []
    first = attempts[0].recorded
    owner = str(first.endpoint)
    secrets = await call.state(BOARD).secrets(first.partition, owner)
    written = []
    for attempt in attempts:
        recorded, event = attempt.recorded, attempt.recorded.event
        assert isinstance(event, AttemptSucceeded | AttemptFailed | AttemptAbandoned)
        signers = signers_at(secrets, event.timestamp, lambda sealed: call.state(DESK).sealer.open(sealed, owner))
        ended = None if isinstance(event, AttemptAbandoned) else event
        written.append(
            AttemptDetail(
                position=f"{recorded.partition}/{recorded.seq}",
                at=recorded.at,
                attempt=event.attempt,
                status=ended.status if ended else None,
                fault=event.fault.value if isinstance(event, AttemptFailed) else None,
                detail=(event.detail or None) if not isinstance(event, AttemptSucceeded) else None,
                duration_ms=ended.duration_ms if ended else 0,
                timestamp=event.timestamp,
                request=request_out(attempt.url, recorded.stream, event.timestamp, payload, signers),
                response=None if attempt.response is None else _text(attempt.response[:RESPONSE_BYTES_MAX]),
                response_bytes=ended.response_bytes if ended else 0,
            )
        )
    return written


async def _message(call: Call[Watcher], message_id: str) -> tuple[Recorded, MessageAccepted, Message]:
    """The message of that id, if it is the watcher's to see. Raises Refused (404)."""
    if not message_id.startswith(f"{ids.MESSAGE}_") or "/" in message_id:
        raise Refused(NOT_FOUND)
    async with call.state(DESK).views.reading() as connection:
        thing = await history.locate(connection, message_id)
        recorded = None if thing is None else await history.first_of(connection, thing)
        owner = None if thing is None else await history.owner_of(connection, thing)
    if recorded is None or not isinstance(recorded.event, MessageAccepted):
        raise Refused(NOT_FOUND)
    if owner is None or not may_see(call.principal, owner.org, recorded.event.application):
        raise Refused(NOT_FOUND)
    return recorded, recorded.event, born(recorded, recorded.event, recorded.at)[0]


def _why_gone(call: Call[Watcher], message: Message) -> str:
    if message.last_day < call.state(DESK).clock.now().date():
        return f"expired: it was kept until {message.last_day}"
    return "removed before its time"


def _text(body: bytes) -> str:
    """Text as it is, anything else in base64."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return b64encode(body).decode()


def _invalid(field: str, why: str) -> Invalid:
    return Invalid([Issue("query", (field,), why, "value_error")])
