"""Builds the daemon in order and takes it down in reverse: the only file that knows every concrete class."""

import asyncio
import os
import secrets
import socket
from collections.abc import Callable
from datetime import timedelta
from random import SystemRandom
from typing import Final

import structlog
from aiohttp import web

from daemon.acting import Acts
from daemon.api.application import build
from daemon.api.auth import AdminIds, Tokens
from daemon.clock import SystemClock
from daemon.desk import Desk
from daemon.dispatcher import Dispatcher
from daemon.entropy import Entropy
from daemon.expunging import Expunger
from daemon.feeder import Feeder
from daemon.live.hub import Hub
from daemon.live.reporter import Reporter
from daemon.metrics import Metrics
from daemon.notary import Notary
from daemon.ownership import Owner
from daemon.payloads import Payloads
from daemon.postgres.database import Database
from daemon.postgres.embedded import EmbeddedPostgres
from daemon.postgres.migrate import fix_partitions, migrate
from daemon.postgres.scripts import load_migrations, load_schema
from daemon.recorder import Recorder
from daemon.retention import Retention
from daemon.sealing import Sealer
from daemon.settings import Settings
from daemon.supervisor import Supervisor
from daemon.transport import Guard, Resolver, Transport, client_tls
from daemon.vitals import Vitals
from events.checkpoint import VerifierKey
from events.log import Unavailable
from events.log_views import LogViews
from events.postgres import BY_INDEX, PostgresLog
from events.views import Views
from events.world import World

log = structlog.get_logger()

DATABASE_WAIT_S: Final = 60.0
UPKEEP_S: Final = 30.0
TOKEN_LEEWAY: Final = timedelta(minutes=15)
API_GRACE_S: Final = 5.0
RECORD_GRACE_S: Final = 10.0


class CannotListen(Exception):
    """The address of the API is not to be had; the text says why."""


class Daemon:
    """One process of hookd: API, recorder, and the targets of the partitions it owns."""

    def __init__(self, settings: Settings, progress: Callable[[str], None] | None = None) -> None:
        self.settings = settings
        self.supervisor = Supervisor()
        self._progress = progress
        self.clock = SystemClock()
        self.postgres: EmbeddedPostgres | None = None
        if settings.embedded:
            assert settings.hookd_home is not None
            self.postgres = EmbeddedPostgres(settings.hookd_home, progress=progress)
        self.url = ""
        self._closers: list[Callable[[], object]] = []

    # --- up

    async def start(self) -> None:
        """Bring everything up, in order; whatever fails takes down what was up already."""
        try:
            await self._open_database()
            await self._build()
            await self._run()
        except BaseException:
            await self.stop(grace_s=0)
            raise

    async def _open_database(self) -> None:
        settings = self.settings
        if self.postgres is not None:
            self._closers.append(self.postgres.stop)
            dsn = await self.postgres.start()
        else:
            assert settings.database_url is not None
            dsn = settings.database_url.get_secret_value()
        self.dsn = dsn
        self.database = await Database.open(
            dsn, settings=BY_INDEX, starting_s=DATABASE_WAIT_S, progress=self._progress
        )
        self._closers.append(self.database.close)
        connection = await self.database.dedicated()
        try:
            applied = await migrate(connection, schema=load_schema(), migrations=load_migrations())
            partitions = await fix_partitions(connection, settings.partitions)
        finally:
            await connection.close()
        self.partitions = partitions
        log.info("database_opened", fresh=applied.fresh, partitions=partitions)

    async def _build(self) -> None:
        settings, clock = self.settings, self.clock
        self.log = PostgresLog(self.database.dedicated, self.database.reading)
        self._closers.append(self.log.close)
        self.world = World(self.partitions)
        self.recorder = Recorder(self.log, self.world, settings.rules, clock, SystemRandom())
        expunger = Expunger(self.log, self.recorder, clock)
        self.retention = Retention(self.log, self.recorder, self.world, settings.rules, clock, expunger.turn)
        await self.retention.prepare()
        self.resolver = Resolver()
        self.transport = Transport(
            guard=Guard(settings.networks),
            resolver=self.resolver,
            tls=client_tls(settings.ca_file),
            spawn=self.supervisor.job,
            connect_timeout_s=settings.connect_timeout_s,
        )
        payloads = Payloads(settings.payload_cache_bytes)
        sealer = Sealer(settings.sealing_key_bytes, secrets.token_bytes)
        await self._try_keys(sealer)
        self.dispatcher = Dispatcher(
            self.world,
            self.recorder,
            self.transport,
            payloads,
            clock,
            batch_size=settings.trigger_batch_size,
            in_flight_max=settings.max_in_flight,
            timeout_s=settings.attempt_timeout_s,
        )
        self.feeder = Feeder(self.log, self.dispatcher, self.recorder, payloads, sealer, clock)
        log_key = await self._appoint(sealer)
        self.vitals = Vitals(self.recorder, self.dispatcher, clock, self.notary.seals)
        metrics = Metrics(self.recorder, self.dispatcher, self.transport, payloads, self.vitals)
        name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.owner = Owner(self.log, self.recorder, clock, name, self.partitions)
        self.tokens = Tokens(settings.secret_key.get_secret_value(), clock.now, leeway=TOKEN_LEEWAY)
        views = Views(self.database.reading)
        acts = Acts(self.log, self.recorder, sealer, clock)
        self.desk = Desk(self.recorder, self.world, views, sealer, clock, Entropy(), expunger, acts)
        self.hub = self._hub(name, views)
        self.server = build(
            self.desk,
            tokens=self.tokens,
            admin_ids=AdminIds(settings.admin_id_values),
            vitals=self.vitals,
            registry=metrics.registry,
            log_key=log_key,
            hub=self.hub,
        )

    async def _appoint(self, sealer: Sealer) -> VerifierKey:
        """Make the notary; answers who signs the log."""
        self.notary = Notary(self.database.dedicated, sealer, self.clock, interval_s=self.settings.seal_interval_s)
        self._closers.append(self.notary.close)
        self.recorder.followers.append(self.notary.seals.follow)
        key = await self.notary.key()
        log.info("log_key", log_id=key.log_id, vkey_of_partition_0=key.of_partition(0).text())
        return key

    def _hub(self, name: str, views: Views) -> Hub:
        size = self.settings.trigger_batch_size
        reporter = Reporter(
            name, self.recorder, self.world, self.dispatcher, self.vitals, self.clock, batch_size=size
        )
        return Hub(self.recorder, self.world, LogViews(views.reading), reporter)

    async def _try_keys(self, sealer: Sealer) -> None:
        """With the wrong keys nothing could be signed and nobody log in: say so before anything starts."""
        secret = await self.log.any_secret()
        if secret is not None:
            sealer.open(secret.sealed, secret.owner)

    async def _run(self) -> None:
        service = self.supervisor.service
        self.owner.on_lost = self._stand_by
        self.owner.on_taken = self._take_over
        # On the embedded database nobody else can be alive: the lock on the data home is ours.
        await self._take_over(await self.owner.take(force=self.settings.embedded))
        service("recorder", self.recorder.run)
        service("feeder", self.feeder.feed)
        service("catch_up", self.feeder.catch_up)
        service("cancel_orphans", self.feeder.cancel_orphans)
        service("ownership", self.owner.keep)
        service("loop_lag", self.vitals.watch)
        service("live", self.hub.run)
        service("live_watch", self.hub.watch)
        service("notary", self.notary.run)
        service("retention", self.retention.run)
        service("upkeep", self._upkeep)
        if self.postgres is not None:
            service("postgres", self._keep_postgres)
        await self._listen()

    def _stand_by(self) -> None:
        self.recorder.standing_by = True
        self.dispatcher.stand_down()

    async def _take_over(self, positions: dict[int, int]) -> None:
        """Begin where the last owner left off: configuration, log positions, pending deliveries."""
        self.world.replace(await self.log.load())
        self.dispatcher.positions.update(positions)
        await self._awaken()
        self.recorder.standing_by = False

    async def _awaken(self) -> None:
        """Take up every pending delivery where the last owner left it."""
        pending = await self.log.pending(self.dispatcher.positions)
        for partition, endpoint_id, due_at in pending:
            endpoint = self.world.endpoint(endpoint_id)
            if endpoint is None:
                self.feeder.orphan(partition, endpoint_id)
            else:
                self.dispatcher.awaken(endpoint, due_at)
        log.info("deliveries_resumed", endpoints=len(pending))

    async def _listen(self) -> None:
        settings = self.settings
        runner = web.ServerRunner(self.server, handle_signals=False, shutdown_timeout=API_GRACE_S)
        await runner.setup()
        self._runner = runner
        site = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            raise CannotListen(f"cannot listen on {settings.host}:{settings.port}: {why}") from error
        host, port = runner.addresses[0][:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        log.info("api_listening", url=self.url)

    async def _upkeep(self) -> None:
        while True:
            await asyncio.sleep(UPKEEP_S)
            self.dispatcher.sweep()
            try:
                await self.retention.prepare()
            except Unavailable:
                continue

    async def _keep_postgres(self) -> None:
        """Start the embedded server again whenever it ends."""
        assert self.postgres is not None
        while True:
            await self.postgres.wait_closed()
            log.error("postgres_ended")
            await self.postgres.start()
            log.info("postgres_restarted")

    # --- down

    async def stop(self, grace_s: float | None = None) -> int:
        """Stop in stages: no new work, let attempts end, record the rest as abandoned, close. Twice is fine.

        Answers how many attempts were abandoned.
        """
        grace_s = self.settings.stop_grace_s if grace_s is None else grace_s
        abandoned = 0
        if hasattr(self, "_runner"):
            self.vitals.stopping = True
            self.hub.close()
            await self._runner.shutdown()
            await self._runner.cleanup()
            log.info("api_closed")
            abandoned = await self.dispatcher.drain(grace_s)
            await self.transport.close(0)
            await self._record_the_rest()
            del self._runner
        await self.supervisor.stop()
        if hasattr(self, "resolver"):
            self.resolver.close()
        while self._closers:
            closing = self._closers.pop()()
            if asyncio.iscoroutine(closing):
                await closing
        return abandoned

    async def _record_the_rest(self) -> None:
        try:
            async with asyncio.timeout(RECORD_GRACE_S):
                await self.recorder.drained()
                await self.owner.release()
        except (TimeoutError, Unavailable):
            log.warning("outcomes_unrecorded", waiting=len(self.recorder))
