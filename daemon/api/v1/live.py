"""What happens, while it happens: a stream of server-sent events."""

import asyncio
from typing import Annotated, Final, Literal

import msgspec
from aiohttp import hdrs
from pydantic import Field

from daemon.api.answer import Answer
from daemon.api.auth import App, Operator, Tokens
from daemon.api.context import DESK, LIVE
from daemon.api.errors import ApiError, Invalid, Issue
from daemon.api.layer import Surface
from daemon.api.models import Strict
from daemon.api.operation import Call
from daemon.api.stream import Stream
from daemon.api.v1.watchers import Watcher, application_seen, endpoint_seen
from daemon.live import frames
from daemon.live.group import Wanted
from daemon.live.hub import Closed, Hub
from daemon.live.subscriber import Subscriber
from daemon.target import USER_AGENT
from events.positions import BadPositions, Positions, parse, spell

TAG: Final = "Live"
RATE: Final = 500
RATE_MAX: Final = 2000
TOP: Final = 50
TOP_MAX: Final = 500
POSITIONS_CHARS_MAX: Final = 4096
RESUME_HEADER: Final = "Last-Event-ID"


class LiveQuery(Strict):
    """What to tell of."""

    application: str | None = Field(default=None, description="only of this application (its id)")
    endpoint: str | None = Field(default=None, description="only of this endpoint (its id)")
    status: Literal["ok", "failed", "config"] | None = Field(
        default=None, description="only of attempts that succeeded, of failures, or of changes of the configuration"
    )
    rate: Annotated[int, Field(ge=1, le=RATE_MAX, description="events a second at most")] = RATE
    top: Annotated[int, Field(ge=1, le=TOP_MAX, description="targets in the stats, the busiest")] = TOP
    since: str | None = Field(
        default=None,
        alias="from",
        max_length=POSITIONS_CHARS_MAX,
        description=f"positions to go on after, as in `120.4.0.77`; the header {RESUME_HEADER} wins",
    )


class _Hello(msgspec.Struct, frozen=True):
    process: str
    version: str
    now: str
    partitions: int
    positions: str
    resumed: bool


def declare(surface: Surface, tokens: Tokens) -> None:
    """Declare the routes."""
    surface.op(
        "GET",
        "/live",
        query=LiveQuery,
        media=frames.MEDIA,
        errors=(404, 503),
        auth=tokens.watcher,
        tag=TAG,
    )(watch)


async def watch(call: Call[Watcher], query: LiveQuery) -> Answer:
    """Watch what happens, as server-sent events.

    - `hello`: `{process, version, now, partitions, positions, resumed}`, first
    - `events`: a list of events, in order within each partition: `{partition, seq, at, stream, endpoint?, version,
      type, actor, request?, body}`; ten times a second at most. Its `id` is where the log is then
    - `skipped`: `{count, positions}`: more happened than `rate` allows, than was taken, or than is read again
    - `stats`: once a second, for operators, as GET /overview has them

    Who comes back with the last `id` gets what was missed, up to 5,000 events. When hookd stops, the stream ends.
    """
    hub = call.state(LIVE)
    wanted, top = _wanted(call, query), query.top if isinstance(call.principal, Operator) else None
    given = call.request.header(RESUME_HEADER.lower().encode()) or query.since
    since = None if given is None else _positions(given, call.state(DESK).world.partitions)
    stream = Stream(frames.MEDIA)
    if call.request.method == hdrs.METH_HEAD:
        return stream
    transport = call.request.transport
    subscriber = Subscriber(transport, wanted, top, asyncio.get_running_loop().time())
    try:
        positions = await hub.join(subscriber)
    except Closed as closed:
        raise ApiError(503, "unavailable", f"{closed}: come back", headers={"Retry-After": "1"}) from None
    try:
        resumed = since is not None and await hub.reaches(since)
        stream.begin(call.request)
        begun = since if since is not None and resumed else positions
        transport.write(_hello(call, hub, begun, resumed=resumed))
        await hub.resume(subscriber, begun)
        await subscriber.ended.wait()
    finally:
        hub.leave(subscriber)
    return stream


def _wanted(call: Call[Watcher], query: LiveQuery) -> Wanted:
    principal = call.principal
    application = None if query.application is None else application_seen(call, query.application).id
    endpoint = None if query.endpoint is None else endpoint_seen(call, query.endpoint).id
    if isinstance(principal, App):
        application = principal.app_id
    org = None if isinstance(principal, Operator) else principal.org_id
    return Wanted(query.rate, org, application, endpoint, query.status)


def _positions(given: str, partitions: int) -> Positions:
    try:
        return parse(given, partitions)
    except BadPositions as bad:
        raise Invalid([Issue("query", ("from",), str(bad), "value_error")]) from None


def _hello(call: Call[Watcher], hub: Hub, positions: Positions, *, resumed: bool) -> bytes:
    now = call.state(DESK).clock.now().isoformat().replace("+00:00", "Z")
    version = USER_AGENT.partition("/")[2]
    hello = _Hello(hub.reporter.name, version, now, len(positions), spell(positions), resumed)
    return frames.frame("hello", msgspec.json.encode(hello), hello.positions)
