"""What the tests of the embedded server share."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from daemon.postgres.account import server_account
from daemon.postgres.embedded import EmbeddedPostgres
from daemon.postgres.home import Home
from tests.support.databases import CRASH_SAFE, run_apart

Start = Callable[[Path], EmbeddedPostgres]


@pytest.fixture(scope="session")
def used_home(reachable_tmp: Path) -> Path:
    """A home whose server has run and was stopped, with one row in table `kept`."""
    path = reachable_tmp / "used"

    async def use() -> None:
        async with running(path) as postgres:
            await execute(postgres.dsn, "create table kept (n int); insert into kept values (1)")

    run_apart(use)
    return path


@pytest.fixture
def old_home(used_home: Path, home: Path) -> Iterator[Path]:
    """A copy of the used home."""
    copy_home(used_home, home)
    yield home
    shutil.rmtree(home)  # at once: forty megabytes that need not reach the disk


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A living process of the account that runs the servers, of no business of ours."""
    account = server_account(Path("/nonexistent"))
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, cwd="/", **account.popen_options) as process:
        yield process
        process.kill()


@pytest.fixture
def zombie() -> Iterator[int]:
    """The pid of a process that has ended and that nobody has asked after yet."""
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        yield process.pid


def copy_home(source: Path, target: Path) -> None:
    """Copy a home with the owners of its files."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def make_folder(path: Path, mode: int, *, uid: int | None = None) -> None:
    """A folder with this mode, and this owner if any."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    if uid is not None:
        os.chown(path, uid, uid)


def mode(path: Path) -> int:
    """The permissions of a file or folder."""
    return path.stat().st_mode & 0o777


def told_by_proc(pid: int | None, name: str) -> str:
    """A file the kernel keeps about a process."""
    return Path(f"/proc/{pid}/{name}").read_text(errors="replace")


@asynccontextmanager
async def running(home: Path, **options: object) -> AsyncIterator[EmbeddedPostgres]:
    """A started server, stopped at the end."""
    postgres = EmbeddedPostgres(home, settings=CRASH_SAFE, **options)  # type: ignore[arg-type]
    await postgres.start()
    try:
        yield postgres
    finally:
        await postgres.stop()


async def execute(dsn: str, sql: str) -> object:
    """Run some SQL; the first value of a query."""
    connection = await asyncpg.connect(dsn, timeout=30)
    try:
        if sql.startswith("select"):
            return await connection.fetchval(sql)
        return await connection.execute(sql)
    finally:
        await connection.close()


async def kept(postgres: EmbeddedPostgres) -> object:
    """How many rows `kept` has."""
    return await execute(postgres.dsn, "select count(*) from kept")


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def write_pid_file(home: Path, text: str) -> None:
    """Leave a postmaster.pid as a crash would."""
    data = Home(home).data
    path = data / "postmaster.pid"
    path.write_text(text)
    os.chown(path, data.stat().st_uid, data.stat().st_gid)
    path.chmod(0o600)


def pid_file_naming(pid: int, home: Path) -> str:
    """The content of a postmaster.pid of a server with this pid."""
    return f"{pid}\n{Home(home).data}\n1700000000\n5432\n{Home(home).server}\n\n  5432001   999999\nready   \n"


async def soon(condition: Callable[[], bool]) -> None:
    """Wait until a condition about other processes holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - other processes have no event to wait for
            await asyncio.sleep(0.01)
