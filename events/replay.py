"""The log as a stream: every record of a partition, in order, at the pace of whoever takes them. For whole logs.

Records come by COPY in PostgreSQL's binary format, some ten thousand a statement, so that none runs for long whatever
the length of the log. While a page is being worked on nothing is read, and PostgreSQL works ahead by what the socket
holds: memory does not depend on the length of the log either.

The log is append-only and its order is commit order, so what stands up to a head never changes. For one view of
several partitions, or of the log beside its tables, the caller holds a repeatable-read transaction.
"""

import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Final

import asyncpg

from events.leaf import RECORD_SQL

_TWICE_S: Final = 3600.0
"""Looking for it goes through all events."""

STATEMENT: Final = 50_000
"""Records that one statement reads at most: a fifth of a second."""

PAGE: Final = 2_000
"""Records of a page of `read` at most."""

_RECORDS: Final = (
    f"select {RECORD_SQL} from log.event e where e.partition = $1 and e.seq > $2 and e.seq <= $3 order by e.seq"  # noqa: S608
)
_HEADS: Final = "select partition, seq from log.head order by partition"
_SETTLED: Final = "select partition, settled from log.head"
_LAST: Final = "select coalesce(max(seq), 0) from log.event where partition = $1"
_TWICE: Final = """
  select stream from log.event where type = 'MessageAccepted'
  group by stream, partition having count(*) > 1 order by stream, partition limit 10"""
_AT: Final = "select at from log.event where partition = $1 and seq = $2"

_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
_HEADER_BYTES: Final = len(_SIGNATURE) + 8  # flags and the size of an extension follow: both are 0
_ROW: Final = struct.Struct(">hi")  # columns, -1 at the end; bytes of the first, here the only one

Take = Callable[[list[bytes]], Awaitable[None]]


async def scan(
    connection: asyncpg.Connection, partition: int, take: Take, after: int = 0, upto: int | None = None
) -> None:
    """Hand over the records (see leaf) with `after < seq <= upto`, in order, in pages of up to some hundred.

    Without `upto`, all there are now. What `take` raises comes out here, after the rest of its statement was read and
    thrown away: the connection, and the transaction it may be in, are as usable as before. asyncpg's errors.
    """
    if upto is None:
        upto = await last(connection, partition)
    while after < upto:
        until = min(after + STATEMENT, upto)
        pages = _Pages(take)
        await connection.copy_from_query(_RECORDS, partition, after, until, output=pages.take, format="binary")
        if pages.failure is not None:
            raise pages.failure
        after = until


async def read(
    connection: asyncpg.Connection, partition: int, after: int = 0, upto: int | None = None
) -> AsyncIterator[list[bytes]]:
    """The same as pages of up to PAGE records, a third slower: one statement a page.

    Between two pages the connection is idle. It may serve other statements, and a reader may stop whenever it likes.
    """
    if upto is None:
        upto = await last(connection, partition)
    while after < upto:
        until = min(after + PAGE, upto)
        page: list[bytes] = []
        await scan(connection, partition, _adding_to(page), after, until)
        if page:
            yield page
        after = until


async def heads(connection: asyncpg.Connection) -> dict[int, int]:
    """The last position given out in each partition."""
    return dict(await connection.fetch(_HEADS))


async def settled(connection: asyncpg.Connection) -> dict[int, int]:
    """By partition, beyond which position a delivery that was not tried yet may have no row."""
    return dict(await connection.fetch(_SETTLED))


async def last(connection: asyncpg.Connection, partition: int) -> int:
    """The last position that stands in the log; 0 when there is none."""
    found: int = await connection.fetchval(_LAST, partition)
    return found


async def accepted_twice(connection: asyncpg.Connection) -> list[str]:
    """Messages that are accepted more than once, the first ten: a fold that lets go of messages cannot tell."""
    return [row[0] for row in await connection.fetch(_TWICE, timeout=_TWICE_S)]


async def position_at(connection: asyncpg.Connection, partition: int, moment: datetime) -> int:
    """The last position before the first event later than `moment`; 0 when all are later.

    Found by bisection, as positions have an index and moments have none: 20 probes for a million events. Where clocks
    were turned back, moments do not rise with positions; then it is a position at which one passes from not later to
    later. LookupError when the log has a gap where it is probed.
    """
    probe = await connection.prepare(_AT)
    low, high = 0, await last(connection, partition)
    while low < high:  # all up to `low` are taken for not later, all behind `high` for later
        middle = (low + high + 1) // 2
        at = await probe.fetchval(partition, middle)
        if at is None:
            raise LookupError(f"partition {partition}: there is no event {middle}")
        low, high = (middle, high) if at <= moment else (low, middle - 1)
    return low


def _adding_to(page: list[bytes]) -> Take:
    async def take(records: list[bytes]) -> None:
        page.extend(records)

    return take


class _Pages:
    """Cuts what a COPY of one column sends into the values of that column.

    Nothing is raised into asyncpg: it would cancel a COPY that may be over already, and then wait for ever.
    """

    def __init__(self, take: Take) -> None:
        self.failure: BaseException | None = None  # after it, everything is thrown away
        self._take = take
        self._rest = b""
        self._begun = False

    async def take(self, chunk: bytes) -> None:
        """The next bytes; asyncpg cuts them anywhere."""
        if self.failure is not None:
            return
        try:
            await self._cut(chunk)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever runs the COPY
            self.failure = error

    async def _cut(self, chunk: bytes) -> None:
        data = self._rest + chunk if self._rest else chunk
        offset, end = 0, len(data)
        if not self._begun:
            if end < _HEADER_BYTES:
                self._rest = data
                return
            self._begun, offset = True, _HEADER_BYTES
        found = []
        unpack, head = _ROW.unpack_from, _ROW.size
        while offset + head <= end:  # the end's mark is shorter, and comes last
            start = offset + head
            stop = start + unpack(data, offset)[1]
            if stop > end:
                break
            found.append(data[start:stop])
            offset = stop
        self._rest = data[offset:]
        if found:
            await self._take(found)
