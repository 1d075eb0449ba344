"""Makes the receipt of a delivery out of the log, its tree, and the last checkpoint."""

from typing import Final

import asyncpg

from events import receipt, tlog
from events.checkpoint import BadNote
from events.leaf import RECORD_SQL
from events.tile import BadTile

_RECORDS: Final = f"""
  select {RECORD_SQL} from log.event e
  where e.partition = $1 and e.stream = $2 and (e.endpoint is null or e.endpoint = $3)
  union all
  select {RECORD_SQL} from log.event e where e.partition = $1 and e.stream = $3 and e.endpoint is null"""  # noqa: S608
_WHERE: Final = """
  select h.partition, e.seq from log.head h cross join lateral (
    select seq from log.event x where x.partition = h.partition and x.stream = $1
    and (x.endpoint = $2 or x.endpoint is null) order by seq desc limit 1) e"""


class NoDelivery(Exception):
    """There is no such delivery; the text says so."""


class NotSealed(Exception):
    """Its last event is not under a checkpoint yet; the text says so."""


async def make(connection: asyncpg.Connection, message: str, endpoint: str) -> bytes:
    """The receipt, as a file's bytes. NoDelivery, NotSealed, receipt.BadReceipt."""
    place = await connection.fetchrow(_WHERE, message, endpoint)
    if place is None:
        raise NoDelivery(f"the log knows nothing of {message}")
    partition, last = place
    sealed = await tlog.latest(connection, partition)
    if sealed is None or sealed.size < last:
        raise NotSealed(f"the event ({partition}, {last}) is not under a checkpoint yet")
    records = [row[0] for row in await connection.fetch(_RECORDS, partition, message, endpoint)]
    try:
        return await tlog.compute(
            connection, partition, lambda hashes: receipt.build(sealed.note, endpoint, records, hashes)
        )
    except (BadTile, BadNote) as bad:
        raise receipt.BadReceipt(f"the stored tree of partition {partition} is damaged: {bad}") from bad
