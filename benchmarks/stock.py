"""Large stocks, written into the real tables as hookd itself would have left them, while it is down.

Every fact is in the log, gap-free behind its partition's head, and every state row is the fold of its facts.
"""

import asyncio
import base64
import hashlib
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.long_log import MENTION
from daemon.postgres.embedded import EmbeddedPostgres
from daemon.sealing import Sealer
from daemon.signing import generate
from events import codec, ids
from events.catalogue import ApplicationCreated, EndpointConfig, EndpointRegistered, Event, MessageAccepted
from events.content import RETENTION_DAYS, last_day
from events.envelope import partition_of

CHUNK = 20_000
ACTOR = "hookd"
EVENT_COLUMNS = ("partition", "seq", "at", "stream", "version", "type", "schema", "actor", "body")


@asynccontextmanager
async def offline(home: Path) -> AsyncIterator[asyncpg.Connection]:
    """The database of a hookd that is down."""
    postgres = EmbeddedPostgres(home)
    connection = await asyncpg.connect(await postgres.start(), timeout=30)
    try:
        yield connection
        await connection.execute("analyze")
    finally:
        await connection.close()
        await postgres.stop()


class Stock:
    """Writes facts and rows, and moves the heads."""

    def __init__(self, connection: asyncpg.Connection, sealing_key: str) -> None:
        self._connection = connection
        self._sealer = Sealer([base64.b64decode(sealing_key)], os.urandom)
        self._seq: dict[int, int] = {}
        self._rows: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
        self.now = datetime.now(UTC)

    async def begin(self) -> None:
        self._before = dict(await self._connection.fetch("select partition, seq from log.head"))
        self._seq = dict(self._before)

    async def end(self) -> None:
        await self._flush()
        await self._connection.executemany(
            "update log.head set seq = $2, settled = $2 where partition = $1", self._seq.items()
        )
        await self._connection.executemany(MENTION, self._before.items())

    async def endpoints(
        self, org: str, count: int, per_application: int, url: Callable[[int], str], tell: Callable[[int], None]
    ) -> None:
        """Applications with endpoints."""
        application = ""
        for number in range(count):
            if number % per_application == 0:
                application = self._mint(ids.APPLICATION)
                self._application(org, application, f"stock {number // per_application}")
            self._endpoint(application, url(number))
            if number % CHUNK == CHUNK - 1:
                await self._flush()
                tell(number + 1)
        await self._flush()

    async def pending(
        self, application: str, endpoints: Sequence[str], count: int, payload_bytes: int, tell: Callable[[int], None]
    ) -> None:
        """Messages accepted for these endpoints in turn, one delivery each, all due."""
        payload = b'{"order":"' + b"x" * (payload_bytes - 12) + b'"}'
        digest = hashlib.sha256(payload).hexdigest()
        partition = partition_of(application, len(self._seq))
        for number in range(count):
            self._message(partition, application, endpoints[number % len(endpoints)], payload, digest)
            if number % CHUNK == CHUNK - 1:
                await self._flush()
                tell(number + 1)
                await asyncio.sleep(0)
        await self._flush()

    def _application(self, org: str, identity: str, name: str) -> None:
        partition = partition_of(identity, len(self._seq))
        self._event(partition, identity, ApplicationCreated(org=org, name=name))
        self._row(
            "state.application",
            partition=partition,
            id=identity,
            org=org,
            name=name,
            metadata="{}",
            created_at=self.now,
            updated_at=self.now,
            version=1,
        )

    def _endpoint(self, application: str, url: str) -> None:
        partition = partition_of(application, len(self._seq))
        identity, secret = self._mint(ids.ENDPOINT), self._mint(ids.SIGNING_KEY)
        event = EndpointRegistered(application=application, config=EndpointConfig(url=url), secret=secret)
        self._event(partition, identity, event)
        self._row(
            "state.endpoint",
            partition=partition,
            id=identity,
            application=application,
            url=url,
            description="",
            metadata="{}",
            api_version=1,
            secret=secret,
            created_at=self.now,
            updated_at=self.now,
            breaker_opens=0,
            version=1,
        )
        sealed = self._sealer.seal(generate(os.urandom(24)).encode(), identity)
        self._row(
            "content.secret", partition=partition, owner=identity, id=secret, sealed=sealed, created_at=self.now
        )

    def _message(self, partition: int, application: str, endpoint: str, payload: bytes, digest: str) -> None:
        identity = self._mint(ids.MESSAGE)
        event = MessageAccepted(
            application=application, event_type="order.paid", digest=digest, size=len(payload), endpoints=(endpoint,)
        )
        self._event(partition, identity, event)
        day = last_day(self.now, RETENTION_DAYS)
        self._row("content.payload", day=day, partition=partition, message=identity, body=payload)
        self._row(
            "state.delivery",
            partition=partition,
            message=identity,
            endpoint=endpoint,
            accepted_at=self.now,
            next_at=self.now,
            state="pending",
            attempts=0,
            version=1,
            retention_days=RETENTION_DAYS,
        )

    def _event(self, partition: int, stream: str, event: Event) -> None:
        seq = self._seq[partition] = self._seq[partition] + 1
        values = (partition, seq, self.now, stream, 1, type(event).__name__, 1, ACTOR, codec.encode(event))
        self._row("log.event", **dict(zip(EVENT_COLUMNS, values, strict=True)))

    def _row(self, table: str, **values: Any) -> None:
        self._rows[table, ",".join(values)].append(tuple(values.values()))

    async def _flush(self) -> None:
        for (table, columns), rows in self._rows.items():
            schema, name = table.split(".")
            await self._connection.copy_records_to_table(
                name, schema_name=schema, columns=columns.split(","), records=rows
            )
        self._rows.clear()

    def _mint(self, prefix: str) -> str:
        return ids.mint(prefix, self.now, os.urandom(ids.ENTROPY_BYTES))
