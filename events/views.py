"""What people and programs may look up: lists and single things, read from the tables and the log."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Generic, TypeVar

import asyncpg
import msgspec

from events import bodies, codec, ids
from events.answering import answering
from events.application import Application
from events.catalogue import (
    AttemptAbandoned,
    AttemptFailed,
    AttemptSucceeded,
    EndpointRegistered,
    EndpointUpdated,
    Event,
    MessageAccepted,
)
from events.content import last_day
from events.endpoint import Endpoint
from events.envelope import Recorded
from events.event_type import EventType
from events.log import Unavailable
from events.message import Message, message_of
from events.rows import entity_from_row, from_row

T = TypeVar("T")

# In C collation every id and name lies between these two.
LOWEST: Final = ""
HIGHEST: Final = "~"
_SEQ_MAX: Final = 2**63 - 1

EPOCH: Final = datetime(2014, 5, 13, 16, 53, 20, tzinfo=UTC)
"""The earliest moment an id can name."""
END: Final = datetime(2150, 1, 1, tzinfo=UTC)

CLOCKS_APART: Final = timedelta(seconds=10)
"""So far at most do the clocks of two processes differ: but for this, moments rise with positions."""

_ATTEMPTS: Final = (AttemptSucceeded, AttemptFailed, AttemptAbandoned)
_CONFIGS: Final = (EndpointRegistered, EndpointUpdated)
_EVENTS: Final = "partition, seq, at, stream, endpoint, version, type, schema, actor, request, body"

_NAMED: Final = "select message from state.event_id where partition = $1 and application = $2 and event_id = $3"
_FIRST: Final = f"select {_EVENTS} from log.event where partition = $1 and stream = $2 order by seq limit 1"  # noqa: S608
# What a list of positions leads to comes in its order, and no further than the page goes.
_MESSAGES: Final = f"""
  select {_EVENTS} from log.{{end}}_of($1, $2, $3, $4) k(place) cross join lateral (
    select * from log.event x where x.partition = $1 and x.seq = k.place limit 1) e
  where at > $5 and at < $6
    and ($7::text is null or convert_from(body, 'UTF8')::jsonb -> 'channels' ? $7)
    and ($8::text[] is null or convert_from(body, 'UTF8')::jsonb ->> 'event_type' = any($8))
  limit $9"""  # noqa: S608
# The last position before a moment, found by halving.
POSITION: Final = """
  with recursive halves(low, high) as (
    select 0::bigint, seq from log.head where partition = $1
    union all
    select case when earlier then middle else low end, case when earlier then high else middle - 1 end
    from (select low, high, (low + high + 1) / 2 as middle from halves where low < high) h
    cross join lateral (select coalesce((
      select at < $2::timestamptz + $3::interval from log.event
      where partition = $1 and seq = middle), true) as earlier) e)
  select low from halves where low >= high"""
_SO_NARROWED: Final = """
  type = any($4) and at > $5 and at < $6
  and ($7::int is null or coalesce((convert_from(body, 'UTF8')::json ->> 'status')::int, 0) / 100 = $7)
  and ($8::text is null and $9::text[] is null or exists (
    select from (
      select type, convert_from(body, 'UTF8')::jsonb as told from log.event x
      where x.partition = $1 and x.stream = e.stream order by x.seq limit 1) m
    where m.type = 'MessageAccepted' and m.told ->> 'application' = $10
      and ($8 is null or m.told -> 'channels' ? $8) and ($9 is null or m.told ->> 'event_type' = any($9))))"""
_ATTEMPTS_OF_MESSAGE: Final = f"""
  select {_EVENTS} from log.event e
  where partition = $1 and stream = $2 and seq > $11 and seq < $12
    and endpoint is not null and ($3::text is null or endpoint = $3) and {_SO_NARROWED}
  order by seq {{order}} limit $13"""  # noqa: S608
_ATTEMPTS_AT_ENDPOINT: Final = f"""
  select {_EVENTS} from log.{{end}}_of($1, $3, $11, $12) k(place) cross join lateral (
    select * from log.event x where x.partition = $1 and x.seq = k.place limit 1) e
  where $2::text is null and {_SO_NARROWED} limit $13"""  # noqa: S608

_BUSY: Final = (asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError)


class Unread(Unavailable):
    """The database did not answer a question; nothing was to be changed by it."""


class Slice(msgspec.Struct, frozen=True):
    """Which page of a list: `limit` items beyond `cursor`; `backwards` those just before it, still in list order."""

    limit: int
    cursor: str | None = None
    backwards: bool = False
    descending: bool = False

    @property
    def rises(self) -> bool:
        """Whether the rows are to be read in rising order."""
        return self.descending == self.backwards

    @property
    def bounds(self) -> tuple[str, str]:
        """Both exclusive."""
        if self.cursor is None:
            return LOWEST, HIGHEST
        return (self.cursor, HIGHEST) if self.rises else (LOWEST, self.cursor)


class Found(msgspec.Struct, Generic[T], frozen=True):
    """A page's items in list order. `done`: nothing more lies in the direction of travel."""

    items: list[T]
    done: bool


class Narrowed(msgspec.Struct, frozen=True):
    """Which messages: accepted between two moments (both exclusive), of a channel, of some event types."""

    after: datetime = EPOCH
    before: datetime = END
    channel: str | None = None
    event_types: tuple[str, ...] | None = None


EVERYTHING: Final = Narrowed()


class Attempts(msgspec.Struct, frozen=True):
    """Which attempts: of a message or of an endpoint (or of both), of messages so narrowed, so ended."""

    partition: int
    application: str
    message: str | None = None
    endpoint: str | None = None
    narrowed: Narrowed = EVERYTHING
    kinds: tuple[type[Event], ...] = _ATTEMPTS
    code_class: int | None = None  # the first digit of the status; 0: no answer came

    def __post_init__(self) -> None:
        """An attempt list without one of the two would go by no index."""
        assert self.message is not None or self.endpoint is not None


class Attempt(msgspec.Struct, frozen=True):
    """One attempt as the log tells it, the URL it went to, and what came back (None: nothing, or not asked for)."""

    recorded: Recorded
    url: str
    response: bytes | None
    last_day: date | None = None  # on which the response is kept; None: not asked for

    @property
    def id(self) -> str:
        """The name of its position."""
        return ids.attempt_id(self.recorded.partition, self.recorded.seq)


class Views:
    """Reads only; every list is bounded and goes by an index. Every method may raise Unread."""

    def __init__(self, reading: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]) -> None:
        self._connections = reading

    # --- configuration

    async def applications(self, org: str, page: Slice) -> Found[Application]:
        """The live applications of an organization, by id."""
        where = "state.application where org = $1 and deleted_at is null"
        rows = await self._page(where, "id", page, org)
        return _found([entity_from_row(Application, row) for row in rows], page)

    async def endpoints(self, partition: int, application: str, page: Slice) -> Found[Endpoint]:
        """The live endpoints of an application, by id."""
        where = "state.endpoint where partition = $1 and application = $2 and deleted_at is null"
        rows = await self._page(where, "id", page, partition, application)
        return _found([entity_from_row(Endpoint, row) for row in rows], page)

    async def event_types(
        self, org: str, page: Slice, *, archived: bool = False, flags: frozenset[str] | None = None
    ) -> Found[EventType]:
        """The event types of an organization, by name: archived ones too; with `flags`, only those they open."""
        where = """state.event_type where org = $1 and (not archived or $2)
          and ($3::text[] is null or feature_flag is null or feature_flag = any($3))"""
        rows = await self._page(where, "name", page, org, archived, None if flags is None else sorted(flags))
        return _found([entity_from_row(EventType, row) for row in rows], page)

    async def admin_applications(self) -> list[str]:
        """The applications that admins own implicitly."""
        async with self.reading() as connection:
            return [row[0] for row in await connection.fetch("select application from state.admin")]

    async def secret(self, partition: int, owner: str, name: str) -> bytes | None:
        """A sealed secret."""
        statement = "select sealed from content.secret where partition = $1 and owner = $2 and id = $3"
        async with self.reading() as connection:
            sealed: bytes | None = await connection.fetchval(statement, partition, owner, name)
            return sealed

    # --- messages

    async def message(self, partition: int, application: str, id_or_event_id: str) -> Message | None:
        """One message, by its id or by the event id its sender gave it."""
        async with self.reading() as connection:
            name: str | None = id_or_event_id
            if not id_or_event_id.startswith(f"{ids.MESSAGE}_"):
                name = await connection.fetchval(_NAMED, partition, application, id_or_event_id)
            row = None if name is None else await connection.fetchrow(_FIRST, partition, name)
        found = None if row is None else _message(from_row(row))
        return found if found is not None and found.application == application else None

    async def messages(
        self, partition: int, application: str, page: Slice, narrowed: Narrowed = EVERYTHING
    ) -> Found[Message]:
        """The messages of an application, in the order in which they were accepted; the cursor is a message's id."""
        async with self.reading() as connection:
            low, high = await _span(connection, partition, narrowed)
            if page.cursor is not None:
                first = await connection.fetchrow(_FIRST, partition, page.cursor)
                if first is not None:
                    below = above = first["seq"]
                else:  # of a message that is not here: where it would stand, had it been accepted at once
                    below = await _position(connection, partition, ids.minted_at(page.cursor))
                    above = below + 1
                low, high = (max(low, below), high) if page.rises else (low, min(high, above))
            rows = await connection.fetch(
                _MESSAGES.format(end=_end(page)),
                partition,
                application,
                low,
                high,
                narrowed.after,
                narrowed.before,
                narrowed.channel,
                narrowed.event_types,
                page.limit + 1,
            )
        return _found([each for row in rows if (each := _message(from_row(row))) is not None], page)

    async def payloads(self, messages: Iterable[Message]) -> dict[str, bytes]:
        """Payloads by message; those that are gone are left out."""
        asked = [(message.last_day, message.partition, message.id) for message in messages]
        async with self.reading() as connection:
            return await bodies.payloads(connection, asked)

    # --- attempts

    async def attempts(self, wanted: Attempts, page: Slice, *, with_responses: bool = True) -> Found[Attempt]:
        """Attempts by position; the cursor is an attempt's id. ValueError when it is of another partition."""
        narrowed = wanted.narrowed
        async with self.reading() as connection:
            low, high = await _span(connection, wanted.partition, narrowed)
            if page.cursor is not None:
                seq = _seq(page.cursor, wanted.partition)
                low, high = (max(low, seq), high) if page.rises else (low, min(high, seq))
            rows = await connection.fetch(
                _attempts_statement(wanted, page),
                wanted.partition,
                wanted.message,
                wanted.endpoint,
                [kind.__name__ for kind in wanted.kinds],
                narrowed.after,
                narrowed.before,
                wanted.code_class,
                narrowed.channel,
                narrowed.event_types,
                wanted.application,
                low,
                high,
                page.limit + 1,
            )
        found = _found([from_row(row) for row in rows], page)
        return Found(await self._told(found.items, with_responses=with_responses), found.done)

    async def attempt(self, partition: int, message: str, seq: int) -> Attempt | None:
        """The attempt to deliver `message` that stands at this position."""
        statement = f"select {_EVENTS} from log.event where partition = $1 and seq = $2 and stream = $3"  # noqa: S608
        if not 0 < seq <= _SEQ_MAX:
            return None
        async with self.reading() as connection:
            row = await connection.fetchrow(statement, partition, seq, message)
        recorded = None if row is None else from_row(row)
        if recorded is None or not isinstance(recorded.event, _ATTEMPTS):
            return None
        return (await self._told([recorded], with_responses=True))[0]

    async def _told(self, attempts: Sequence[Recorded], *, with_responses: bool) -> list[Attempt]:
        if not attempts:
            return []
        urls = await self._urls(attempts[0].partition, {str(each.endpoint) for each in attempts})
        if not with_responses:
            return [Attempt(each, _url_of(each, urls), None) for each in attempts]
        async with self.reading() as connection:
            days = await _last_days(connection, attempts)
            asked = [(days[each.stream], each.partition, each.seq) for each in attempts if each.stream in days]
            found = await bodies.responses(connection, asked)
        return [Attempt(each, _url_of(each, urls), found.get(each.seq), days.get(each.stream)) for each in attempts]

    async def _urls(self, partition: int, endpoints: set[str]) -> dict[str, list[tuple[int, int, str]]]:
        """Of each endpoint, from which version and position on it had which URL, in order."""
        statement = """select e.* from unnest($2::text[]) k(stream) cross join lateral (
            select stream, version, seq, type, schema, body from log.event x
            where x.partition = $1 and x.stream = k.stream and x.type = any($3) order by x.seq) e"""
        kinds = [kind.__name__ for kind in _CONFIGS]
        async with self.reading() as connection:
            rows = await connection.fetch(statement, partition, sorted(endpoints), kinds)
        found: dict[str, list[tuple[int, int, str]]] = {}
        for stream, version, seq, kind, schema, body in rows:
            event = codec.decode(kind, schema, body)
            assert isinstance(event, _CONFIGS)  # each carries the whole config: there is nothing to fold
            found.setdefault(stream, []).append((version, seq, event.config.url))
        return found

    # --- reading

    async def _page(self, where: str, key: str, page: Slice, *arguments: Any) -> list[asyncpg.Record]:
        return await self._rows(where, key, page, page.bounds, *arguments)

    async def _rows(
        self, where: str, key: str, page: Slice, bounds: tuple[Any, Any], *arguments: Any
    ) -> list[asyncpg.Record]:
        """One row more than the page holds, so that its end is known without counting."""
        nth = len(arguments)
        direction = "asc" if page.rises else "desc"
        statement = f"""select * from {where} and {key} > ${nth + 1} and {key} < ${nth + 2}
          order by {key} {direction} limit ${nth + 3}"""  # noqa: S608
        async with self.reading() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments, *bounds, page.limit + 1)
            return rows

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection to look something up by, for as long as the block lasts."""
        with answering(*_BUSY, error=Unread):
            async with self._connections() as connection:
                yield connection


def _found(items: list[T], page: Slice) -> Found[T]:
    shown = items[: page.limit]
    if page.backwards:
        shown.reverse()
    return Found(shown, len(items) <= page.limit)


def _end(page: Slice) -> str:
    """At which end of a list to begin."""
    return "oldest" if page.rises else "newest"


def _message(recorded: Recorded) -> Message | None:
    event = recorded.event
    return message_of(recorded, event, recorded.at) if isinstance(event, MessageAccepted) else None


def _seq(attempt_id: str, partition: int) -> int:
    of_partition, seq = ids.attempt_position(attempt_id)
    if of_partition != partition or seq > _SEQ_MAX:
        raise ValueError(f"{attempt_id} is of another list")
    return seq


async def _last_days(connection: asyncpg.Connection, attempts: Sequence[Recorded]) -> dict[str, date]:
    """The last day on which the bodies of each message are kept: its acceptance tells, the first of its stream."""
    statement = """select e.* from unnest($2::text[]) k(stream) cross join lateral (
      select stream, at, type, schema, body from log.event x
      where x.partition = $1 and x.stream = k.stream order by x.seq limit 1) e"""
    streams = sorted({each.stream for each in attempts})
    found = {}
    for stream, at, kind, schema, body in await connection.fetch(statement, attempts[0].partition, streams):
        event = codec.decode(kind, schema, body)
        if isinstance(event, MessageAccepted):
            found[stream] = last_day(at, event.retention_days)
    return found


async def _span(connection: asyncpg.Connection, partition: int, narrowed: Narrowed) -> tuple[int, int]:
    """The positions between which all lies that was recorded then, both exclusive."""
    after = await _position(connection, partition, narrowed.after, -CLOCKS_APART)
    return after, await _position(connection, partition, narrowed.before, CLOCKS_APART) + 1


async def _position(
    connection: asyncpg.Connection, partition: int, moment: datetime, later: timedelta = timedelta()
) -> int:
    """The last position before a moment, or so much later."""
    found: int | None = await connection.fetchval(POSITION, partition, moment, later)
    return found or 0


def _attempts_statement(wanted: Attempts, page: Slice) -> str:
    """By the index that answers; the other conditions hold when they are not asked for."""
    if wanted.message is not None:
        return _ATTEMPTS_OF_MESSAGE.format(order="asc" if page.rises else "desc")
    return _ATTEMPTS_AT_ENDPOINT.format(end=_end(page))


def _url_of(attempt: Recorded, urls: Mapping[str, list[tuple[int, int, str]]]) -> str:
    """Where the attempt went: by the version of the endpoint it names, else by what held when it was recorded."""
    config: int | None = getattr(attempt.event, "config", None)
    url = ""
    for version, seq, candidate in urls.get(str(attempt.endpoint), ()):
        if version <= config if config is not None else seq < attempt.seq:
            url = candidate
    return url
