"""A small sealed log with a bit of everything in it, and a superuser who can do to it what nobody should."""

import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from daemon.audit import kept
from daemon.audit.verify import Report, verify
from daemon.clock import SystemClock
from daemon.notary import Notary
from daemon.postgres.database import Database
from daemon.sealing import Sealer
from events import tlog
from events.append import Append
from events.catalogue import (
    AttemptFailed,
    AttemptSucceeded,
    DeliveryExhausted,
    EndpointConfig,
    EndpointUpdated,
    PartitionTaken,
)
from events.envelope import Fact
from events.outcome import Fault
from events.postgres import PostgresLog
from tests.support.builders import NOW, P, accepting, born_in, changing, creating, moving, registering

SEALER = Sealer([secrets.token_bytes(32)], secrets.token_bytes)
PAYLOAD = b'{"n": 1}'
RESPONSE = b"no, thank you"


class Evidence:
    """A database with a log in it."""

    def __init__(self, dsn: str, superuser_dsn: str, database: Database) -> None:
        self.dsn = dsn
        self.database = database
        self.notary = Notary(database.dedicated, SEALER, SystemClock())
        self._superuser_dsn = superuser_dsn
        self._log = PostgresLog(database.dedicated, database.reading)
        self._random = Random(7)

    async def fill(self) -> None:
        """An application, three endpoints, messages delivered, failed, exhausted and pending."""
        await self._log.prepare_days([NOW.date() + timedelta(days=90)])
        append = Append(NOW)
        append.add(Fact(P, "log_0", 1, PartitionTaken("test", 1)), "hookd", None)
        creating(append)
        first = registering(append)
        registering(append, "ep_2")
        registering(append, "ep_3")
        changing(append, first, "ep_1", EndpointUpdated(EndpointConfig("http://e.test/other")))
        await self._log.append(append)
        for nth in range(40):
            await self.message(f"msg_{nth:03}")
        await self._log.settle(None)

    async def message(self, message: str) -> None:
        """One message to three endpoints: one answers, one exhausts its attempts, one is left pending."""
        append = Append(NOW + timedelta(seconds=self._random.random()))
        digest = hashlib.sha256(PAYLOAD).hexdigest()
        accepting(
            append,
            "ep_1",
            "ep_2",
            "ep_3",
            message=message,
            payload=PAYLOAD,
            digest=digest,
            event_id=f"name of {message}",
        )
        delivered, failing, _ = born_in(append)
        moving(append, delivered, AttemptSucceeded(1, 200, 5, 1, 2))
        answer = hashlib.sha256(RESPONSE).hexdigest()
        failed = AttemptFailed(
            1, Fault.STATUS, 5, 1, 1, status=500, response_bytes=len(RESPONSE), response_digest=answer
        )
        append.responses.append((len(append.caused), NOW.date() + timedelta(days=90), RESPONSE))
        after = moving(append, failing, failed)
        moving(append, after, DeliveryExhausted(1))
        await self._log.append(append)

    async def append(self, append: Append) -> None:
        """Whatever a test wants to have happened."""
        await self._log.append(append)

    async def verify(self, kept_text: str | None = None) -> Report:
        """What the auditor finds."""
        key = await self.notary.key()
        keys = {P: key.of_partition(P)}
        heads = kept.heads(kept_text, keys) if kept_text is not None else {}
        return await verify(self.database.dedicated, keys, heads)

    async def found(self, kept_text: str | None = None) -> list[str]:
        """The findings as `check: place: what`."""
        report = await self.verify(kept_text)
        return [f"{each.check}: {each.place}: {each.what}" for each in report.findings]

    async def checkpoint(self) -> str:
        """The latest note, as somebody would keep it elsewhere."""
        async with self.database.reading() as connection:
            stored = await tlog.latest(connection, P)
        assert stored is not None
        return stored.note

    async def tamper(self, *statements: str) -> None:
        """Do it as a superuser, past every trigger."""
        connection = await asyncpg.connect(self._superuser_dsn, timeout=30)
        try:
            await connection.execute("set session_replication_role = replica")
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def another_notary(self) -> None:
        """One that remembers nothing, as after a restart."""
        await self.notary.close()
        self.notary = Notary(self.database.dedicated, SEALER, SystemClock())

    async def close(self) -> None:
        """End the connections."""
        await self.notary.close()
        await self._log.close()
        await self.database.close()


@asynccontextmanager
async def a_log(dsn: str, admin_dsn: str) -> AsyncIterator[Evidence]:
    """A filled and sealed log."""
    superuser_dsn = urlunsplit(urlsplit(admin_dsn)._replace(path=urlsplit(dsn).path))
    made = Evidence(dsn, superuser_dsn, await Database.open(dsn, readers=2))
    try:
        await made.fill()
        await made.notary.seal()
        yield made
    finally:
        await made.close()
