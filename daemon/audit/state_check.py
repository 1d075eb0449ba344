"""Holds the tables of `state` against the fold of the log: the first difference of each row, by key and field."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, Final

import asyncpg
import msgspec

from daemon.audit import state_rows
from daemon.audit.findings import Check, Findings
from events.append import DeliveryKey
from events.delivery import Delivery
from events.message import EventId, Message, named
from events.rows import TABLES, delivery_from_row, entity_from_row
from events.world import Entity

_NAMED: Final = """
  select n.* from unnest($1::smallint[], $2::text[], $3::text[]) k(partition, application, event_id)
  cross join lateral (
    select * from state.event_id s
    where s.partition = k.partition and s.application = k.application and s.event_id = k.event_id limit 1) n"""
_LAST: Final = """
  select e.seq, e.type from log.event e
  where e.partition = $1 and e.stream = $2 and e.endpoint is not distinct from $3 order by e.seq desc limit 1"""
_MENTIONS: Final = """
  with told as (select m.* from log.mentions($1, 0, $2) m),
       kept as (select m.* from state.mention m where m.partition = $1)
  select d.stretch, d.whose from (
    (select * from told except select * from kept) union (select * from kept except select * from told)) d
  order by 1, 2 limit 10"""
_PAGE: Final = 2000


class Unreadable(msgspec.Struct, frozen=True):
    """A row that no append can have written, and why."""

    why: str


class StateCheck:
    """Compares while the log is folded, partition by partition."""

    def __init__(self, connection: asyncpg.Connection, findings: Findings) -> None:
        self._connection = connection
        self._findings = findings
        self.rows = 0
        self._named: dict[int, int] = defaultdict(int)  # messages with a name, by partition

    async def messages(self, folded: Iterable[Message]) -> None:
        """These messages were accepted: each that was given a name is found by it."""
        expected = named(folded)
        if not expected:
            return
        keys = [(each.partition, _storable(each.application), _storable(each.event_id)) for each in expected]
        rows = await self._connection.fetch(_NAMED, *zip(*keys, strict=True))
        found = {row[:3]: EventId(*row) for row in map(tuple, rows)}
        self.rows += len(expected)
        for name in expected:  # each of them: where two have one name, the row is of one alone
            self._named[name.partition] += 1
            row = found.get((name.partition, name.application, name.event_id))
            if row != name:
                await self._differs("state.event_id", name.partition, name.message, None, row, name)

    async def name_count(self, partition: int) -> None:
        """No name of a message that was never accepted."""
        rows = await self._connection.fetchval("select count(*) from state.event_id where partition = $1", partition)
        if rows > self._named[partition]:
            what = f"{rows - self._named[partition]} rows more than the log accepted messages with a name"
            self._findings.add(Check.STATE, f"state.event_id, partition {partition}", what)

    async def deliveries(
        self, partition: int, folded: Mapping[DeliveryKey, Delivery], rowless: Collection[DeliveryKey]
    ) -> None:
        """The undelivered deliveries of a partition, all of them. `rowless`: these may have no row."""
        seen = 0
        query = "select * from state.delivery where partition = $1 order by message, endpoint"
        async for row in self._connection.cursor(query, partition, prefetch=_PAGE):
            message, endpoint = row["message"], row["endpoint"]
            found = _read(delivery_from_row, row)
            expected = folded.get((partition, message, endpoint))
            seen += expected is not None
            if found != expected:
                await self._differs("state.delivery", partition, message, endpoint, found, expected)
        self.rows += seen
        if seen < len(folded):
            await self._missing_deliveries(folded, [key for key in folded if key not in rowless])

    async def _missing_deliveries(
        self, folded: Mapping[DeliveryKey, Delivery], expected: Iterable[DeliveryKey]
    ) -> None:
        for partition, message, endpoint in expected:
            if not await state_rows.has_delivery(self._connection, (partition, message, _storable(endpoint))):
                delivery = folded[partition, message, endpoint]
                await self._differs("state.delivery", partition, message, endpoint, None, delivery)

    async def mentions(self, partition: int, head: int) -> None:
        """Where the log tells of an endpoint or application stands in the rows of its stretches."""
        for stretch, whose in await self._connection.fetch(_MENTIONS, partition, head):
            place = f"state.mention, partition {partition}, stretch {stretch}"
            self._findings.add(Check.STATE, place, f"what it tells of {whose} is not what the log does")

    async def entities(self, folded: Iterable[Entity], partitions: Collection[int]) -> None:
        """The configuration of these partitions, deleted entities too."""
        names = {kind: table for table, kind in TABLES.items()}
        expected = {(names[type(each)], each.partition, each.id): each for each in folded}
        found: dict[tuple[str, int, str], Any] = {}
        for table, kind in TABLES.items():
            for row in await self._connection.fetch(f"select * from state.{table}"):  # noqa: S608
                if row["partition"] in partitions:
                    found[table, row["partition"], row["id"]] = _read(partial(entity_from_row, kind), row)
        self.rows += len(expected)
        for key in sorted(found.keys() | expected.keys()):
            if found.get(key) != expected.get(key):
                table, partition, stream = key
                await self._differs(f"state.{table}", partition, stream, None, found.get(key), expected.get(key))

    async def _differs(
        self, table: str, partition: int, stream: str, endpoint: str | None, found: Any, expected: Any
    ) -> None:
        addressed = None if endpoint is None else _storable(endpoint)
        last = await self._connection.fetchrow(_LAST, partition, stream, addressed)
        place = f"{table} {stream}" + (f" → {endpoint}" if endpoint else "")
        after = f"; its last event is ({partition}, {last['seq']}) {last['type']}" if last else ""
        self._findings.add(Check.STATE, place, difference(found, expected) + after)


def difference(found: Any, expected: Any) -> str:
    """The first field in which a row and the fold differ, in words."""
    if found is None:
        return "the log says that it exists, and there is no row"
    if expected is None:
        return "there is a row, and the log says that there should be none"
    if isinstance(found, Unreadable):
        return f"the row cannot be read: {found.why}"
    for name in expected.__struct_fields__:
        row, fold = getattr(found, name), getattr(expected, name)
        if row != fold:
            return f"{name} is {row!r}, and by the log {fold!r}"
    raise AssertionError("nothing differs")


def _read(make: Callable[[Any], Any], row: asyncpg.Record) -> Any:
    try:
        return make(row)
    except (ValueError, TypeError, msgspec.ValidationError) as error:
        return Unreadable(str(error))


def _storable(text: str) -> str:
    """A text to look for; one with a zero byte can be in no table, and PostgreSQL takes it not."""
    return "" if "\0" in text else text
