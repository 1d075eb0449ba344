"""Builds the daemon in order and takes it down in reverse: the only file that knows every concrete class."""

import asyncio
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
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
from daemon.following import Follower
from daemon.handover import Handover
from daemon.hearing import Hearing
from daemon.live.hub import Hub
from daemon.live.neighbours import Neighbours
from daemon.live.reporter import Reporter
from daemon.metrics import Metrics
from daemon.naming import process_name
from daemon.notary import Notary
from daemon.ownership import Owner
from daemon.payloads import Payloads
from daemon.recorder import Recorder
from daemon.retention import Retention
from daemon.sealing import Sealer
from daemon.settings import Settings
from daemon.storage import Storage
from daemon.supervisor import Supervisor
from daemon.transport import Guard, Resolver, Transport, client_tls
from daemon.vitals import Vitals
from events.checkpoint import VerifierKey
from events.log import Fenced, Roll, Unavailable
from events.log_views import LogViews
from events.postgres import PostgresLog
from events.views import Views
from events.world import World

log = structlog.get_logger()

UPKEEP_S: Final = 30.0
TOKEN_LEEWAY: Final = timedelta(minutes=15)
API_GRACE_S: Final = 5.0
RECORD_GRACE_S: Final = 10.0


def url_of(host: str, port: int) -> str:
    """Where an API is that listens there."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class CannotListen(Exception):
    """The address of the API is not to be had; the text says why."""


@dataclass(frozen=True)
class Worker:
    """One of several processes: somebody else has started the database, and chosen name and port."""

    name: str
    dsn: str


class Daemon:
    """One process of hookd: API, recorder, and the targets of the partitions it owns."""

    def __init__(
        self, settings: Settings, progress: Callable[[str], None] | None = None, worker: Worker | None = None
    ) -> None:
        self.settings = settings
        self.worker = worker
        self.supervisor = Supervisor()
        self.clock = SystemClock()
        self.storage = Storage(settings, progress, worker.dsn if worker else None)
        self.url = ""
        self._closers: list[Callable[[], object]] = []

    # --- up

    async def start(self) -> None:
        """Bring everything up, in order; whatever fails takes down what was up already."""
        try:
            self._closers.append(self.storage.close)
            await self.storage.open()
            await self._build()
            await self._run()
        except BaseException:
            await self.stop(grace_s=0)
            raise

    async def _build(self) -> None:
        settings, clock = self.settings, self.clock
        self.database = self.storage.database
        self.log = PostgresLog(self.database.dedicated, self.database.reading)
        self._closers.append(self.log.close)
        self.world = World(self.storage.partitions)
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
            idle_max_per_origin=settings.max_in_flight,  # thousands of endpoints may share one host
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
        self.follower = Follower(self.log, self.recorder, self.dispatcher, payloads)
        log_key = await self._appoint(sealer)
        self.vitals = Vitals(self.recorder, self.dispatcher, clock, self.notary.seals)
        name = self.worker.name if self.worker else process_name()
        self.neighbours = Neighbours(self.log, name, clock)
        metrics = Metrics(self.recorder, self.dispatcher, self.transport, payloads, self.vitals, self.neighbours)
        self.recorder.name = name
        self.hearing = Hearing(self.log, self.recorder, self.world, self.follower, name)
        self.owner = Owner(self.log, self.recorder, clock, name)
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
            metrics=metrics,
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
        hub = Hub(self.recorder, self.world, LogViews(views.reading), reporter, self.neighbours)
        self.neighbours.figures = hub.figures
        self.owner.asks = hub.asks
        self.owner.report = self.neighbours.report
        return hub

    def _looked(self, roll: Roll) -> None:
        self.hearing.looked(roll)
        self.neighbours.looked(roll)
        self.vitals.looked(roll)
        if roll.asked:
            self.hub.asked_elsewhere()

    async def _try_keys(self, sealer: Sealer) -> None:
        """With the wrong keys nothing could be signed and nobody log in: say so before anything starts."""
        secret = await self.log.any_secret()
        if secret is not None:
            sealer.open(secret.sealed, secret.owner)

    async def _run(self) -> None:
        service = self.supervisor.service
        Handover(self.log, self.world, self.recorder, self.follower, self.dispatcher, self.feeder).serve(self.owner)
        self.owner.on_roll = self._looked
        await self.recorder.load()
        if self.storage.ours_alone:
            await self.log.evict()
        await self.owner.begin()
        service("recorder", self.recorder.run)
        service("feeder", self.feeder.feed)
        service("follower", self.follower.run)
        service("listen", self.hearing.listen)
        service("learn", self.hearing.learn)
        service("cancel_orphans", self.feeder.cancel_orphans)
        service("ownership", self.owner.keep)
        service("loop_lag", self.vitals.watch)
        service("live", self.hub.run)
        service("live_watch", self.hub.watch)
        service("notary", self.notary.run)
        service("retention", self.retention.run)
        service("upkeep", self._upkeep)
        if self.storage.ours_alone:
            service("postgres", self.storage.keep)
        await self._listen()

    async def _listen(self) -> None:
        settings = self.settings
        runner = web.ServerRunner(self.server, handle_signals=False, shutdown_timeout=API_GRACE_S)
        await runner.setup()
        self._runner = runner
        site = web.TCPSite(runner, settings.host, settings.port, backlog=1024, reuse_port=self.worker is not None)
        try:
            await site.start()
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            raise CannotListen(f"cannot listen on {settings.host}:{settings.port}: {why}") from error
        self.url = url_of(*runner.addresses[0][:2])
        log.info("api_listening", url=self.url)

    async def _upkeep(self) -> None:
        while True:
            await asyncio.sleep(UPKEEP_S)
            self.dispatcher.sweep()
            try:
                await self.retention.prepare()
            except Unavailable:
                continue

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
            await self._begin_to_leave()
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

    async def _begin_to_leave(self) -> None:
        """What nothing is under way for is free at once: others are to deliver for it while this one drains."""
        self.dispatcher.stopped = True
        self.owner.leaving = True
        try:
            async with asyncio.timeout(RECORD_GRACE_S):
                await self.owner.turn()
        except (TimeoutError, Unavailable, Fenced):
            log.info("partitions_kept_until_the_end")

    async def _record_the_rest(self) -> None:
        try:
            async with asyncio.timeout(RECORD_GRACE_S):
                await self.recorder.drained()
                await self.owner.leave()
        except (TimeoutError, Unavailable):
            log.warning("outcomes_unrecorded", waiting=len(self.recorder))
