"""The story of one thing, as the log tells it: who did what, when, through which request."""

from typing import Final

import asyncpg

from events.envelope import Recorded
from events.postgres import from_row

_TRAIL: Final = """
  select e.partition, e.seq, e.at, e.stream, e.endpoint, e.version, e.type, e.schema, e.actor, e.request, e.body
  from log.head h cross join lateral (
    (select * from log.event s where s.partition = h.partition and s.stream = $1 order by seq desc limit $2)
    union all
    (select * from log.event s where s.partition = h.partition and s.endpoint = $1 order by seq desc limit $2)) e
  order by e.at desc, e.partition desc, e.seq desc limit $2"""


async def trail(connection: asyncpg.Connection, identifier: str, limit: int = 1000) -> list[Recorded]:
    """The facts about an application, endpoint, message, admin or event type: the last `limit`, oldest first.

    A message's trail holds its deliveries' attempts; an endpoint's holds the attempts made to it.
    """
    rows = await connection.fetch(_TRAIL, identifier, limit)
    return [from_row(row) for row in reversed(rows)]
