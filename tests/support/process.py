"""A whole hookd as a process of its own, for tests that talk to it, stop it, kill it and start it again.

async with Hookd(home) as hookd:      # `hookd up` on a free port
    await hookd.call("POST", "/api/v1/app", {"name": "a"}, token=hookd.token())
    await hookd.down(signal.SIGKILL)  # its PostgreSQL lives on, as it would after a real crash
    await hookd.up()                  # the same home again
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import aiohttp
import asyncpg
import psutil
from dotenv import dotenv_values

from daemon.api.auth import Tokens
from daemon.cli.token import DEFAULT_ORG
from daemon.postgres.embedded import running_dsn
from daemon.postgres.home import Home
from daemon.postgres.processes import end_servers_of, leaders, servers_of
from daemon.settings import SECRETS_FILE

PROGRAM = str(Path(sys.executable).with_name("hookd"))
START_S = 60.0
END_S = 40.0


class Command:
    """One run of `hookd …`: what it prints, and how it ends."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.output = ""
        self.errors = ""
        self._stirred = asyncio.Condition()
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = asyncio.gather(
            self._read(process.stdout, "output"),
            self._read(process.stderr, "errors"),
        )

    @classmethod
    async def start(cls, *arguments: str, cwd: Path, environ: Mapping[str, str] | None = None) -> Self:
        """Run `hookd arguments…` with this environment and nothing else of ours."""
        bare = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            PROGRAM,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=cwd,
            env=bare | dict(environ or {}),
        )
        return cls(process)

    @classmethod
    @asynccontextmanager
    async def start_in(cls, cwd: Path, *arguments: str, **environ: str) -> AsyncIterator[Self]:
        """Run it for the length of the block; what still lives then is killed."""
        command = await cls.start(*arguments, cwd=cwd, environ=environ)
        try:
            yield command
        finally:
            await command.kill()

    async def kill(self) -> None:
        """End it, if it still lives."""
        if self.process.returncode is None:
            self.process.kill()
        await self.ended()

    @property
    def said_all(self) -> str:
        """Everything it has printed, for messages."""
        return f"stdout:\n{self.output}\nstderr:\n{self.errors}"

    async def said(self, pattern: str, within_s: float = START_S) -> re.Match[str]:
        """Wait until it prints this. AssertionError when it ends before, or does not in time."""
        try:
            async with asyncio.timeout(within_s), self._stirred:
                while not (found := re.search(pattern, self.output) or re.search(pattern, self.errors)):
                    assert not self._has_ended(), f"it ended without saying {pattern!r}\n{self.said_all}"
                    await self._stirred.wait()
        except TimeoutError:
            raise AssertionError(f"it did not say {pattern!r} in {within_s:g} s\n{self.said_all}") from None
        return found

    def _has_ended(self) -> bool:
        streams = self.process.stdout, self.process.stderr
        return all(stream is not None and stream.at_eof() for stream in streams)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def ended(self, within_s: float = END_S) -> int:
        """Wait for its end; answers its exit status (negative: the signal that ended it)."""
        try:
            async with asyncio.timeout(within_s):
                await self.process.wait()
        except TimeoutError:
            raise AssertionError(f"it did not end in {within_s:g} s\n{self.said_all}") from None
        # What a child that outlives it (its PostgreSQL) inherited is not waited for.
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._readers), 5)
        assert self.process.returncode is not None
        return self.process.returncode

    async def _read(self, stream: asyncio.StreamReader, name: str) -> None:
        while line := await stream.readline():
            async with self._stirred:
                setattr(self, name, getattr(self, name) + line.decode(errors="replace"))
                self._stirred.notify_all()
        async with self._stirred:
            self._stirred.notify_all()


async def until(happened: Callable[[], Awaitable[object]], within_s: float = END_S) -> None:
    """Ask the real thing again and again: processes and tables tell nobody. TimeoutError."""
    async with asyncio.timeout(within_s):
        while not await happened():
            pass


class Hookd:
    """`hookd up` on one home, as often as a test likes. Its environment is what is given here."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.home = home
        usual = {"PORT": "0", "WORKERS": "1", "LOG_LEVEL": "warning", "LOG_FORMAT": "json"}
        self.environ = {"HOOKD_HOME": str(home)} | usual | environ
        self.command: Command | None = None
        self.url = ""
        self.is_up = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        try:
            await self.up()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    # --- the process

    async def up(self) -> None:
        """Start it and wait until it serves."""
        self.home.parent.mkdir(parents=True, exist_ok=True)
        self.command = await Command.start("up", cwd=self.home.parent, environ=self.environ)
        found = await self.command.said(r"API\s+(http://\S+)/api\b")
        self.url = found[1]
        self.is_up.set()

    async def down(self, number: signal.Signals = signal.SIGTERM, within_s: float = END_S) -> int:
        """End it by this signal; answers its exit status."""
        assert self.command is not None
        self.is_up.clear()
        if self.command.process.returncode is None:
            self.command.send(number)
        return await self.command.ended(within_s)

    @property
    def pid(self) -> int:
        """Of the daemon."""
        assert self.command is not None
        return self.command.process.pid

    @property
    def workers(self) -> list[int]:
        """The pids of its workers, where it has several."""
        children = psutil.Process(self.pid).children()
        return [each.pid for each in children if "worker" in each.cmdline()]

    @property
    def postmaster(self) -> int | None:
        """The pid of its PostgreSQL, while there is one."""
        found = leaders(servers_of(Home(self.home).data))
        return found[0].pid if found else None

    @property
    def dsn(self) -> str:
        """The address of its PostgreSQL."""
        dsn = running_dsn(self.home)
        assert dsn is not None, "its PostgreSQL does not run"
        return dsn

    @property
    def said_all(self) -> str:
        """Everything its last run has printed."""
        assert self.command is not None
        return self.command.said_all

    async def ask(self, question: str, *about: object) -> Any:
        """What its database answers."""
        connection = await asyncpg.connect(self.dsn, timeout=30)
        try:
            return await connection.fetchval(question, *about)
        finally:
            await connection.close()

    async def _end(self) -> None:
        if self._session is not None:
            await self._session.close()
        try:
            if self.command is not None:
                if self.command.process.returncode is None:
                    self.command.send(signal.SIGTERM)
                try:
                    await self.command.ended()
                except AssertionError:
                    await self.command.kill()
                    raise
        finally:
            await asyncio.to_thread(end_servers_of, Home(self.home).data)

    # --- talking to it

    @property
    def secrets(self) -> dict[str, str]:
        """What it made up on its first start."""
        kept = dotenv_values(self.home / SECRETS_FILE)
        return {name: value for name, value in kept.items() if value}

    @property
    def admin_id(self) -> str:
        """A good value of the admin-id header."""
        return self.secrets["ADMIN_IDS"]

    def token(self, org: str = DEFAULT_ORG) -> str:
        """A bearer token for /api/v1."""
        return Tokens(self.secrets["SECRET_KEY"], lambda: datetime.now(UTC)).mint_org(org)

    @property
    def session(self) -> aiohttp.ClientSession:
        """Connections to it."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=20)
            self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        return self._session

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """One request; answers status and decoded body."""
        bearer = {} if token is None else {"authorization": f"Bearer {token}"}
        async with self.session.request(
            method, self.url + path, json=body, headers=bearer | dict(headers or {})
        ) as reply:
            is_json = reply.content_type.endswith("json")
            return reply.status, await (reply.json(content_type=None) if is_json else reply.text())

    async def create_endpoint(self, url: str, name: str = "system") -> tuple[str, str]:
        """An application with one endpoint; answers their ids."""
        token = self.token()
        status, application = await self.call("POST", "/api/v1/app", {"name": name}, token=token)
        assert status in {200, 201}, application
        path = f"/api/v1/app/{application['id']}/endpoint"
        status, endpoint = await self.call("POST", path, {"url": url}, token=token)
        assert status in {200, 201}, endpoint
        return application["id"], endpoint["id"]
