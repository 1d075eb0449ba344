"""The story of one thing, as the log tells it: who did what, when, through which request.

Everything here reads one stream (or one delivery) by its index, whatever the size of the log.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import msgspec

from events import ids
from events.catalogue import AdminCreated, ApplicationCreated, EndpointRegistered, EventTypeCreated, MessageAccepted
from events.envelope import Recorded
from events.past import Past, Thing
from events.replay import position_at
from events.rows import from_row
from events.when import PARTITION_MAX, SEQ_MAX, Position, When

_EVENTS: Final = (
    "e.partition, e.seq, e.at, e.stream, e.endpoint, e.version, e.type, e.schema, e.actor, e.request, e.body"
)

_LOCATE: Final = """
  select h.partition from log.head h cross join lateral (
    select from log.event s where s.partition = h.partition and s.stream = $1 limit 1) e
  limit 1"""
_ONE: Final = f"select {_EVENTS} from log.event e where partition = $1 and seq = $2"  # noqa: S608
_FIRST: Final = f"""
  select {_EVENTS} from log.event e where partition = $1 and stream = $2 order by seq limit 1"""  # noqa: S608
_STREAM: Final = f"""
  select {_EVENTS} from log.event e where partition = $1 and stream = $2 and seq <= $3 order by seq"""  # noqa: S608
_DELIVERY: Final = f"""
  select {_EVENTS} from log.event e
  where partition = $1 and stream = $2 and seq <= $3 and (endpoint is null or endpoint = $4) order by seq"""  # noqa: S608

_FACTS: Final = """
  select {events} from log.event e
  where partition = $1 and stream = $2 and seq > $3 and seq < $4 order by seq {order} limit $5"""
_FACTS_OF_ENDPOINT: Final = """
  select * from (
    (select {events} from log.event e
      where partition = $1 and stream = $2 and seq > $3 and seq < $4 order by seq {order} limit $5)
    union all
    (select {events} from log.{end}_of($1, $2, $3, $4) k(place) cross join lateral (
      select * from log.event where partition = $1 and seq = k.place limit 1) e limit $5)) e
  order by seq {order} limit $5"""
_FACTS_OF_DELIVERY: Final = """
  select {events} from log.event e
  where partition = $1 and stream = $2 and (endpoint is null or endpoint = $6) and seq > $3 and seq < $4
  order by seq {order} limit $5"""
_FACT: Final = """
  select {events} from log.event e where partition = $1 and seq = $2 and seq > $3 and seq < $4 limit $5"""

_ATTEMPTS: Final = frozenset({"AttemptSucceeded", "AttemptFailed", "AttemptAbandoned"})


class Misplaced(ValueError):
    """The position says nothing about this thing, or is none of this log."""


class Owner(msgspec.Struct, frozen=True):
    """To whom a thing belongs."""

    org: str
    application: str | None  # None: to the organization itself


async def locate(connection: asyncpg.Connection, identifier: str) -> Thing | None:
    """What an id names: a stream, `<message>/<endpoint>`, or an attempt. None: the log knows nothing of it."""
    if "\0" in identifier:
        return None
    if identifier.startswith(f"{ids.ATTEMPT}_"):
        return await _attempt(connection, identifier)
    stream, _, endpoint = identifier.partition("/")
    partition = await connection.fetchval(_LOCATE, stream)
    if partition is None:
        return None
    if not endpoint:
        return Thing(partition, stream)
    first = await _first(connection, partition, stream)
    sent = first is not None and isinstance(first.event, MessageAccepted) and endpoint in first.event.endpoints
    return Thing(partition, stream, endpoint) if sent else None


async def _attempt(connection: asyncpg.Connection, identifier: str) -> Thing | None:
    try:
        partition, seq = ids.attempt_position(identifier)
    except ValueError:
        return None
    if partition > PARTITION_MAX or seq > SEQ_MAX:
        return None
    row = await connection.fetchrow(_ONE, partition, seq)
    if row is None or row["type"] not in _ATTEMPTS:
        return None
    return Thing(partition, row["stream"], row["endpoint"], seq)


async def owner_of(connection: asyncpg.Connection, thing: Thing) -> Owner | None:
    """To whom it belongs, though it may be deleted; None for what is nobody's, as a partition."""
    first = await _first(connection, thing.partition, thing.stream)
    match None if first is None else first.event:
        case ApplicationCreated(org=org):
            return Owner(org, thing.stream)
        case EventTypeCreated(org=org):
            return Owner(org, None)
        case EndpointRegistered(application=application) | MessageAccepted(application=application):
            return await _owner_of_application(connection, thing.partition, application, within=application)
        case AdminCreated(application=application):  # whoever acts for the application is not shown its admin
            return await _owner_of_application(connection, thing.partition, application, within=None)
    return None


async def _owner_of_application(
    connection: asyncpg.Connection, partition: int, application: str, within: str | None
) -> Owner | None:
    first = await _first(connection, partition, application)
    event = None if first is None else first.event
    return Owner(event.org, within) if isinstance(event, ApplicationCreated) else None


async def first_of(connection: asyncpg.Connection, thing: Thing) -> Recorded | None:
    """The event with which a thing came to be."""
    return await _first(connection, thing.partition, thing.stream)


async def _first(connection: asyncpg.Connection, partition: int, stream: str) -> Recorded | None:
    row = await connection.fetchrow(_FIRST, partition, stream)
    return None if row is None else from_row(row)


async def trail(
    connection: asyncpg.Connection,
    thing: Thing,
    limit: int = 1000,
    *,
    after: int = 0,
    before: int = SEQ_MAX,
    newest_first: bool = False,
) -> list[Recorded]:
    """The facts about a thing between two positions of its partition, both exclusive, from one end on.

    A message's trail holds its deliveries' attempts; an endpoint's holds the attempts made to it; a delivery's
    begins with the acceptance of its message; an attempt's is the one fact.
    """
    statement, arguments = _FACTS, [thing.partition, thing.stream, after, before, limit]
    if thing.seq is not None:
        statement, arguments[1] = _FACT, thing.seq
    elif thing.stream.startswith(f"{ids.ENDPOINT}_"):
        statement = _FACTS_OF_ENDPOINT
    elif thing.endpoint is not None:
        statement, arguments = _FACTS_OF_DELIVERY, [*arguments, thing.endpoint]
    order, end = ("desc", "newest") if newest_first else ("asc", "oldest")
    filled = statement.format(events=_EVENTS, order=order, end=end)
    return [from_row(row) for row in await connection.fetch(filled, *arguments)]


async def past(connection: asyncpg.Connection, thing: Thing, seq: int) -> Past:
    """What a thing was right after position `seq` of its partition."""
    return Past(thing, await stream(connection, thing, seq))


async def stream(connection: asyncpg.Connection, thing: Thing, seq: int) -> list[Recorded]:
    """What its state is made of up to position `seq`: its own stream; of a delivery only what concerns it."""
    arguments: list[Any] = [thing.partition, thing.stream, seq]
    if thing.endpoint is not None:
        rows = await connection.fetch(_DELIVERY, *arguments, thing.endpoint)
    else:
        rows = await connection.fetch(_STREAM, *arguments)
    return [from_row(row) for row in rows]


async def place(connection: asyncpg.Connection, partition: int, when: When) -> Position:
    """The position of a partition that a moment or position stands for: its last event until then. Misplaced."""
    if isinstance(when, datetime):
        return Position(partition, await position_at(connection, partition, when))
    if when.partition != partition:
        raise Misplaced(f"{when} is a position of another partition: this stands in partition {partition}")
    last = await connection.fetchval("select seq from log.head where partition = $1", partition)
    if last is None or when.seq > last:
        raise Misplaced(f"{when} is not reached yet: partition {partition} ends at {partition}/{last or 0}")
    return when


async def before(connection: asyncpg.Connection, partition: int, when: When) -> int:
    """The position after which events are at this moment or later; a position itself belongs to what follows."""
    if isinstance(when, datetime):
        when = max(when, datetime(1, 1, 2, tzinfo=UTC))  # there is no moment before the calendar begins
        return await position_at(connection, partition, when - timedelta(microseconds=1))
    return max((await place(connection, partition, when)).seq - 1, 0)
