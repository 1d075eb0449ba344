"""A real log with a recorder, retention and expunging on it, under a clock that tests move."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from random import Random

from daemon.expunging import Asker, Expunger
from daemon.ownership import Owner
from daemon.postgres.database import Database
from daemon.recorder import Recorder
from daemon.retention import Retention
from daemon.supervisor import Supervisor
from events import ids
from events.application import Application, CreateApplication
from events.catalogue import EndpointConfig, Event
from events.decide import Rules
from events.delivery import RecordAttempt
from events.endpoint import RegisterEndpoint
from events.envelope import Recorded
from events.message import AcceptMessage, Message
from events.outcome import Outcome
from events.postgres import BY_INDEX, PostgresLog
from events.views import Views
from events.world import World

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
PARTITIONS = 16
ASKER = Asker("org:org_1", "req_1", "asked to")


class MovableClock:
    """Stands still until it is moved; every look is 4 ms later, so that ids sort."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        self.at += timedelta(milliseconds=4)
        return self.at

    def on(self, day: date, hour: int = 1) -> None:
        self.at = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


class Keeping:
    """See the module."""

    def __init__(self, database: Database, rules: Rules) -> None:
        self.clock = MovableClock()
        self.rules = rules
        self.database = database
        self.log = PostgresLog(database.dedicated, database.reading)
        self.views = Views(database.reading)
        self.world = World(PARTITIONS)
        self.random = Random(1)
        self.recorder = Recorder(self.log, self.world, rules, self.clock, Random(2))
        self.expunger = Expunger(self.log, self.recorder, self.clock)
        self.retention = Retention(self.log, self.recorder, self.world, rules, self.clock, self.expunger.turn)

    def mint(self, prefix: str) -> str:
        return ids.mint(prefix, self.clock.now(), self.random.randbytes(ids.ENTROPY_BYTES))

    async def application(self, **settings) -> Application:
        command = CreateApplication(self.mint("app"), "org_1", "A", **settings)
        return (await self.recorder.ask(command, "test"))[0]

    async def endpoint(self, application: Application) -> str:
        key = self.mint("ep")
        config = EndpointConfig("http://e.test/hook")
        await self.recorder.ask(RegisterEndpoint(key, application.id, config, self.mint("sec"), b"x"), "test")
        return key

    async def message(self, application: Application, payload: bytes = b"{}", **settings) -> Message:
        digest = hashlib.sha256(payload).hexdigest()
        command = AcceptMessage(self.mint("msg"), application.id, "t", payload, digest, **settings)
        return (await self.recorder.ask(command, "test"))[0]

    async def attempt(self, message: Message, endpoint: str, body: bytes, fault=None) -> None:
        key = (message.partition, message.id, endpoint)
        delivery = (await self.log.deliveries([key]))[key]
        outcome = Outcome(fault, 1, 500 if fault else 200, body, len(body))
        await self.recorder.ask(RecordAttempt(delivery, outcome, 1, 1), "hookd")

    async def recorded(self, *kinds: type[Event]) -> list[Recorded]:
        found = []
        for partition in range(PARTITIONS):
            found += [
                each for each in await self.log.read([(partition, 0, None)], 10_000) if isinstance(each.event, kinds)
            ]
        return found

    async def payload(self, message: Message) -> bytes | None:
        return (await self.views.payloads([message])).get(message.id)


@asynccontextmanager
async def keeping(dsn: str, rules: Rules | None = None) -> AsyncIterator[Keeping]:
    database = await Database.open(dsn, readers=3, settings=BY_INDEX)
    made = Keeping(database, rules or Rules())
    supervisor = Supervisor()
    await made.recorder.load()
    await Owner(made.log, made.recorder, made.clock, "test").turn()
    supervisor.service("recorder", made.recorder.run)
    try:
        yield made
    finally:
        await supervisor.stop()
        await made.log.close()
        await database.close()
