"""A long log, made fast: as a busy hookd would leave it after a week, in an empty database.

    uv run python -m benchmarks.long_log postgresql://… --events 1000000

Most messages are delivered at the first attempt; some attempts fail and are repeated, some deliveries are exhausted,
some are still waiting, endpoints change now and then. Everything comes from one seed. Each event passes through the
fold that the state tables are filled from, so what is written is whole by construction.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from heapq import heappop, heappush
from random import Random
from typing import Any, Final

import asyncpg
import msgspec
import typer

from events import codec, ids
from events.admin import Admin
from events.append import DeliveryKey
from events.application import Application
from events.catalogue import (
    ApplicationCreated,
    AttemptFailed,
    AttemptSucceeded,
    DeliveryExhausted,
    EndpointConfig,
    EndpointDisabled,
    EndpointEnabled,
    EndpointRegistered,
    EndpointUpdated,
    Event,
    EventTypeCreated,
    MessageAccepted,
    PartitionTaken,
)
from events.delivery import Delivery
from events.endpoint import Endpoint
from events.envelope import Recorded, partition_of
from events.event_type import EventType
from events.fold import Fold
from events.message import Message
from events.outcome import Fault

BEGAN: Final = datetime(2026, 1, 5, tzinfo=UTC)
ORG: Final = "org_" + "0" * 27
CHUNK: Final = 50_000  # rows at a time
DELAYS_S: Final = (5.0, 300.0, 1800.0, 7200.0)  # then a delivery is exhausted
FAILING: Final = 0.03  # of the first attempts
FAILING_AGAIN: Final = 0.4
CHANGES: Final = 0.002  # endpoint changes, per message
EVENT_TYPES: Final = ("order.paid", "order.refunded", "invoice.created", "user.deleted")
EVENT_COLUMNS: Final = (
    "partition", "seq", "at", "stream", "endpoint", "version", "type", "schema", "actor", "request", "body",
)  # fmt: skip
KINDS: Final[dict[type[Any], str]] = {
    Application: "application", Endpoint: "endpoint", EventType: "event_type", Admin: "admin",
}  # fmt: skip

MENTION: Final = """
  insert into state.mention select m.* from log.head h cross join lateral log.mentions(h.partition, $2, h.seq) m
  where h.partition = $1"""


@dataclass(frozen=True)
class Shape:
    """What kind of log."""

    applications: int = 300
    endpoints_each: int = 2
    span: timedelta = timedelta(days=7)
    events_an_append: int = 100  # those have one moment
    payload_bytes: int = 0  # 0: without payloads, as after they have expired
    seed: int = 1
    began: datetime = BEGAN
    url: str = "https://customer{application}.test/hooks/{nth}"  # of the endpoints

    def at(self, origin: str) -> "Shape":
        """The same, all endpoints there: for logs that a daemon will run on."""
        return replace(self, url=f"{origin}/{{application}}/{{nth}}")


async def fill(
    dsn: str,
    events: int,
    shape: Shape = Shape(),
    tell: Callable[[int], None] = lambda _: None,
) -> Fold:
    """Write a log of about `events` events, and the state it leads to; answers its fold, without the messages.

    The database has hookd's schema, and no hookd runs on it. A log that is there already goes on, with applications
    of its own. `tell` hears how many events are written so far. Takes about 20 s for a million.
    """
    connection = await asyncpg.connect(dsn, timeout=30)
    try:
        heads = dict(await connection.fetch("select partition, seq from log.head"))
        typed = await connection.fetchval("select exists (select from state.event_type where org = $1)", ORG)
        writer = _Writer(connection, b"x" * shape.payload_bytes, heads)
        maker = _Maker(shape, heads, events, writer)
        maker.begin(typed=typed)
        while maker.made < events:
            maker.step(events - maker.made)
            if len(writer.events) >= CHUNK:
                await writer.flush()
                tell(maker.made)
        await writer.flush()
        await writer.end(maker.fold)
        tell(maker.made)
        return maker.fold
    finally:
        await connection.close()


class _Maker:
    """Makes up what happens."""

    def __init__(self, shape: Shape, heads: dict[int, int], events: int, writer: "_Writer") -> None:
        self.fold = Fold(on_message=writer.message)
        self.fold.positions.update({partition: seq for partition, seq in heads.items() if seq})
        self.made = 0
        self._shape = shape
        size = shape.payload_bytes
        self._digest = sha256(b"x" * size).hexdigest() if size else ""  # else made up: nothing is there to compare
        self._partitions = len(heads)
        self._writer = writer
        self._random = Random(shape.seed + sum(heads.values()))  # else what goes on would repeat what is there
        self._now = shape.began
        self._tick = shape.span * shape.events_an_append / max(events, shape.events_an_append)
        self._owned: dict[str, list[str]] = {}  # application → its endpoints
        self._applications: list[str] = []
        self._due: list[tuple[datetime, DeliveryKey]] = []

    def begin(self, *, typed: bool) -> None:
        """The configuration; `typed`: the event types are there."""
        for partition in set(range(self._partitions)) - self.fold.positions.keys():
            self._record(partition, f"log_{partition}", 1, PartitionTaken("a_host:1", 1))
        home = partition_of(ORG, self._partitions)
        for name in () if typed else EVENT_TYPES:
            self._record(home, self._mint(ids.EVENT_TYPE), 1, EventTypeCreated(ORG, name, ""))
        for number in range(self._shape.applications):
            application = self._mint(ids.APPLICATION)
            partition = partition_of(application, self._partitions)
            self._record(partition, application, 1, ApplicationCreated(ORG, f"customer {number}"))
            self._owned[application] = [
                self._register(partition, application, self._shape.url.format(application=number, nth=nth))
                for nth in range(self._shape.endpoints_each)
            ]
        self._applications = list(self._owned)

    def step(self, room: int) -> None:
        """One append: what is due, then new messages."""
        self._now += self._tick
        goal = self.made + min(room, self._shape.events_an_append)
        while self._due and self._due[0][0] <= self._now and self.made < goal:
            self._attempt(heappop(self._due)[1])
        while self.made < goal:
            # Few applications send most: the square leans to the first ones.
            application = self._applications[int(len(self._applications) * self._random.random() ** 2)]
            if self._random.random() < CHANGES:
                self._change(application)
            self._accept(application)

    def _register(self, partition: int, application: str, url: str) -> str:
        endpoint = self._mint(ids.ENDPOINT)
        event = EndpointRegistered(application, EndpointConfig(url), self._mint(ids.SIGNING_KEY))
        self._record(partition, endpoint, 1, event, actor=f"org:{ORG}")
        return endpoint

    def _accept(self, application: str) -> None:
        random = self._random
        partition = partition_of(application, self._partitions)
        endpoints = self._owned[application]
        chosen = tuple(endpoints) if random.random() < 0.1 else (random.choice(endpoints),)
        message = self._mint(ids.MESSAGE)
        digest = self._digest or random.randbytes(32).hex()
        size = self._shape.payload_bytes or random.randrange(200, 2000)
        request = f"req_{random.getrandbits(64):016x}"
        event = MessageAccepted(application, random.choice(EVENT_TYPES), digest, size, chosen)
        self._record(partition, message, 1, event, actor=f"org:{ORG}", request=request)
        soon = self._now + timedelta(milliseconds=random.randrange(20, 2000))
        for endpoint in chosen:
            heappush(self._due, (soon, (partition, message, endpoint)))

    def _attempt(self, key: DeliveryKey) -> None:
        random, delivery = self._random, self.fold.deliveries[key]
        attempt, moment = delivery.attempts + 1, int(self._now.timestamp())
        if random.random() >= (FAILING if attempt == 1 else FAILING_AGAIN):
            self._move(delivery, AttemptSucceeded(attempt, 200, random.randrange(5, 400), moment, 1, 2))
            return
        ended = attempt > len(DELAYS_S)
        next_at = None if ended else self._now + timedelta(seconds=DELAYS_S[attempt - 1] * random.uniform(0.9, 1.1))
        failed = AttemptFailed(attempt, Fault.STATUS, random.randrange(5, 4000), moment, 1, 503, "", next_at, 120)
        self._move(delivery, failed)
        if next_at is not None:
            heappush(self._due, (next_at, key))
        else:
            self._move(self.fold.deliveries[key], DeliveryExhausted(attempt))

    def _move(self, delivery: Delivery, event: Event) -> None:
        self._record(delivery.partition, delivery.message, delivery.version + 1, event, delivery.endpoint)

    def _change(self, application: str) -> None:
        stream = self._random.choice(self._owned[application])
        if self._random.random() < 0.2:
            self._configure(stream, EndpointDisabled("by hand"))
            self._configure(stream, EndpointEnabled())
        else:
            config = EndpointConfig(self._endpoint(stream).url, description=f"changed {self.made}")
            self._configure(stream, EndpointUpdated(config))

    def _configure(self, stream: str, event: Event) -> None:
        endpoint = self._endpoint(stream)
        self._record(endpoint.partition, stream, endpoint.version + 1, event, actor=f"org:{ORG}")

    def _endpoint(self, stream: str) -> Endpoint:
        endpoint = self.fold.entities[stream]
        assert isinstance(endpoint, Endpoint)
        return endpoint

    def _record(
        self,
        partition: int,
        stream: str,
        version: int,
        event: Event,
        endpoint: str | None = None,
        actor: str = "hookd",
        request: str | None = None,
    ) -> None:
        seq = self.fold.positions.get(partition, 0) + 1
        self.fold.take(Recorded(partition, seq, self._now, stream, endpoint, version, actor, request, event))
        self._writer.events.append(
            (
                partition,
                seq,
                self._now,
                stream,
                endpoint,
                version,
                type(event).__name__,
                codec.version_of(event),
                actor,
                request,
                codec.encode(event),
            )
        )
        self.made += 1

    def _mint(self, prefix: str) -> str:
        return ids.mint(prefix, self._now, self._random.randbytes(ids.ENTROPY_BYTES))


class _Writer:
    """Rows on their way into the tables, by COPY."""

    def __init__(self, connection: asyncpg.Connection, payload: bytes, heads: dict[int, int]) -> None:
        self.events: list[tuple[Any, ...]] = []
        self._payloads: list[tuple[Any, ...]] = []
        self._days: set[date] = set()
        self._connection = connection
        self._payload = payload
        self._heads = heads

    def message(self, _: Recorded, message: Message) -> None:
        """A message, and what it carries."""
        if self._payload:
            self._payloads.append((message.last_day, message.partition, message.id, self._payload))

    async def flush(self) -> None:
        """Write what has gathered."""
        if days := {row[0] for row in self._payloads} - self._days:
            await self._connection.execute("select content.prepare($1)", sorted(days))
            self._days |= days
        await self._insert_events()
        await self._copy("content", "payload", ("day", "partition", "message", "body"), self._payloads)
        self.events, self._payloads = [], []

    async def _insert_events(self) -> None:
        """By INSERT, as an append does. COPY leaves pages with room for one more event; after the next vacuum every
        new event would go into one of those, and cost a page to read and a page image in the WAL.
        """
        await self._connection.execute(
            "create temporary table if not exists filling (like log.event); truncate filling"
        )
        await self._connection.copy_records_to_table("filling", columns=EVENT_COLUMNS, records=self.events)
        await self._connection.execute("insert into log.event select * from filling")

    async def end(self, fold: Fold) -> None:
        """The states that came of it, and the heads."""
        deliveries = [msgspec.structs.astuple(each) for each in fold.deliveries.values()]
        await self._copy("state", "delivery", Delivery.__struct_fields__, deliveries)
        for kind, table in KINDS.items():
            rows = [_entity_row(each) for each in fold.entities.values() if type(each) is kind]
            await self._copy("state", table, kind.__struct_fields__, rows)
        await self._connection.executemany(
            "update log.head set seq = $2, settled = $2 where partition = $1", fold.positions.items()
        )
        await self._connection.executemany(MENTION, self._heads.items())

    async def _copy(self, schema: str, table: str, columns: Sequence[str], rows: Sequence[Any]) -> None:
        if rows:
            await self._connection.copy_records_to_table(table, schema_name=schema, columns=columns, records=rows)


def _entity_row(entity: Any) -> tuple[Any, ...]:
    return tuple(
        msgspec.json.encode(value).decode() if isinstance(value, dict) else value
        for value in msgspec.structs.astuple(entity)
    )


async def _shown(dsn: str, events: int, shape: Shape) -> None:
    with typer.progressbar(length=events, label="events", file=sys.stderr) as bar:
        await fill(dsn, events, shape, lambda done: bar.update(done - bar.pos))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.long_log", description=__doc__)
    parser.add_argument("dsn", help="a database with hookd's schema")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--payload-bytes", type=int, default=0, help="0: without payloads")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    asyncio.run(_shown(given.dsn, given.events, Shape(payload_bytes=given.payload_bytes, seed=given.seed)))


if __name__ == "__main__":
    main()
