"""What there was at a place of the log: endpoints and applications, and how much was undelivered. Reads only.

Nothing here folds the log. A configuration is evolved from its own stream's last events, which have an index; what
is undelivered is counted by PostgreSQL, and only while the log up to there is short. What happened to whom stands in
the streams; the tables of `state` only say which ids there are to look for.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec

from events.application import Application
from events.catalogue import BreakerOpened
from events.endpoint import Endpoint
from events.envelope import Recorded
from events.log_views import Reading
from events.positions import Positions
from events.rows import from_row
from events.world import EVOLVE, Entity

LATEST: Final = 16
"""Events of a stream that are read whole; of what came before, the last of each type."""
CHUNK: Final = 500
COUNTED_MAX: Final = 200_000
"""Events up to a place for which what is undelivered there is counted: half a second of PostgreSQL's."""
SLACK: Final = timedelta(minutes=1)
"""Clocks of processes differ: who is left out by the tables' moments is left out by so much."""

_EVENTS: Final = "partition, seq, at, stream, endpoint, version, type, schema, actor, request, body"
_IDS: Final = """
  select partition, id from state.{table}
  where (partition, id) > ($1, $2) and created_at <= $3 and (deleted_at is null or deleted_at > $4)
  order by partition, id limit $5"""
_LATEST: Final = f"""
  select e.* from unnest($1::smallint[], $2::text[], $3::bigint[]) k(number, id, upto) cross join lateral (
    select {_EVENTS} from log.event s
    where s.partition = k.number and s.stream = k.id and s.seq <= k.upto and s.endpoint is null
    order by s.seq desc limit {LATEST}) e"""  # noqa: S608
_BEFORE: Final = f"""
  select e.* from unnest($1::smallint[], $2::text[], $3::bigint[]) k(number, id, lowest) cross join lateral (
    select distinct on (s.type) {_EVENTS} from log.event s
    where s.partition = k.number and s.stream = k.id and s.seq < k.lowest and s.endpoint is null
    order by s.type, s.seq desc) e"""  # noqa: S608
_MOMENT: Final = """
  select max(e.at) from unnest($1::smallint[], $2::bigint[]) p(number, seq)
  join log.event e on e.partition = p.number and e.seq = p.seq"""
# A delivery waits unless something ended it after it was accepted, or after it was last sent again. No join: hookd's
# sessions make none by hash, and this goes through all events up to there once, by the primary key.
_UNDELIVERED: Final = """
  select m.endpoint, count(*) from (
    select u.partition, u.stream, u.endpoint from (
      select e.partition, e.stream, t.endpoint, e.seq, e.type
      from unnest($1::smallint[], $2::bigint[]) p(number, upto)
      cross join lateral (
        select * from log.event l where l.partition = p.number and l.seq <= p.upto order by l.seq limit $3) e
      cross join lateral (
        select e.endpoint where e.endpoint is not null
        union all
        select json_array_elements_text(convert_from(e.body, 'UTF8')::json -> 'endpoints')
        where e.type = 'MessageAccepted') t(endpoint)
      where e.type in ('MessageAccepted', 'AttemptSucceeded', 'DeliveryExhausted', 'DeliveryGone',
        'DeliveryCancelled', 'DeliveryExpired', 'DeliveryResent')) u
    group by 1, 2, 3
    having max(u.seq) = max(u.seq) filter (where u.type in ('MessageAccepted', 'DeliveryResent'))) m
  group by 1"""

E = TypeVar("E", bound=Entity)
Key = tuple[int, str]


class Then(msgspec.Struct, frozen=True):
    """An endpoint as it was, and what last opened its breaker, if that is open."""

    endpoint: Endpoint
    opened: BreakerOpened | None


class AsOfViews:
    """Every method may raise what `reading` raises when the database does not answer."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    async def moment(self, high: Positions) -> datetime | None:
        """When the last event up to a place was recorded; None before the first."""
        async with self._reading() as connection:
            found: datetime | None = await connection.fetchval(_MOMENT, list(range(len(high))), list(high))
            return found

    async def endpoints(self, high: Positions, moment: datetime) -> AsyncIterator[list[Then]]:
        """The endpoints that there were, in chunks, by partition and id."""
        async for chunk in self._streams("endpoint", high, moment):
            yield [
                Then(endpoint, _opened(events, endpoint))
                for events in chunk
                if (endpoint := latest(Endpoint, events)) is not None
            ]

    async def applications(self, high: Positions, moment: datetime) -> AsyncIterator[list[Application]]:
        """The applications that there were, in chunks, by partition and id."""
        async for chunk in self._streams("application", high, moment):
            yield [found for events in chunk if (found := latest(Application, events)) is not None]

    async def undelivered(self, high: Positions) -> dict[str, int] | None:
        """How many deliveries waited, by endpoint; None when the log up to there is too long to count them."""
        if sum(high) > COUNTED_MAX:
            return None
        async with self._reading() as connection:
            return dict(await connection.fetch(_UNDELIVERED, list(range(len(high))), list(high), COUNTED_MAX))

    async def _streams(self, table: str, high: Positions, moment: datetime) -> AsyncIterator[list[list[Recorded]]]:
        after: Key = (-1, "")
        statement = _IDS.format(table=table)
        while True:
            async with self._reading() as connection:
                keys = [
                    tuple(row)
                    for row in await connection.fetch(statement, *after, moment + SLACK, moment - SLACK, CHUNK)
                ]
            if keys:
                yield await self._latest(keys, high)
            if len(keys) < CHUNK:
                return
            after = keys[-1]

    async def _latest(self, keys: Sequence[Key], high: Positions) -> list[list[Recorded]]:
        """The events that these streams' states are made of, in order."""
        found: dict[Key, list[Recorded]] = {key: [] for key in keys}
        spans = [(number, stream, high[number]) for number, stream in keys]
        _sort_in(found, await self._fetch(_LATEST, spans))
        cut = [
            (number, stream, min(each.seq for each in events))
            for (number, stream), events in found.items()
            if len(events) >= LATEST
        ]
        if cut:
            _sort_in(found, await self._fetch(_BEFORE, cut))
        return [sorted(events, key=_seq) for events in found.values() if events]

    async def _fetch(self, statement: str, keys: list[tuple[int, str, int]]) -> list[Recorded]:
        async with self._reading() as connection:
            rows: list[Any] = await connection.fetch(statement, *map(list, zip(*keys, strict=True)))
        return [from_row(row) for row in rows]


def latest(kind: type[E], events: list[Recorded]) -> E | None:
    """What these events of one stream lead to; None when it was deleted, or not there yet.

    Of a long stream only the last event of each type need be given: each says all that it changes, but how often the
    breaker has opened, so `version` and `breaker_opens` may be too small.
    """
    state: Entity | None = None
    for each in events:
        evolve = EVOLVE.get(type(each.event))
        if evolve is not None and each.version:
            state = evolve(state, each.event, each.stream, each.partition, each.at)
    return state if isinstance(state, kind) and getattr(state, "deleted_at", None) is None else None


def _opened(events: list[Recorded], endpoint: Endpoint) -> BreakerOpened | None:
    if endpoint.breaker_until is None:
        return None
    return next((each.event for each in reversed(events) if isinstance(each.event, BreakerOpened)), None)


def _sort_in(found: dict[Key, list[Recorded]], events: list[Recorded]) -> None:
    for each in events:
        found[each.partition, each.stream].append(each)


def _seq(recorded: Recorded) -> int:
    return recorded.seq
