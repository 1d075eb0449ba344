"""The log, asked through the API: hookd's own routes beside Svix's. They read one stream, never the state.

Ids stay readable after what they name is deleted. A delivery is `<message>/<endpoint>`.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Annotated, Any, Final

import asyncpg
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from daemon.api.auth import App, Tokens
from daemon.api.context import DESK, Refused
from daemon.api.errors import Invalid, Issue, Place
from daemon.api.layer import Surface
from daemon.api.lists import PAGE_SIZE_MAX, ListQuery, Page
from daemon.api.models import CamelOut, absent
from daemon.api.operation import Call
from daemon.api.raw import RawObject
from daemon.api.v1.callers import NOT_FOUND, Tenant
from daemon.api.v1.listing import bad_iterator, is_descending, page_of
from events import codec, history
from events.envelope import Recorded
from events.past import BY_ENDPOINT, Standing, Thing, difference
from events.views import Found, Slice
from events.when import SEQ_MAX, BadWhen, Position, When, parse
from events.wording import describe

TAG: Final = "Audit"
ONE: Final = "/{id}"
DELIVERY: Final = "/{message_id}/{endpoint_id}"
NOW: Final = "now"
EVENTS_MAX: Final = PAGE_SIZE_MAX
"""A difference lists so many events, the last ones, and names so many for a field."""

_WHEN: Final = "RFC 3339, `now`, like `2h ago`, or a position (`3/17`: right after event 17 of partition 3)."
MomentOrPosition = Annotated[str, Field(max_length=80, description=_WHEN)]


class TrailQuery(ListQuery):
    """Which facts: recorded at `since` or later, and at `until` or before."""

    since: MomentOrPosition | None = None
    until: MomentOrPosition | None = None


class AsOfQuery(BaseModel):
    """When."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    at: MomentOrPosition = NOW


class DiffQuery(BaseModel):
    """From when to when."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    start: MomentOrPosition = Field(alias="from")
    to: MomentOrPosition = NOW


class FactOut(CamelOut):
    """One event of the log. `body` is what it says, `text` the same in words."""

    position: str
    partition: int
    seq: int
    at: datetime
    stream: str
    endpoint: str | None = Field(default=None, exclude_if=absent)
    version: int
    type: str
    actor: str
    request: str | None = Field(default=None, exclude_if=absent)
    text: str
    body: RawObject


class AsOfOut(CamelOut):
    """What something was right after `position`; `last` is the last fact about it until then."""

    id: str
    kind: str | None
    position: str
    standing: Standing
    last: FactOut | None
    state: dict[str, Any] | None


class ChangeOut(CamelOut):
    """A field that differs, and the positions of the events that wrote it."""

    field: str
    before: Any
    after: Any
    by: list[str]


class DiffOut(CamelOut):
    """How something changed. `events` are the last 250 of `eventCount` in between."""

    id: str
    kind: str | None
    start: str = Field(serialization_alias="from")
    to: str
    was: Standing
    now: Standing
    changes: list[ChangeOut]
    event_count: int
    events: list[FactOut]


def declare(surface: Surface, tokens: Tokens) -> None:
    """Declare the routes."""
    auth, errors = tokens.tenant, (404, 503)
    for path, one, of_delivery, query, out in (
        ("/audit/trail", get_trail, get_delivery_trail, TrailQuery, Page[FactOut]),
        ("/audit/as-of", get_as_of, get_delivery_as_of, AsOfQuery, AsOfOut),
        ("/audit/diff", get_diff, get_delivery_diff, DiffQuery, DiffOut),
    ):
        surface.op("GET", path + ONE, query=query, out=out, errors=errors, auth=auth, tag=TAG)(one)
        surface.op("GET", path + DELIVERY, query=query, out=out, errors=errors, auth=auth, tag=TAG)(of_delivery)


async def get_trail(call: Call[Tenant], id: str, query: TrailQuery) -> Page[FactOut]:  # noqa: A002
    """List every fact about an application, endpoint, event type, admin, message or attempt, the oldest first."""
    return await _trail(call, id, query)


async def get_delivery_trail(
    call: Call[Tenant], message_id: str, endpoint_id: str, query: TrailQuery
) -> Page[FactOut]:
    """List every fact about a delivery, from the acceptance of its message on."""
    return await _trail(call, f"{message_id}/{endpoint_id}", query)


async def get_as_of(call: Call[Tenant], id: str, query: AsOfQuery) -> AsOfOut:  # noqa: A002
    """Get what an application, endpoint, event type, admin or message was at a moment or position."""
    return await _as_of(call, id, query)


async def get_delivery_as_of(call: Call[Tenant], message_id: str, endpoint_id: str, query: AsOfQuery) -> AsOfOut:
    """Get what a delivery was at a moment or position."""
    return await _as_of(call, f"{message_id}/{endpoint_id}", query)


async def get_diff(call: Call[Tenant], id: str, query: DiffQuery) -> DiffOut:  # noqa: A002
    """Get what changed between two moments or positions, and which events did it."""
    return await _diff(call, id, query)


async def get_delivery_diff(call: Call[Tenant], message_id: str, endpoint_id: str, query: DiffQuery) -> DiffOut:
    """Get what changed of a delivery between two moments or positions, and which events did it."""
    return await _diff(call, f"{message_id}/{endpoint_id}", query)


async def _trail(call: Call[Tenant], identifier: str, query: TrailQuery) -> Page[FactOut]:
    page = Slice(query.limit, query.cursor, query.backwards, is_descending(query, usually=False))
    since, until = _when(call, "since", query.since), _when(call, "until", query.until)
    async with _theirs(call, identifier) as (connection, thing):
        low, high = _iterated(page, thing.partition)
        if since is not None:
            with _named("since"):
                low = max(low, await history.before(connection, thing.partition, since))
        if until is not None:
            high = min(high, (await _place(connection, thing, "until", until)).seq + 1)
        rows = await history.trail(
            connection, thing, page.limit + 1, after=low, before=high, newest_first=not page.rises
        )
    items = rows[: page.limit]
    if page.backwards:
        items.reverse()
    return page_of(Found(items, len(rows) <= page.limit), write, lambda each: each.position)


def _iterated(page: Slice, partition: int) -> tuple[int, int]:
    """The positions between which the page lies, both exclusive. Invalid."""
    if page.cursor is None:
        return 0, SEQ_MAX
    head, _, seq = page.cursor.partition("/")
    if head != str(partition) or not (seq.isascii() and seq.isdigit()) or int(seq) > SEQ_MAX:
        raise bad_iterator(f"must be the position of a fact, as in {partition}/17, with - for backwards")
    return (int(seq), SEQ_MAX) if page.rises else (0, int(seq))


async def _as_of(call: Call[Tenant], identifier: str, query: AsOfQuery) -> AsOfOut:
    at = _when(call, "at", query.at)
    assert at is not None
    async with _theirs(call, identifier, stateful=True) as (connection, thing):
        position = await _place(connection, thing, "at", at)
        past = await history.past(connection, thing, position.seq)
    return AsOfOut(
        id=thing.id,
        kind=past.kind,
        position=str(position),
        standing=past.standing,
        last=None if past.last is None else write(past.last),
        state=None if past.state is None else _camel(past.state),
    )


async def _diff(call: Call[Tenant], identifier: str, query: DiffQuery) -> DiffOut:
    start, to = _when(call, "from", query.start), _when(call, "to", query.to)
    assert start is not None
    assert to is not None
    async with _theirs(call, identifier, stateful=True) as (connection, thing):
        first, last = await _place(connection, thing, "from", start), await _place(connection, thing, "to", to)
        if first.seq > last.seq:
            raise _invalid("from", f"comes after `to` ({first}, {last})")
        found = difference(thing, await history.stream(connection, thing, last.seq), first.seq)
    return DiffOut(
        id=thing.id,
        kind=found.kind,
        start=str(first),
        to=str(last),
        was=found.was,
        now=found.now,
        changes=[
            ChangeOut(
                field=_camel_path(each.field),
                before=each.before,
                after=each.after,
                by=[_position(event) for event in each.by[-EVENTS_MAX:]],
            )
            for each in found.changes
        ],
        event_count=len(found.events),
        events=[write(each) for each in found.events[-EVENTS_MAX:]],
    )


@asynccontextmanager
async def _theirs(
    call: Call[Tenant], identifier: str, *, stateful: bool = False
) -> AsyncIterator[tuple[asyncpg.Connection, Thing]]:
    """What the id names, if it is the caller's, and a connection to read more of it. Refused (404), Invalid (422)."""
    principal = call.principal
    async with call.state(DESK).views.reading() as connection:
        thing = await history.locate(connection, identifier)
        owner = None if thing is None else await history.owner_of(connection, thing)
        if thing is None or owner is None or owner.org != principal.org_id:
            raise Refused(NOT_FOUND)
        if isinstance(principal, App) and owner.application != principal.app_id:
            raise Refused(NOT_FOUND)
        if stateful and thing.seq is not None:
            raise _invalid("id", f"an attempt never changes: ask for its delivery, {thing.id}", "path")
        yield connection, thing


def _when(call: Call[Tenant], field: str, text: str | None) -> When | None:
    try:
        return None if text is None else parse(text, call.state(DESK).clock.now())
    except BadWhen as bad:
        raise _invalid(field, str(bad)) from None


async def _place(connection: asyncpg.Connection, thing: Thing, field: str, when: When) -> Position:
    with _named(field):
        return await history.place(connection, thing.partition, when)


@contextmanager
def _named(field: str) -> Iterator[None]:
    try:
        yield
    except history.Misplaced as misplaced:
        raise _invalid(field, str(misplaced)) from None


def _invalid(field: str, why: str, place: Place = "query") -> Invalid:
    return Invalid([Issue(place, (field,), why, "value_error")])


def write(recorded: Recorded) -> FactOut:
    """Write a fact as it is answered."""
    return FactOut(
        position=_position(recorded),
        partition=recorded.partition,
        seq=recorded.seq,
        at=recorded.at,
        stream=recorded.stream,
        endpoint=recorded.endpoint,
        version=recorded.version,
        type=type(recorded.event).__name__,
        actor=recorded.actor,
        request=recorded.request,
        text=describe(recorded.event),
        body=RawObject(codec.encode(recorded.event)),
    )


def _position(recorded: Recorded) -> str:
    return str(Position(recorded.partition, recorded.seq))


def _camel(state: dict[str, Any]) -> dict[str, Any]:
    """The names of fields, as its neighbours spell them; what people named stays as it is."""
    written = {to_camel(name): value for name, value in state.items() if name != BY_ENDPOINT}
    if BY_ENDPOINT in state:
        written[to_camel(BY_ENDPOINT)] = {key: _camel(value) for key, value in state[BY_ENDPOINT].items()}
    return written


def _camel_path(path: str) -> str:
    first, *middle = path.split(".")
    if not middle:
        return to_camel(first)
    return ".".join((to_camel(first), *middle[:-1], to_camel(middle[-1])))
