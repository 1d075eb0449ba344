"""The PostgreSQL server that hookd brings along, as a child process of its own.

It is meant for a daemon that owns a log, so it must survive what happens to daemons: a kill of hookd, of the
server or of both, a full or slow disk, a reused pid, a second hookd by mistake.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import asyncpg

from daemon.postgres import binaries, cluster, processes
from daemon.postgres.account import Account, server_account
from daemon.postgres.errors import EmbeddedPostgresError
from daemon.postgres.home import Home, HomeLock, clear_sockets, socket_folder
from daemon.postgres.waiting import NotReadyError, until_ready

ROLE = "hookd"
SUPERUSER = "postgres"
CONNECT_TIMEOUT_S = 5.0
EXIT_POLL_S = 0.02
DEATH_POLL_S = 0.2
# Fast, then immediate (the next start replays the WAL), then by force.
STOP_STEPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))

T = TypeVar("T")


class EmbeddedPostgres:
    """One PostgreSQL server in one home.

    `ready_s` bounds the wait for a server that recovers. `progress` hears, in the event loop's thread, what
    takes long. `settings` are PostgreSQL settings that win over hookd's own.
    """

    def __init__(
        self,
        home: Path,
        *,
        ready_s: float = 300,
        progress: Callable[[str], None] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._home = Home(home.absolute())
        self._ready_s = ready_s
        self._progress = progress or (lambda _: None)
        self._settings = dict(settings or {})
        self._lock = HomeLock(self._home.lock)
        self._turn = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets: Path | None = None
        self._install: binaries.Install | None = None

    @property
    def pid(self) -> int | None:
        """The pid of the running server."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def died(self) -> bool:
        """Whether the server ended without being asked to; `start` again then."""
        return self._process is not None and self._process.poll() is not None

    @property
    def dsn(self) -> str:
        """The address for hookd itself: owner of its database and nothing more."""
        return self._dsn(ROLE, ROLE)

    @property
    def superuser_dsn(self) -> str:
        """The address for those who look after the server."""
        return self._dsn(SUPERUSER, SUPERUSER)

    @property
    def programs(self) -> Path:
        """The folder of PostgreSQL's programs (`pg_dump`, `psql`) in use."""
        if self._install is None:
            raise EmbeddedPostgresError("the embedded PostgreSQL has not been started")
        return self._install.program("")

    async def start(self) -> str:
        """Start the server, or start it again, and return the address of hookd's database.

        A server that an earlier, killed hookd left behind is stopped in good order first. Does nothing if
        the server runs.

        Raises `HomeInUseError` while another hookd holds the home and `EmbeddedPostgresError` for anything
        that keeps the server from running; nothing is left running or locked then.
        """
        async with self._turn:
            if self.pid is not None:
                return self.dsn
            try:
                await self._start()
            except BaseException:
                await self._stop()
                raise
            return self.dsn

    async def stop(self) -> None:
        """Stop the server and let go of the home; takes 0.1 s, or up to 45 s if it resists. Idempotent."""
        async with self._turn:
            await self._stop()

    async def restart(self) -> str:
        """Stop and start."""
        await self.stop()
        return await self.start()

    async def wait_closed(self) -> None:
        """Wait until the server process has ended, by itself or by `stop`; at once if none was started."""
        process = self._process
        while process is not None and process.poll() is None:  # noqa: ASYNC110 - another process has no event
            await asyncio.sleep(DEATH_POLL_S)

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await _to_its_end(lambda: self._launch(lambda text: _in_loop(loop, self._progress, text)))
        except OSError as error:
            raise EmbeddedPostgresError(f"PostgreSQL cannot run in {self._home.root}: {error}") from error
        try:
            await until_ready(self._make_database, ready_s=self._ready_s, report=self._report)
        except NotReadyError as error:
            raise EmbeddedPostgresError(
                f"PostgreSQL was not ready after {self._ready_s:.0f} s ({error}). Its data is unharmed: "
                f"if it recovers after a crash, start again and allow it more time. {self._last_words()}"
            ) from error

    def _launch(self, progress: Callable[[str], None]) -> None:
        """Everything up to a running process; blocks, for seconds if there is something to clear away."""
        home = self._home
        home.create()
        self._lock.take()
        account = server_account(home.server)
        home.give_server_folder(account)
        self._end_orphans(progress)
        self._install = self._choose_install(account)
        if not cluster.is_made(home.data):
            progress(f"creating a database in {home.data}")
            durable = self._settings.get("fsync") != "off"
            cluster.make(home.data, self._install, account, durable=durable)
        self._sockets = socket_folder(home.server, account)
        clear_sockets(self._sockets)
        cluster.forget_dead_server(home.data)
        self._process = self._spawn(self._install, self._sockets, account)

    def _choose_install(self, account: Account) -> binaries.Install:
        available = binaries.installs(binaries.package_folder())
        chosen = binaries.install_for(self._home.data, available)
        return binaries.reachable_install(chosen, self._home.root, account)

    def _end_orphans(self, progress: Callable[[str], None]) -> None:
        """We hold the lock, so whatever still works in our data lost its hookd, or its postmaster."""
        orphans = processes.leaders(processes.servers_of(self._home.data))
        if not orphans:
            return
        pids = ", ".join(str(orphan.pid) for orphan in orphans)
        progress(f"stopping a PostgreSQL that a killed hookd left behind (pid {pids})")
        if not processes.end_servers_of(self._home.data):
            raise EmbeddedPostgresError(f"a PostgreSQL left behind in {self._home.data} (pid {pids}) does not end")

    def _spawn(self, install: binaries.Install, sockets: Path, account: Account) -> subprocess.Popen[bytes]:
        """A session of its own keeps the terminal's Ctrl-C away from it."""
        log = self._home.open_log()
        try:
            return subprocess.Popen(  # noqa: S603
                [
                    install.program("postgres"),
                    *cluster.server_arguments(self._home.data, sockets, self._settings),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                env=binaries.CLEAN_ENVIRONMENT,
                umask=0o077,
                **account.popen_options,
            )
        finally:
            os.close(log)

    async def _make_database(self) -> None:
        """Connecting is the only proof of being ready; role and database are made if they are missing."""
        if self.died:
            raise EmbeddedPostgresError(f"PostgreSQL ended while starting. {self._last_words()}")
        connection = await asyncpg.connect(self.superuser_dsn, timeout=CONNECT_TIMEOUT_S)
        try:
            if not await connection.fetchval("select 1 from pg_roles where rolname = $1", ROLE):
                await connection.execute(f"create role {ROLE} login")
            if not await connection.fetchval("select 1 from pg_database where datname = $1", ROLE):
                await connection.execute(f"create database {ROLE} owner {ROLE}")
        finally:
            await connection.close()

    def _report(self, waited_s: float, answer: Exception) -> None:
        doing = (self._home.last_words(1) or [str(answer)])[0]
        self._progress(f"PostgreSQL has been starting for {waited_s:.0f} s: {doing}")

    async def _stop(self) -> None:
        if self._process is not None:
            await _end(self._process)
            self._process = None
        if self._sockets is not None:
            clear_sockets(self._sockets)
            if self._sockets != self._home.server:
                with contextlib.suppress(OSError):
                    self._sockets.rmdir()
            self._sockets = None
        self._lock.release()

    def _last_words(self) -> str:
        return f"The end of {self._home.log}:\n" + "\n".join(self._home.last_words(8))

    def _dsn(self, role: str, database: str) -> str:
        """With the port, as clients would else ask the environment for it."""
        if self._sockets is None:
            raise EmbeddedPostgresError("the embedded PostgreSQL has not been started")
        return _dsn(self._sockets, role, database)


def running_dsn(home: Path, role: str = ROLE) -> str | None:
    """The address of the server that another process runs in `home`, or None if none runs there.

    The database has the name of the role: hookd's, or that of those who look after the server.
    """
    folders = Home(home.absolute())
    if not processes.servers_of(folders.data):
        return None
    return _dsn(socket_folder(folders.server, server_account(folders.server)), role, role)


def _dsn(sockets: Path, role: str, database: str) -> str:
    return f"postgresql://{role}@/{database}?host={quote(str(sockets), safe='')}&port=5432"


def _in_loop(loop: asyncio.AbstractEventLoop, tell: Callable[[str], None], text: str) -> None:
    loop.call_soon_threadsafe(tell, text)


async def _end(process: subprocess.Popen[bytes]) -> None:
    for number, patience_s in STOP_STEPS:
        process.send_signal(number)
        if await _ended(process, patience_s):
            return
    raise EmbeddedPostgresError(f"PostgreSQL (pid {process.pid}) does not end, not even by SIGKILL")


async def _ended(process: subprocess.Popen[bytes], patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while process.poll() is None:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(EXIT_POLL_S)
    return True


async def _to_its_end(work: Callable[[], T]) -> T:
    """Run `work` in a thread and wait for it even if cancelled: a thread cannot be, and it holds our lock."""
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise
