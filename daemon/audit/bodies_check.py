"""Holds payloads and responses against the log: each is what its event says, or gone for a recorded reason."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import date
from typing import Final

import asyncpg
import msgspec

from daemon.audit.findings import Check, Findings
from events import codec, leaf
from events.catalogue import AttemptFailed, AttemptSucceeded, ContentExpunged, PayloadExpunged, ResponseExpunged
from events.content import RETENTION_DAYS_MAX
from events.envelope import Recorded
from events.message import Message
from events.tlog import IMPORTED
from events.when import SEQ_MAX

_PAYLOADS: Final = """
  select k.message, encode(sha256(c.body), 'hex')
  from unnest($1::date[], $2::smallint[], $3::text[]) k(day, partition, message)
  cross join lateral (
    select body from content.payload p
    where p.day = k.day and p.partition = k.partition and p.message = k.message limit 1) c"""
# Why a payload is gone: asked by stream, so that one index answers, and only for those that are gone.
_GONE: Final = """
  select k.message,
    exists (select from log.event e where e.partition = k.partition and e.stream = k.message
            and e.endpoint is null and e.type = 'PayloadExpunged'),
    exists (select from log.event e where e.partition = k.partition and e.stream = k.expiry
            and e.type = 'ContentExpired')
  from unnest($1::smallint[], $2::text[], $3::text[]) k(partition, message, expiry)"""
_EXPUNGED: Final = f"""
  select {leaf.RECORD_SQL} from log.event e
  where e.partition = $1 and e.stream = $2 and e.endpoint is null and e.type = 'ContentExpunged'"""  # noqa: S608
_STILL: Final = """
  select k.message from unnest($2::text[]) k(message)
  cross join lateral (
    select from content.payload p where p.partition = $1 and p.message = k.message limit 1) c"""
_STILL_ANSWERED: Final = """
  select k.seq from unnest($2::bigint[]) k(seq)
  cross join lateral (
    select from content.response r where r.partition = $1 and r.seq = k.seq limit 1) c"""
_RESPONSES: Final = """
  select r.seq, r.body, e.type, e.schema, e.body
  from content.response r left join lateral (
    select type, schema, body from log.event x where x.partition = r.partition and x.seq = r.seq limit 1) e on true
  where r.partition = $1"""
_COUNTS: Final = "select partition, count(*) from content.{table} group by partition order by partition"
_ANY: Final = "select exists (select from content.payload) or exists (select from content.response)"


class Bodies(msgspec.Struct):
    """How many bodies are there, and how many are not."""

    payloads: int = 0
    responses: int = 0
    expired: int = 0
    expunged: int = 0
    imported: bool = False  # there never were any in this database


class BodiesCheck:
    """Looks at the payloads of the messages it is given, and at all responses of a partition."""

    def __init__(self, connection: asyncpg.Connection, findings: Findings) -> None:
        self._connection = connection
        self._findings = findings
        self.bodies = Bodies()
        self._there: dict[int, int] = defaultdict(int)  # payloads that a message has, by partition
        self._expunged: dict[tuple[int, str], list[tuple[str, int]]] = {}  # of applications: up to which id, when

    async def open(self) -> None:
        """Find out whether there can be bodies."""
        self.bodies.imported = await is_imported(self._connection)
        if self.bodies.imported and await self._connection.fetchval(_ANY):
            self._findings.add(Check.BODIES, "schema content", "is said to be without bodies, and there are some")
            self.bodies.imported = False

    async def payloads(self, messages: Sequence[Message]) -> None:
        """Each payload is there with the digest that its event names, or its end is recorded."""
        if not messages or self.bodies.imported:
            return
        days = {each.id: day for each in messages if (day := _last_day(each)) is not None}
        keys = [(days[each.id], each.partition, each.id) for each in messages if each.id in days]
        digests = dict(await self._connection.fetch(_PAYLOADS, *zip(*keys, strict=True))) if keys else {}
        self.bodies.payloads += len(digests)
        for each in messages:
            digest = digests.get(each.id)
            self._there[each.partition] += digest is not None
            if each.id not in days:
                what = f"no body is kept for {each.retention_days} days from {each.accepted_at} on"
                self._findings.add(Check.BODIES, f"payload of {each.id}", what)
            elif digest is not None and digest != each.digest:
                what = "its bytes are not those that were accepted"
                self._findings.add(Check.BODIES, f"payload of {each.id}", what)
        await self._gone([(each, days[each.id]) for each in messages if each.id in days and each.id not in digests])

    async def _gone(self, messages: Sequence[tuple[Message, date]]) -> None:
        if not messages:
            return
        by_id = {each.id: each for each, _ in messages}
        keys = [(each.partition, each.id, f"content_{day}") for each, day in messages]
        for message, expunged, expired in await self._connection.fetch(_GONE, *zip(*keys, strict=True)):
            if expunged or await self._is_expunged(by_id[message]):
                self.bodies.expunged += 1
            elif expired:
                self.bodies.expired += 1
            else:
                self._findings.add(Check.BODIES, f"payload of {message}", "is gone, and no event says why")

    async def _is_expunged(self, message: Message) -> bool:
        """Whether it went together with what else its application had."""
        key = message.partition, message.application
        if key not in self._expunged:
            self._expunged[key] = await self._expunged_of(*key)
        accepted = leaf.at_us(message.accepted_at)
        return any(until >= message.id and at >= accepted for until, at in self._expunged[key])

    async def _expunged_of(self, partition: int, application: str) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        if "\0" in application:  # there can be no such stream
            return found
        for (record,) in await self._connection.fetch(_EXPUNGED, partition, application):
            with suppress(codec.UnreadableEvent, leaf.MalformedRecord):  # named where the log is read
                raw = leaf.parse(record)
                event = codec.decode(raw.type, raw.schema, raw.body)
                assert isinstance(event, ContentExpunged)
                found.append((event.until, raw.at_us))
        return found

    async def purged(self, partition: int, purges: Sequence[Recorded]) -> None:
        """What was expunged by itself is not there any more."""
        if not purges or self.bodies.imported:
            return
        messages = [each.stream for each in purges if isinstance(each.event, PayloadExpunged)]
        for (message,) in await self._connection.fetch(_STILL, partition, messages) if messages else ():
            self._findings.add(Check.BODIES, f"payload of {message}", "was expunged, and is there")
        events = [each.event for each in purges]
        seqs = [each.seq for each in events if isinstance(each, ResponseExpunged) and 0 < each.seq <= SEQ_MAX]
        for (seq,) in await self._connection.fetch(_STILL_ANSWERED, partition, seqs) if seqs else ():
            place = f"response of attempt ({partition}, {seq})"
            self._findings.add(Check.BODIES, place, "was expunged, and is there")

    async def responses(self, partition: int) -> None:
        """What is kept of the answers is what came."""
        async for seq, body, type_, schema, told in self._connection.cursor(_RESPONSES, partition, prefetch=500):
            self.bodies.responses += 1
            place = f"response of attempt ({partition}, {seq})"
            if type_ not in {"AttemptSucceeded", "AttemptFailed"}:
                self._findings.add(Check.BODIES, place, "there is no such attempt in the log")
            elif hashlib.sha256(body).hexdigest() != _response_digest(type_, schema, told):
                self._findings.add(Check.BODIES, place, "its bytes are not those that came")

    async def close(self, heads: Collection[int], whole: Collection[int]) -> None:
        """After all partitions: no payload that no message has. `whole`: those whose messages are all known."""
        for partition, count in await self._connection.fetch(_COUNTS.format(table="payload")):
            if partition in whole and count > self._there[partition]:
                what = f"{count - self._there[partition]} more than the messages have"
                self._findings.add(Check.BODIES, f"payloads of partition {partition}", what)
            elif partition not in heads:
                what = f"{count} of a partition without a head"
                self._findings.add(Check.BODIES, f"payloads of partition {partition}", what)
        for partition, count in await self._connection.fetch(_COUNTS.format(table="response")):
            if partition not in heads:
                what = f"{count} of a partition without a head"
                self._findings.add(Check.BODIES, f"responses of partition {partition}", what)


async def is_imported(connection: asyncpg.Connection) -> bool:
    """Whether a database says that it was made from an export."""
    comment = await connection.fetchval("select obj_description('content'::regnamespace, 'pg_namespace')")
    return bool(comment == IMPORTED)


def _last_day(message: Message) -> date | None:
    """The day under which its payload lies; None: no append can have said so."""
    if not 0 <= message.retention_days <= RETENTION_DAYS_MAX:
        return None
    try:
        return message.last_day
    except OverflowError:
        return None


def _response_digest(type_: str, schema: int, body: bytes) -> str | None:
    try:
        event = codec.decode(type_, schema, body)
    except (codec.UnreadableEvent, TypeError):  # a null body, where the column allows it
        return None
    return event.response_digest if isinstance(event, AttemptSucceeded | AttemptFailed) else None
