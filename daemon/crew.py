"""Several processes of hookd under one parent, which does no work of its own.

It starts the embedded database, holds the port, starts the workers, and starts again whichever ends. The workers are
equal: each serves the API on the same port and delivers for its share of the partitions. That they agree on who does
what is PostgreSQL's doing, not the parent's; it only says at once when one of them is dead.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import structlog

from daemon.assembly import CannotListen, url_of
from daemon.naming import process_name, worker_name
from daemon.settings import Settings
from daemon.storage import Storage
from daemon.supervisor import Supervisor
from events.log import Unavailable
from events.postgres import PostgresLog

log = structlog.get_logger()

READY: Final = b"ready\n"
"""What a worker prints when it serves; later, one line more: how many attempts it cut short."""
GRACE_S: Final = 20.0  # beyond STOP_GRACE_S, until a worker is killed


class WorkerFailed(Exception):
    """A worker could not start; it has said why."""


class Crew:
    """`command`: how a worker is started, by its name, its port and the address of the database."""

    def __init__(
        self,
        settings: Settings,
        command: Callable[[str, int, str], list[str]],
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.settings = settings
        self._count = settings.processes
        self._command = command
        self._name = process_name()
        self._begun = 0  # workers, ever
        self._storage = Storage(settings, progress)
        self._supervisor = Supervisor()
        self._running: set[asyncio.subprocess.Process] = set()
        self._log: PostgresLog | None = None
        self._socket: socket.socket | None = None
        self._started: asyncio.Queue[bool] = asyncio.Queue()  # of each worker, whether it serves or has ended
        self._stopping = False
        self.url = ""
        self.abandoned = 0

    async def start(self) -> None:
        """Bring everything up. errors of Storage; CannotListen, WorkerFailed."""
        try:
            self._socket = _reserve(self.settings.host, self.settings.port)
            self.url = url_of(*self._socket.getsockname()[:2])
            await self._storage.open()
            self._log = PostgresLog(self._storage.database.dedicated, self._storage.database.reading)
            if self._storage.ours_alone:
                await self._log.evict()
                self._supervisor.service("postgres", self._storage.keep)
            for number in range(1, self._count + 1):
                self._supervisor.service(f"worker {number}", self._work)
            await self._until_ready()
        except BaseException:
            await self.stop()
            raise

    async def _until_ready(self) -> None:
        for _ in range(self._count):
            if not await self._started.get():
                raise WorkerFailed

    async def _work(self) -> None:
        """Run one worker until it ends, and return; whatever it owned is free then."""
        assert self._socket is not None
        assert self._log is not None
        self._begun += 1
        name = worker_name(self._name, self._begun)
        worker = await asyncio.create_subprocess_exec(
            *self._command(name, self._socket.getsockname()[1], self._storage.dsn),
            stdin=asyncio.subprocess.PIPE,  # its end tells the worker that nobody is there any more
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for the parent, which passes it on
        )
        self._running.add(worker)
        log.info("worker_started", name=name, pid=worker.pid)
        try:
            await self._listen_to(worker)
            status = await worker.wait()
        finally:
            self._running.discard(worker)
        if self._stopping:
            await asyncio.Event().wait()
        with suppress(Unavailable):  # then its lease has to end first
            await self._log.leave(name)
        log.error("worker_ended", name=name, pid=worker.pid, status=status)

    async def _listen_to(self, worker: asyncio.subprocess.Process) -> None:
        assert worker.stdout is not None
        is_ready = await worker.stdout.readline() == READY
        self._started.put_nowait(is_ready)
        if is_ready and (line := await worker.stdout.readline()).strip().isdigit():
            self.abandoned += int(line)

    async def stop(self) -> int:
        """Stop the workers, then the database. Answers how many attempts were abandoned."""
        self._stopping = True
        ending = list(self._running)
        for worker in ending:
            worker.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.stop_grace_s + GRACE_S):
                await asyncio.gather(*(worker.wait() for worker in ending))
        for worker in ending:
            if worker.returncode is None:
                worker.kill()
                await worker.wait()
        await asyncio.sleep(0)  # what they said last is read
        await self._supervisor.stop()
        if self._log is not None:
            await self._log.close()
        await self._storage.close()
        if self._socket is not None:
            self._socket.close()
        return self.abandoned


def _reserve(host: str, port: int) -> socket.socket:
    """A socket that holds the port for the workers, and does not listen. CannotListen."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        held = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotListen(f"cannot listen on {host}:{port}: {error}") from error
    try:
        _refuse_taken(family, kind, protocol, address)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
    except OSError as error:
        held.close()
        why = os.strerror(error.errno) if error.errno else str(error)
        raise CannotListen(f"cannot listen on {host}:{port}: {why}") from error
    return held


def _refuse_taken(family: int, kind: int, protocol: int, address: Any) -> None:
    """Fail if somebody listens there: another hookd would share the port without a word."""
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
