"""A daemon reduced to what routes need: a real database, log, recorder and HTTP; nothing is ever sent."""

import random
import secrets
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO

from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestClient
from argon2 import PasswordHasher
from prometheus_client import CollectorRegistry, Counter

from daemon.acting import Acts
from daemon.api.application import build
from daemon.api.auth import AdminIds, Tokens
from daemon.api.seed.passwords import Passwords
from daemon.desk import Desk
from daemon.expunging import Expunger
from daemon.live.hub import Hub
from daemon.live.neighbours import Neighbours
from daemon.live.reporter import Reporter
from daemon.notary import Notary
from daemon.ownership import Owner
from daemon.postgres.database import Database
from daemon.recorder import Recorder
from daemon.sealing import Sealer
from daemon.supervisor import Supervisor
from events.decide import Rules
from events.delivery import RecordAttempt
from events.log_views import LogViews
from events.outcome import Outcome
from events.postgres import PostgresLog
from events.views import Views
from events.world import World

PARTITIONS = 16
ADMIN_ID = "the-admin-id"
ORG = "org_test"
START = datetime(2026, 8, 21, 12, tzinfo=UTC)
URL = "https://a.example/hook"


class TickingClock:
    """Every look at it is 4 ms later, so that ids sort by the order in which they were minted."""

    def __init__(self):
        self.at = START

    def now(self):
        self.at += timedelta(milliseconds=4)
        return self.at


class Served(BaseTestServer):
    """A server of ours, where aiohttp's test client finds it."""

    def __init__(self, server):
        super().__init__()
        self._server = server

    async def _make_runner(self, **_):
        return web.ServerRunner(self._server)


@dataclass
class Vitals:
    """A daemon's state, as a test wants it."""

    stopping: bool = False
    database_ok: bool = True
    oldest_due_s: float | None = None
    loop_lag_s: float = 0.001
    in_flight: int = 3
    queue: int = 4
    served_partitions: int = PARTITIONS
    barred_trees: int = 0


class Nobody:
    """Nobody is delivered to."""

    def targets(self):
        return ()

    def target(self, endpoint_id):
        return None


@dataclass
class Running:
    """The server, and the pieces behind it."""

    client: TestClient
    tokens: Tokens
    desk: Desk
    log: PostgresLog
    vitals: Vitals
    notary: Notary
    clock: TickingClock
    database: Callable
    org: str = ORG
    headers: dict = field(default_factory=dict)
    hub: Hub | None = None

    def as_org(self, org):
        """Call as another organization from now on."""
        self.org = org
        self.headers = {"Authorization": f"Bearer {self.tokens.mint_org(org)}"}

    def as_operator(self, name="ada", *, may_act=False):
        """Call as an operator from now on."""
        self.headers = {"Authorization": f"Bearer {self.tokens.mint_operator(name, may_act=may_act)}"}

    def as_app(self, app_id, flags=None):
        """Call as an application from now on."""
        self.headers = {"Authorization": f"Bearer {self.tokens.mint_app(self.org, app_id, flags)}"}

    async def call(self, method, path, body=None, *, expect=None, **kwargs):
        """Call a route of /api/v1; answers (status, JSON or None), or the JSON alone if the status is expected."""
        sent = {"data": body} if isinstance(body, bytes | BytesIO) else {"json": body}
        response = await self.client.request(method, "/api/v1" + path, headers=self.headers, **sent, **kwargs)
        told = await response.json() if await response.read() else None
        if expect is None:
            return response.status, told
        assert response.status == expect, told
        return told

    async def app(self, name="Acme", **fields):
        return (await self.call("POST", "/app", {"name": name, **fields}, expect=201))["id"]

    async def endpoint(self, app_id, url=URL, **fields):
        return (await self.call("POST", f"/app/{app_id}/endpoint", {"url": url, **fields}, expect=201))["id"]

    async def event_type(self, name, **fields):
        await self.call("POST", "/event-type", {"name": name, "description": "", **fields}, expect=201)

    async def message(self, app_id, event_type="a.b", payload=None, **fields):
        body = {"eventType": event_type, "payload": payload or {}, **fields}
        return (await self.call("POST", f"/app/{app_id}/msg", body, expect=202))["id"]

    async def attempt(self, message, endpoint, fault=None, status=200, body=b"", detail=""):
        """Have one attempt recorded."""
        known = self.desk.world.endpoint(endpoint)
        key = (known.partition, message, endpoint)
        delivery = (await self.log.deliveries([key]))[key]
        outcome = Outcome(fault, 12, status, body, len(body), None, detail)
        command = RecordAttempt(delivery, outcome, int(self.clock.now().timestamp()), known.version)
        assert await self.desk.recorder.ask(command, "hookd")


class Numbers:
    """Those of a daemon."""

    def __init__(self):
        self.registry = CollectorRegistry()
        Counter("hookd_seen", "Seen.", registry=self.registry).inc(7)

    async def hear(self):
        pass


@asynccontextmanager
async def serve(dsn):
    """A server on a fresh database, for the length of the block."""
    clock = TickingClock()
    database = await Database.open(dsn)
    log = PostgresLog(database.dedicated, database.reading)
    world = World(PARTITIONS)
    recorder = Recorder(log, world, Rules(), clock, random.Random(1))
    await recorder.load()
    await Owner(log, recorder, clock, "test").turn()
    sealer = Sealer([bytes(32)], secrets.token_bytes)
    notary = Notary(database.dedicated, sealer, clock)
    views, expunger = Views(database.reading), Expunger(log, recorder, clock)
    acts = Acts(log, recorder, sealer, clock)
    desk = Desk(recorder, world, views, sealer, clock, secrets.token_bytes, expunger, acts)
    tokens, vitals, metrics = Tokens("x" * 32, clock.now), Vitals(), Numbers()
    reporter = Reporter("test", recorder, world, Nobody(), vitals, clock, batch_size=10)
    hub = Hub(recorder, world, LogViews(views.reading), reporter, Neighbours(log, "test", clock))
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    server = build(
        desk,
        tokens=tokens,
        admin_ids=AdminIds((ADMIN_ID, "the-old-one")),
        vitals=vitals,
        metrics=metrics,
        log_key=await notary.key(),
        hub=hub,
        passwords=passwords,
    )

    @asynccontextmanager
    async def writing():
        connection = await database.dedicated()
        try:
            yield connection
        finally:
            await connection.close()

    supervisor = Supervisor()
    supervisor.service("recorder", recorder.run)
    supervisor.service("live", hub.run)
    supervisor.service("live_watch", hub.watch)
    try:
        async with TestClient(Served(server)) as client:
            running = Running(client, tokens, desk, log, vitals, notary, clock, writing)
            running.hub = hub
            running.as_org(ORG)
            try:
                yield running
            finally:
                hub.close()
    finally:
        await supervisor.stop()
        await notary.close()
        await log.close()
        await database.close()
