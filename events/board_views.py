"""What an operator looks up of targets and deliveries. Reads only; every statement is bounded and by an index."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from events.answering import answering
from events.catalogue import BreakerOpened
from events.delivery import DeliveryState
from events.endpoint import Endpoint
from events.log import Unavailable
from events.log_views import Reading
from events.rows import entity_from_row, from_row
from events.views import CLOCKS_APART, POSITION, Unread

DUE_ENDPOINTS_MAX: Final = 5000
WALK: Final = 2000  # rows looked at for one page of deliveries that have ended
RECENT: Final = 20_000  # attempts looked at for the counts of an endpoint
PENDING_MAX: Final = 1000
UNDELIVERED_MAX: Final = 100_000

_DELIVERY: Final = "partition, message, endpoint, accepted_at, next_at, state, attempts, reason"
_ENDPOINT: Final = ", ".join(f"e.{name}" for name in Endpoint.__struct_fields__)

_OPERATORS_TARGETS: Final = f"""
  select {_ENDPOINT} from state.endpoint e
  where (e.partition, e.id) > ($1, $2) and e.deleted_at is null order by e.partition, e.id limit $3"""  # noqa: S608
_TENANTS_TARGETS: Final = f"""
  select {_ENDPOINT} from state.application a cross join lateral (
    select * from state.endpoint s
    where s.partition = a.partition and s.application = a.id and s.deleted_at is null
      and (a.id > $2 or s.id > $3) order by s.id limit $4) e
  where a.org = $1 and a.deleted_at is null and a.id >= $2 and ($5::text is null or a.id = $5)
  order by a.id, e.id limit $4"""  # noqa: S608
_ENDPOINTS: Final = f"""
  select {_ENDPOINT} from unnest($1::smallint[], $2::text[]) k(partition, id) cross join lateral (
    select * from state.endpoint s where s.partition = k.partition and s.id = k.id limit 1) e"""  # noqa: S608
_PENDING: Final = """
  select k.endpoint, p.pending, p.oldest from unnest($1::smallint[], $2::text[]) k(partition, endpoint)
  cross join lateral (
    select count(*) as pending, min(d.next_at) as oldest from (
      select s.next_at from state.delivery s
      where s.partition = k.partition and s.endpoint = k.endpoint and s.state = 'pending'
      order by s.next_at limit $3) d) p"""

_DUE_ENDPOINTS: Final = """
  with recursive due(partition, endpoint) as (
    (select s.partition, s.endpoint from state.delivery s where s.state = 'pending'
     order by s.partition, s.endpoint limit 1)
    union all
    select n.partition, n.endpoint from due cross join lateral (
      select s.partition, s.endpoint from state.delivery s
      where s.state = 'pending' and (s.partition, s.endpoint) > (due.partition, due.endpoint)
      order by s.partition, s.endpoint limit 1) n)
  select partition, endpoint from due limit $1"""
_DUE: Final = f"""
  select {_DELIVERY} from (
    select e.number, e.id from unnest($1::smallint[], $2::text[]) e(number, id) cross join lateral (
      select s.next_at, s.message from state.delivery s
      where s.partition = e.number and s.endpoint = e.id and s.state = 'pending'
        and (s.next_at, s.message) >= ($3, $4) and (s.next_at, s.message, s.endpoint) > ($3, $4, $5)
      order by s.next_at, s.message limit 1) h
    order by h.next_at, h.message, e.id limit $6) e
  cross join lateral (
    select * from state.delivery s
    where s.partition = e.number and s.endpoint = e.id and s.state = 'pending' and (s.next_at, s.message) >= ($3, $4)
      and (s.next_at, s.message, s.endpoint) > ($3, $4, $5)
    order by s.next_at, s.message limit $6) d
  order by next_at, message, endpoint limit $6"""  # noqa: S608
_WALKED: Final = f"""
  select {_DELIVERY} from state.delivery
  where (partition, message, endpoint) < ($1, $2, $3) and partition >= $4
  order by partition desc, message desc, endpoint desc limit {WALK}"""  # noqa: S608
_ENDED: Final = f"""
  select * from ({_WALKED}) w where state = $5 and ($6::text[] is null or endpoint = any($6)) limit $7"""  # noqa: S608
_WALKED_TO: Final = f"""
  select partition, message, endpoint from ({_WALKED}) w offset {WALK - 1} limit 1"""  # noqa: S608
_OF_MESSAGE: Final = f"""
  select {_DELIVERY} from state.delivery
  where partition = $1 and message = $2 and ($3::text is null or endpoint = $3) order by endpoint limit $4"""  # noqa: S608
_SUCCEEDED: Final = """
  select endpoint, (convert_from(body, 'UTF8')::json ->> 'attempt')::int from log.event
  where partition = $1 and stream = $2 and type = 'AttemptSucceeded' order by seq limit $3"""
_RECENT: Final = """
  select count(*), count(*) filter (where type = 'AttemptSucceeded'), count(*) filter (where type = 'AttemptFailed'),
    min(at) from (
    select x.type, x.at from log.newest_of($1, $2, $5, 9223372036854775807) k(place) cross join lateral (
      select type, at from log.event where partition = $1 and seq = k.place limit 1) x limit $4) e
  where at > $3"""
_BREAKER: Final = """
  select partition, seq, at, stream, endpoint, version, type, schema, actor, request, body from log.event
  where partition = $1 and stream = $2 and type = 'BreakerOpened' order by seq desc limit 1"""
_SECRETS: Final = """
  select id, sealed, created_at, expires_at from content.secret
  where partition = $1 and owner = $2 order by created_at desc"""
_OVERVIEW: Final = """
  select current_setting('server_version'), pg_database_size(current_database()),
    (select count(*) from state.application where deleted_at is null),
    (select count(*) from state.endpoint where deleted_at is null),
    (select count(*) from (select from state.delivery where state = 'pending' limit $1) d)"""


class Undelivered(msgspec.Struct, frozen=True):
    """A row of state.delivery, as far as people are shown it."""

    partition: int
    message: str
    endpoint: str
    accepted_at: datetime
    next_at: datetime | None
    state: DeliveryState
    attempts: int
    reason: str | None


class Pending(msgspec.Struct, frozen=True):
    """What waits for an endpoint: so many deliveries, counted up to a bound, the oldest due then."""

    count: int
    oldest_due: datetime | None


class Recent(msgspec.Struct, frozen=True):
    """Attempts at an endpoint. `since`: not all of them were counted, only those since then."""

    delivered: int
    failed: int
    since: datetime | None


class Overview(msgspec.Struct, frozen=True):
    """How much there is. `undelivered` is counted up to UNDELIVERED_MAX."""

    version: str
    size_bytes: int
    applications: int
    endpoints: int
    undelivered: int


class KeptSecret(msgspec.Struct, frozen=True):
    """A sealed signing key, and from when to when it is good."""

    id: str
    sealed: bytes
    created_at: datetime
    expires_at: datetime | None


class BoardViews:
    """Every method may raise what `reading` raises when the database does not answer."""

    def __init__(self, reading: Reading, settle: Callable[[Collection[int] | None], Awaitable[None]]) -> None:
        """`settle` gives all deliveries of these partitions (None: of all) that wait their rows."""
        self._reading = reading
        self._settled = settle

    async def _settle(self, partitions: Collection[int] | None) -> None:
        with answering(Unavailable, error=Unread):  # nobody asked for anything to be changed
            await self._settled(partitions)

    async def _fetch(self, statement: str, *arguments: Any) -> list[Any]:
        async with self._reading() as connection:
            rows: list[Any] = await connection.fetch(statement, *arguments)
            return rows

    # --- targets

    async def targets(self, partition: int, after: str, limit: int) -> list[Endpoint]:
        """The live endpoints beyond (partition, id), in this order."""
        return _endpoints(await self._fetch(_OPERATORS_TARGETS, partition, after, limit))

    async def targets_of(
        self, org: str, application: str | None, after: tuple[str, str], limit: int
    ) -> list[Endpoint]:
        """The live endpoints of an organization (or one application) beyond (application, id), in this order."""
        return _endpoints(await self._fetch(_TENANTS_TARGETS, org, *after, limit, application))

    async def endpoints(self, keys: Sequence[tuple[int, str]]) -> dict[str, Endpoint]:
        """Endpoints by (partition, id), deleted ones too."""
        if not keys:
            return {}
        rows = await self._fetch(_ENDPOINTS, *map(list, zip(*keys, strict=True)))
        return {each.id: each for each in _endpoints(rows)}

    async def pending(self, keys: Sequence[tuple[int, str]], count_max: int = PENDING_MAX) -> dict[str, Pending]:
        """What waits for these endpoints (partition, id)."""
        if not keys:
            return {}
        await self._settle({partition for partition, _ in keys})
        rows = await self._fetch(_PENDING, *map(list, zip(*keys, strict=True)), count_max)
        return {row[0]: Pending(row[1], row[2]) for row in rows}

    async def recent(self, partition: int, endpoint: str, since: datetime) -> Recent:
        """How its attempts ended since a moment, the last RECENT of them."""
        found = await self._fetch(POSITION, partition, since, -CLOCKS_APART)
        low = found[0][0] if found else 0  # a list that ended before is not gone through
        [(seen, delivered, failed, first)] = await self._fetch(_RECENT, partition, endpoint, since, RECENT, low)
        return Recent(delivered, failed, first if seen >= RECENT else None)

    async def breaker(self, partition: int, endpoint: str) -> BreakerOpened | None:
        """The last opening of its breaker."""
        rows = await self._fetch(_BREAKER, partition, endpoint)
        event = from_row(rows[0]).event if rows else None
        return event if isinstance(event, BreakerOpened) else None

    async def secrets(self, partition: int, endpoint: str) -> list[KeptSecret]:
        """Its signing keys that are still there, the newest first."""
        return [KeptSecret(*row) for row in await self._fetch(_SECRETS, partition, endpoint)]

    # --- deliveries

    async def due_endpoints(self) -> list[tuple[int, str]]:
        """The endpoints that something waits for, one more than DUE_ENDPOINTS_MAX at most."""
        await self._settle(None)
        return [tuple(row) for row in await self._fetch(_DUE_ENDPOINTS, DUE_ENDPOINTS_MAX + 1)]

    async def due(
        self, endpoints: Sequence[tuple[int, str]], after: tuple[datetime, str, str], limit: int
    ) -> list[Undelivered]:
        """The pending deliveries of these endpoints beyond (next_at, message, endpoint), the soonest first."""
        if not endpoints:
            return []
        await self._settle({partition for partition, _ in endpoints})
        columns = map(list, zip(*endpoints, strict=True))
        return [_undelivered(row) for row in await self._fetch(_DUE, *columns, *after, limit)]

    async def ended(
        self, state: DeliveryState, before: tuple[int, str, str], lowest: int, endpoints: list[str] | None, limit: int
    ) -> tuple[list[Undelivered], tuple[int, str, str] | None]:
        """Deliveries that ended so, before (partition, message, endpoint), the newest message first.

        At most WALK rows are looked at: the second of the answer is where the walk stopped, None at the end of all.
        """
        rows = await self._fetch(_ENDED, *before, lowest, state, endpoints, limit)
        walked = await self._fetch(_WALKED_TO, *before, lowest)
        return [_undelivered(row) for row in rows], tuple(walked[0]) if walked else None

    async def of_message(
        self, partition: int, message: str, limit: int, endpoint: str | None = None
    ) -> dict[str, Undelivered]:
        """The deliveries of a message that are not delivered, by endpoint."""
        await self._settle({partition})
        rows = await self._fetch(_OF_MESSAGE, partition, message, endpoint, limit)
        return {row["endpoint"]: _undelivered(row) for row in rows}

    async def succeeded(self, partition: int, message: str, limit: int) -> dict[str, int]:
        """To which endpoints a message was delivered, and at which attempt."""
        return dict(await self._fetch(_SUCCEEDED, partition, message, limit))

    # --- all of it

    async def overview(self) -> Overview:
        """How much there is."""
        await self._settle(None)
        [row] = await self._fetch(_OVERVIEW, UNDELIVERED_MAX)
        return Overview(*row)


def _endpoints(rows: list[Any]) -> list[Endpoint]:
    return [entity_from_row(Endpoint, row) for row in rows]


def _undelivered(row: Any) -> Undelivered:
    return msgspec.convert(dict(row), Undelivered)
