"""Databases for tests: one server per worker, one template with the schema, a fresh copy for each test.

Set TEST_DATABASE_URL to a role that may create databases to use a server of your own instead of the embedded
one. Each worker process has its own embedded server: it starts in half a second beside the others, and no
worker has to outlive another.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from daemon.postgres.embedded import EmbeddedPostgres
from daemon.postgres.migrate import fix_partitions, migrate
from daemon.postgres.scripts import load_migrations, load_schema

T = TypeVar("T")

# A test's data need not survive a power cut, and many servers may run at once.
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "32MB"}


# Tests of crashes kill processes, not machines: what was committed must be there, without waiting for disks.
CRASH_SAFE = {"fsync": "off", "shared_buffers": "32MB"}


@dataclass(frozen=True)
class Server:
    """A PostgreSQL on which tests may make databases."""

    admin_dsn: str
    user_dsn: str
    owner: str

    def dsn(self, name: str) -> str:
        """The address of database `name` for its owner."""
        return urlunsplit(urlsplit(self.user_dsn)._replace(path=f"/{name}"))

    async def create(self, name: str, template: str = "template0") -> str:
        """Make a database and return its address."""
        # With hookd's schema 25 ms, where copying through the WAL takes 120.
        await self._command(f'create database "{name}" owner "{self.owner}" template "{template}" strategy file_copy')
        return self.dsn(name)

    async def drop(self, name: str) -> None:
        """Drop a database, whoever is still connected."""
        await self._command(f'drop database if exists "{name}" with (force)')

    @asynccontextmanager
    async def fresh(self, template: str = "template0") -> AsyncIterator[str]:
        """A database for the length of the block."""
        name = f"test_{uuid4().hex}"
        try:
            yield await self.create(name, template)
        finally:
            await self.drop(name)

    async def _command(self, sql: str) -> None:
        connection = await asyncpg.connect(self.admin_dsn, timeout=30)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()


def run_apart(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a thread and loop of its own, whatever loop this thread has."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()


@pytest.fixture(scope="session")
def reachable_tmp() -> Iterator[Path]:
    """A folder other accounts may pass through: pytest's own are closed, and root's server is not root."""
    folder = Path(tempfile.mkdtemp(prefix="hookd-test-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home(reachable_tmp: Path) -> Path:
    """A path for an embedded server's home; nothing is there yet."""
    return reachable_tmp / uuid4().hex[:8]


@pytest.fixture(scope="session")
def database_server(reachable_tmp: Path) -> Iterator[Server]:
    """The server of this worker."""
    if external := os.environ.get("TEST_DATABASE_URL"):
        yield run_apart(lambda: _external(external))
        return
    postgres = EmbeddedPostgres(reachable_tmp / "server", settings=QUICK)
    run_apart(postgres.start)
    try:
        yield Server(postgres.superuser_dsn, postgres.dsn, "hookd")
    finally:
        run_apart(postgres.stop)


@pytest.fixture(scope="session")
def database_template(database_server: Server) -> Iterator[str]:
    """The name of a database that holds the schema and nothing else; copied, never used."""
    name = f"template_{uuid4().hex}"
    run_apart(lambda: _fill(database_server, name))
    yield name
    run_apart(lambda: database_server.drop(name))


@pytest.fixture
async def database(database_server: Server, database_template: str) -> AsyncIterator[str]:
    """The address of a database with hookd's schema, for this test alone."""
    async with database_server.fresh(database_template) as dsn:
        yield dsn


@pytest.fixture
async def empty_database(database_server: Server) -> AsyncIterator[str]:
    """The address of a database without anything in it, for this test alone."""
    async with database_server.fresh() as dsn:
        yield dsn


async def _external(dsn: str) -> Server:
    connection = await asyncpg.connect(dsn, timeout=30)
    try:
        return Server(dsn, dsn, await connection.fetchval("select current_user"))
    finally:
        await connection.close()


async def _fill(server: Server, name: str) -> None:
    connection = await asyncpg.connect(await server.create(name), timeout=30)
    try:
        schema = load_schema()
        await migrate(connection, schema=schema, migrations=load_migrations())
        if "log.head" in schema:
            await fix_partitions(connection)
    finally:
        await connection.close()
