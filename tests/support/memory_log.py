"""The log in memory: the same promises as `log.append` in schema.sql, for tests without a database.

tests/contracts/test_log.py runs one suite against this and against PostgreSQL, so that a fake that drifts is found.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from events import codec
from events.admin import Admin
from events.append import UNKNOWN, Append, DeliveryKey
from events.application import Application
from events.catalogue import MessageAccepted
from events.content import Body
from events.delivery import Delivery, DeliveryState
from events.endpoint import Endpoint
from events.envelope import Recorded, is_config
from events.event_type import EventType
from events.log import Blocked, Fenced, Loaded, Outdated, Ownership, Roll, SealedSecret, Stale, Stored, Stretch
from events.log import Head as LogHead
from events.message import Message, deliveries_of
from events.past import Past, Thing
from events.world import Entity


@dataclass
class Head:
    """A row of log.head."""

    seq: int = 0
    config: int = 0
    settled: int = 0
    epoch: int = 0
    owner: str | None = None


@dataclass
class Tables:
    """What `state` and `content` hold."""

    entities: dict[str, Entity] = field(default_factory=dict)
    messages: dict[tuple[int, str, str], Message] = field(default_factory=dict)
    deliveries: dict[DeliveryKey, Delivery] = field(default_factory=dict)
    payloads: dict[tuple[date, int, str], bytes] = field(default_factory=dict)
    responses: dict[tuple[date, int, int], bytes] = field(default_factory=dict)
    secrets: dict[tuple[int, str, str], SealedSecret] = field(default_factory=dict)


class MemoryLog:
    """See the module. `now` is the database's own clock: leases go by it."""

    def __init__(self, partitions: int = 16, now: Callable[[], datetime] | None = None) -> None:
        self.head = {number: Head() for number in range(partitions)}
        self.events: dict[int, list[Recorded]] = {number: [] for number in range(partitions)}
        self.tables = Tables()
        self.prepared: set[date] = set()
        self.in_use: set[date] = set()  # held by somebody else: cannot be dropped
        self.processes: dict[str, datetime] = {}  # name → seen until
        self.reports: dict[str, str | None] = {}
        self.asking: set[str] = set()
        self.leaving: set[str] = set()
        self._listeners: list[Callable[[str], None]] = []
        self._now = now or (lambda: datetime.now(UTC))

    async def append(self, append: Append) -> list[Recorded]:
        base = self._base(append)
        self._check_accepted(append)
        rows, settled = self._moved_rows(append, base)
        entities = self._changed_entities(append)
        secrets = {(partition, owner, id_): sealed for partition, owner, id_, sealed in append.secrets}
        if secrets.keys() & self.tables.secrets.keys() or len(secrets) < len(append.secrets):
            raise Stale("secret")
        if {each[:3] for each in append.retired} - secrets.keys() - self.tables.secrets.keys():
            raise Stale("a secret is gone")
        self._check_bodies(append)
        await self.prepare_days(append.days())
        recorded = append.recorded(base)
        self.tables.deliveries = rows
        for partition, position in settled.items():
            self.head[partition].settled = position
        self._write(append, recorded, entities)
        append.settled = {partition: self.head[partition].settled for partition in append.heads()}
        for (partition, owner, id_), sealed in secrets.items():
            self.tables.secrets[partition, owner, id_] = SealedSecret(owner, id_, sealed, append.now, None)
        for partition, owner, id_, until in append.retired:
            known = self.tables.secrets[partition, owner, id_]
            self.tables.secrets[partition, owner, id_] = msgspec.structs.replace(known, expires_at=until)
        if append.news is not None:
            for heard in list(self._listeners):
                heard(append.news)
        return recorded

    def _base(self, append: Append) -> dict[int, int]:
        lost, unknown = set(), set()
        for partition in append.heads():
            epoch, known = append.epochs.get(partition), append.known.get(partition)
            head = self.head.get(partition, Head(epoch=-1))
            if epoch not in (None, head.epoch):
                lost.add(partition)
            if known is not None and head.config > known:
                unknown.add(partition)
        if lost or not self.head.keys() >= append.heads().keys():
            raise Fenced(frozenset(lost))
        if unknown:
            raise Outdated(frozenset(unknown))
        return {partition: self.head[partition].seq for partition in append.heads()}

    def _check_accepted(self, append: Append) -> None:
        tables, keys = self.tables, set()
        taken = {(m.partition, m.application, m.event_id) for m in tables.messages.values() if m.event_id}
        for message, _ in append.accepted:
            key = (message.partition, message.application, message.id)
            name = (message.partition, message.application, message.event_id)
            if key in tables.messages or key in keys or name in taken:
                raise Stale("message")
            keys.add(key)
            if message.event_id:
                taken.add(name)

    def _moved_rows(
        self, append: Append, base: Mapping[int, int]
    ) -> tuple[dict[DeliveryKey, Delivery], dict[int, int]]:
        """The rows of deliveries as they are after this append, and how far partitions are settled then. Stale."""
        rows, settled = dict(self.tables.deliveries), dict[int, int]()
        bare = set()  # partitions in which what was not tried has no row
        for was, delivery in (*append.delivered(), *append.undelivered()):
            if was == 1 and not append.is_untried(delivery) and not append.accepts(delivery):
                append.settled.setdefault(delivery.partition, UNKNOWN)
        for partition, before in base.items():
            expected, head = append.settled.get(partition), self.head[partition].settled
            if expected == head:
                settled[partition] = append.settle.get(partition, head)
                bare.add(partition)
            elif expected is not None:
                settled[partition] = before
                rows = self._untried(partition, before) | rows
        for partition, message, endpoint, at, retention_days in append.waiting:
            if partition in bare:
                row = Delivery(partition, message, endpoint, at, at, retention_days=retention_days)
                _insert(rows, row)
        for was, delivery in (*append.delivered(), *append.undelivered()):
            untried = was == 1 and append.is_untried(delivery) and delivery.partition in bare
            if not (untried or append.accepts(delivery)):
                row = rows.pop(_key(delivery), None)
                if row is None or row.version != was:
                    raise Stale("a delivery has moved on")
            if delivery.state is not DeliveryState.DELIVERED:
                _insert(rows, delivery)
        for was, delivery in append.back():
            last = self._last(_key(delivery))
            if last is None or last.version != was:
                raise Stale("a delivery has moved on")
            if delivery.state is not DeliveryState.DELIVERED:
                _insert(rows, delivery)
        return rows, settled

    def _untried(self, partition: int, upto: int) -> dict[DeliveryKey, Delivery]:
        """What was accepted and not tried beyond what is settled."""
        found: dict[DeliveryKey, Delivery] = {}
        for each in self.events[partition][self.head[partition].settled : upto]:
            if isinstance(each.event, MessageAccepted):
                found |= {_key(row): row for row in deliveries_of(each, each.event, each.at)}
            elif each.endpoint is not None:
                found.pop((partition, each.stream, each.endpoint), None)
        return found

    def rows(self) -> dict[DeliveryKey, Delivery]:
        """The rows of deliveries as they would be if all were settled."""
        rows = dict(self.tables.deliveries)
        for partition, head in self.head.items():
            rows = self._untried(partition, head.seq) | rows
        return rows

    async def settle(self, partitions: Iterable[int] | None) -> None:
        for partition in self.head if partitions is None else set(partitions):
            head = self.head[partition]
            self.tables.deliveries = self._untried(partition, head.seq) | self.tables.deliveries
            head.settled = head.seq

    def _last(self, key: DeliveryKey) -> Delivery | None:
        """Where a delivery stands by its events, delivered ones too."""
        return Past(Thing(*key), self._story(key)).deliveries.get(key[2])

    def _story(self, key: DeliveryKey) -> list[Recorded]:
        partition, message, endpoint = key
        return [
            each for each in self.events[partition] if each.stream == message and each.endpoint in (None, endpoint)
        ]

    def _check_bodies(self, append: Append) -> None:
        if any(not self._is_kept(body) for body in append.expunged):
            raise Stale("a body is gone already")
        if not self.prepared.issuperset(append.dropped):
            raise Stale("a day is gone already")
        if self.in_use.intersection(append.dropped):
            raise Blocked("a day is in use")

    def _is_kept(self, body: Body) -> bool:
        if body.message is not None:
            return (body.day, body.partition, body.message) in self.tables.payloads
        return (body.day, body.partition, body.seq) in self.tables.responses

    def _changed_entities(self, append: Append) -> dict[str, Entity]:
        entities = dict(self.tables.entities)
        for was, entity in append.entities.values():
            known = entities.get(entity.id)
            if (known.version if known else 0) != was:
                raise Stale(f"{entity.id} has moved on")
            name = _unique_name(entity)
            if name and any(_unique_name(each) == name for key, each in entities.items() if key != entity.id):
                raise Stale(f"{name} is taken")
            entities[entity.id] = entity
        return entities

    def _write(self, append: Append, recorded: list[Recorded], entities: dict[str, Entity]) -> None:
        tables = self.tables
        for each in recorded:
            self.events[each.partition].append(_as_stored(each))
            self.head[each.partition].seq = each.seq
            if is_config(each):
                self.head[each.partition].config = each.seq
        for message, payload in append.accepted:
            tables.messages[message.partition, message.application, message.id] = message
            tables.payloads[message.last_day, message.partition, message.id] = payload
        tables.entities = entities
        for index, day, body in append.responses:
            tables.responses[day, recorded[index].partition, recorded[index].seq] = body
        self._purge(append)

    def _purge(self, append: Append) -> None:
        tables, dropped = self.tables, set(append.dropped)
        for body in append.expunged:
            tables.payloads.pop((body.day, body.partition, body.message or ""), None)
            tables.responses.pop((body.day, body.partition, body.seq or 0), None)
        self.prepared -= dropped
        for table in (tables.payloads, tables.responses):
            for key in [key for key in table if key[0] in dropped]:
                del table[key]

    async def load(self) -> Loaded:
        live = [each for each in self.tables.entities.values() if getattr(each, "deleted_at", None) is None]
        return Loaded(live, {partition: head.seq for partition, head in self.head.items()})

    async def config(self, after: Mapping[int, int]) -> list[Recorded]:
        return [each for partition, seq in after.items() for each in self.events[partition][seq:] if is_config(each)]

    async def read(self, stretches: Iterable[Stretch], limit: int) -> list[Recorded]:
        found: list[Recorded] = []
        for partition, after, before in stretches:
            stop = after + limit if before is None else min(after + limit, before - 1)
            found += self.events[partition][after:stop]
        return found

    async def taken_event_ids(self, keys: Iterable[tuple[int, str, str]]) -> set[tuple[str, str]]:
        asked = set(keys)
        named = ((m.partition, m.application, m.event_id) for m in self.tables.messages.values() if m.event_id)
        return {(application, event_id) for _, application, event_id in asked & set(named)}

    async def deliveries(self, keys: Iterable[DeliveryKey]) -> dict[DeliveryKey, Delivery]:
        keys = list(keys)
        await self.settle(partition for partition, _, _ in keys)
        rows = self.tables.deliveries
        return {key: rows[key] for key in keys if key in rows}

    async def stories(self, keys: Iterable[DeliveryKey]) -> dict[DeliveryKey, list[Recorded]]:
        return {key: story for key in keys if (story := self._story(key))}

    async def ended(self, partition: int, endpoint: str, after: str, until: str, limit: int) -> list[Delivery]:
        rows = [
            row
            for row in self.tables.deliveries.values()
            if (row.partition, row.endpoint) == (partition, endpoint)
            and row.state is not DeliveryState.PENDING
            and after < row.message <= until
        ]
        return sorted(rows, key=lambda row: row.message)[:limit]

    async def waiting(self, partition: int, endpoint: str) -> int:
        await self.settle([partition])
        return sum((row.partition, row.endpoint) == (partition, endpoint) for row in self._pending())

    async def due(self, asked: Iterable[tuple[int, str, int]]) -> dict[str, list[Delivery]]:
        found = {}
        for partition, endpoint, limit in asked:
            rows = [each for each in self._pending() if (each.partition, each.endpoint) == (partition, endpoint)]
            if rows:
                found[endpoint] = sorted(rows, key=lambda each: (each.next_at, each.message))[:limit]
        return found

    async def pending(self, partitions: Iterable[int]) -> list[tuple[int, str, datetime]]:
        wanted, soonest = set(partitions), {}
        await self.settle(wanted)
        for row in self._pending():
            assert row.next_at is not None
            if row.partition in wanted:
                key = (row.partition, row.endpoint)
                soonest[key] = min(soonest.get(key, row.next_at), row.next_at)
        return [(partition, endpoint, at) for (partition, endpoint), at in soonest.items()]

    def _pending(self) -> list[Delivery]:
        return [row for row in self.tables.deliveries.values() if row.state is DeliveryState.PENDING]

    async def payloads(self, keys: Iterable[tuple[date, int, str]]) -> dict[str, bytes]:
        kept = self.tables.payloads
        return {key[2]: kept[key] for key in keys if key in kept}

    async def secrets(self, owners: Iterable[tuple[int, str]]) -> list[SealedSecret]:
        wanted = set(owners)
        found = [each for (p, owner, _), each in self.tables.secrets.items() if (p, owner) in wanted]
        return sorted(found, key=lambda each: each.created_at, reverse=True)

    async def attend(
        self, name: str, lease_s: float, report: str | None = None, *, asks: bool = False, leaving: bool = False
    ) -> Roll:
        self.processes[name] = self._now() + timedelta(seconds=lease_s)
        self.reports[name] = report
        self.asking = self.asking - {name} | ({name} if asks else set())
        heads = tuple(LogHead(partition, head.seq, head.config, head.owner) for partition, head in self.head.items())
        asked = any(self._is_alive(each) for each in self.asking - {name})
        self.leaving = self.leaving - {name} | ({name} if leaving else set())
        there = {each for each in self.processes if self._is_alive(each)} - self.leaving
        return Roll(tuple(sorted(there)), heads, asked)

    async def told(self) -> dict[str, str]:
        return {name: report for name, report in self.reports.items() if report and self._is_alive(name)}

    def _is_alive(self, name: str) -> bool:
        return name in self.processes and self.processes[name] > self._now()

    async def take(self, name: str, partitions: Iterable[int]) -> list[Ownership]:
        taken = []
        for partition in partitions:
            head = self.head[partition]
            if head.owner is None or not self._is_alive(head.owner):
                taken.append(Ownership(partition, head.epoch + 1, head.seq, head.owner))
                head.owner, head.epoch = name, head.epoch + 1
        return taken

    async def release(self, name: str, partitions: Iterable[int]) -> None:
        for partition in partitions:
            if self.head[partition].owner == name:
                self.head[partition].owner = None

    async def leave(self, name: str) -> None:
        await self.release(name, self.head)
        self.processes.pop(name, None)

    async def evict(self) -> None:
        for name in {*self.processes, *(head.owner for head in self.head.values())} - {None}:
            await self.leave(name)

    async def hear(self, heard: Callable[[str], None]) -> None:
        self._listeners.append(heard)
        try:
            await asyncio.Event().wait()
        finally:
            self._listeners.remove(heard)

    async def prepare_days(self, days: Iterable[date]) -> int:
        missing = set(days) - self.prepared
        self.prepared |= missing
        return 2 * len(missing)  # a table of payloads and one of responses

    async def days(self) -> list[date]:
        return sorted(self.prepared)

    async def count(self, day: date) -> dict[int, tuple[int, int]]:
        payloads = Counter(partition for on, partition, _ in self.tables.payloads if on == day)
        responses = Counter(partition for on, partition, _ in self.tables.responses if on == day)
        return {each: (payloads[each], responses[each]) for each in sorted(payloads.keys() | responses.keys())}

    async def pending_until(self, day: date, partition: int, after: Delivery | None, limit: int) -> list[Delivery]:
        await self.settle([partition])
        rows = [row for row in self._pending() if row.partition == partition and row.last_day <= day]
        rows = [row for row in rows if after is None or _due_order(row) > _due_order(after)]
        return sorted(rows, key=_due_order)[:limit]

    async def kept(self, asked: Iterable[Body]) -> list[Body]:
        return [body for body in asked if self._is_kept(body)]

    async def stored(self, partition: int, application: str, after: str, until: str, limit: int) -> Stored | None:
        of_it = {key[2]: each for key, each in self.tables.messages.items() if key[:2] == (partition, application)}
        order = [each.stream for each in self.events[partition] if each.stream in of_it and each.endpoint is None]
        order = list(dict.fromkeys(order))
        behind = order[order.index(after) + 1 :] if after else order
        page = [key for key in behind if key <= until][:limit]
        if not page:
            return None
        bodies = [Body(of_it[key].last_day, partition, message=key) for key in page]
        bodies += [
            Body(of_it[each.stream].last_day, partition, seq=each.seq)
            for each in self.events[partition]
            if each.stream in page and each.endpoint is not None
        ]
        return Stored(max(page), page[-1], tuple(await self.kept(bodies)))


def _due_order(delivery: Delivery) -> tuple[str, Any, str]:
    return delivery.endpoint, delivery.next_at, delivery.message


def _insert(rows: dict[DeliveryKey, Delivery], row: Delivery) -> None:
    if _key(row) in rows:
        raise Stale("a delivery has its row already")
    rows[_key(row)] = row


def _key(delivery: Delivery) -> DeliveryKey:
    return delivery.partition, delivery.message, delivery.endpoint


def _as_stored(recorded: Recorded) -> Recorded:
    """Through the bytes, as every event goes that comes from a database."""
    event = recorded.event
    stored = codec.decode(type(event).__name__, codec.version_of(event), codec.encode(event))
    return Recorded(
        recorded.partition, recorded.seq, recorded.at, recorded.stream, recorded.endpoint, recorded.version,
        recorded.actor, recorded.request, stored,
    )  # fmt: skip


def _unique_name(entity: Entity) -> tuple[str, ...] | None:
    """What the unique indexes of the config tables hold of it."""
    match entity:
        case Application(deleted_at=None, uid=str(uid)):
            return "application", entity.org, uid
        case Endpoint(deleted_at=None, uid=str(uid)):
            return "endpoint", entity.application, uid
        case EventType():
            return "event_type", entity.org, entity.name
        case Admin():
            return "admin", entity.username
    return None
