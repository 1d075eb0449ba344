"""The embedded server through what happens to daemons."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import asyncpg
import pytest

from daemon.postgres import embedded
from daemon.postgres.embedded import EmbeddedPostgres
from daemon.postgres.errors import EmbeddedPostgresError, HomeInUseError
from daemon.postgres.home import Home
from tests.support.databases import CRASH_SAFE
from tests.support.owner import owner

from .conftest import (
    copy_home,
    execute,
    is_alive,
    kept,
    make_folder,
    pid_file_naming,
    running,
    soon,
    told_by_proc,
    write_pid_file,
)

WANTED = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "data_checksums": "on",
    "server_encoding": "UTF8",
    "wal_compression": "pglz",
    "max_connections": "100",
    "log_error_verbosity": "terse",
}


async def test_a_first_start_makes_a_durable_database_that_hookd_owns(home: Path) -> None:
    postgres = EmbeddedPostgres(home)
    connection = await asyncpg.connect(await postgres.start())
    try:
        settings = {name: await connection.fetchval("select current_setting($1)", name) for name in WANTED}
        assert settings == WANTED
        row = await connection.fetchrow(
            "select current_user, current_database(), rolsuper, pg_get_userbyid(datdba) as owner, datlocale "
            "from pg_roles, pg_database where rolname = current_user and datname = current_database()"
        )
        assert tuple(row) == ("hookd", "hookd", False, "hookd", "C.UTF-8")
    finally:
        await connection.close()
        await postgres.stop()
    assert postgres.pid is None


async def test_data_survives_a_stop_and_a_start(old_home: Path) -> None:
    async with running(old_home) as postgres:
        assert await kept(postgres) == 1
        first = postgres.pid
        await postgres.restart()
        assert postgres.pid != first
        assert await kept(postgres) == 1


async def test_start_and_stop_may_be_repeated(old_home: Path) -> None:
    postgres = EmbeddedPostgres(old_home, settings=CRASH_SAFE)
    await postgres.stop()
    await postgres.wait_closed()
    first, pid = await postgres.start(), postgres.pid
    assert (await postgres.start(), postgres.pid) == (first, pid)
    await postgres.stop()
    await postgres.stop()
    await postgres.wait_closed()
    assert not postgres.died


def test_there_is_no_address_before_the_start(home: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="has not been started"):
        _ = EmbeddedPostgres(home).dsn


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_the_next_start_takes_over_from_an_owner_that_was_killed(old_home: Path, end: signal.Signals) -> None:
    with owner(old_home) as killed:
        await execute(killed.dsn, "insert into kept values (2)")
        killed.end(end)
        assert is_alive(killed.server_pid)
        said: list[str] = []
        async with running(old_home, progress=said.append) as postgres:
            assert not is_alive(killed.server_pid)
            assert await kept(postgres) == 2
            await soon(lambda: bool(said))
        assert f"(pid {killed.server_pid})" in said[0]


async def test_an_owner_that_handles_sigterm_leaves_no_server(old_home: Path) -> None:
    with owner(old_home, "polite") as polite:
        polite.end(signal.SIGTERM)
        assert polite.process.returncode == 0
        assert not is_alive(polite.server_pid)


async def test_a_killed_server_is_noticed_and_started_again(old_home: Path) -> None:
    async with running(old_home) as postgres:
        await execute(postgres.dsn, "insert into kept values (2)")
        assert postgres.pid is not None
        os.kill(postgres.pid, signal.SIGKILL)
        await postgres.wait_closed()
        assert postgres.died
        await postgres.start()
        assert not postgres.died
        assert await kept(postgres) == 2


async def test_a_busy_backend_that_outlives_its_server_is_ended_before_the_next(old_home: Path) -> None:
    async with running(old_home) as postgres:
        busy = await asyncpg.connect(postgres.dsn)
        backend = busy.get_server_pid()
        endless = asyncio.ensure_future(busy.execute("do $$ begin loop null; end loop; end $$"))
        await soon(lambda: "DO" in told_by_proc(backend, "cmdline"))
        assert postgres.pid is not None
        os.kill(postgres.pid, signal.SIGKILL)
        await postgres.wait_closed()
        assert is_alive(backend)
        await postgres.start()
        assert not is_alive(backend)
        assert await kept(postgres) == 1
        with pytest.raises((asyncpg.PostgresError, OSError, asyncpg.InterfaceError)):
            await endless
        busy.terminate()


async def test_a_stale_pid_that_is_a_strangers_now_is_left_alone(
    old_home: Path, stranger: subprocess.Popen[bytes]
) -> None:
    write_pid_file(old_home, pid_file_naming(stranger.pid, old_home))
    async with running(old_home) as postgres:
        assert await kept(postgres) == 1
    assert stranger.poll() is None


async def test_a_stale_pid_that_is_another_homes_server_now_is_left_alone(old_home: Path, used_home: Path) -> None:
    async with running(used_home) as other:
        assert other.pid is not None
        write_pid_file(old_home, pid_file_naming(other.pid, old_home))
        async with running(old_home) as postgres:
            assert (await kept(postgres), await kept(other)) == (1, 1)
            assert postgres.pid != other.pid
        assert await kept(other) == 1


async def test_a_stale_pid_that_is_a_zombie_is_not_taken_for_a_server(old_home: Path, zombie: int) -> None:
    write_pid_file(old_home, pid_file_naming(zombie, old_home))
    async with running(old_home) as postgres:
        assert await kept(postgres) == 1


async def test_a_damaged_pid_file_does_not_stop_the_start(old_home: Path) -> None:
    for text in ("", "12", "nonsense\n", "1\n/somewhere\n17000", "\0" * 64):
        write_pid_file(old_home, text)
        async with running(old_home) as postgres:
            assert await kept(postgres) == 1, text


async def test_a_truncated_pid_file_does_not_hide_a_server_left_behind(old_home: Path) -> None:
    with owner(old_home) as killed:
        await execute(killed.dsn, "insert into kept values (2)")
        killed.end(signal.SIGKILL)
        write_pid_file(old_home, "")
        async with running(old_home) as postgres:
            assert not is_alive(killed.server_pid)
            assert await kept(postgres) == 2


async def test_a_second_hookd_on_the_same_home_is_refused(old_home: Path) -> None:
    with owner(old_home) as first:
        with pytest.raises(HomeInUseError, match=rf"pid {first.process.pid}\) runs on .*HOOKD_HOME"):
            await EmbeddedPostgres(old_home).start()
        assert is_alive(first.server_pid)
        assert await execute(first.dsn, "select count(*) from kept") == 1
        first.end(signal.SIGKILL)
        async with running(old_home):
            pass


async def test_a_home_with_a_long_path_gets_a_short_private_socket_folder(used_home: Path, home: Path) -> None:
    deep = home / ("long" * 20) / "and, with a comma"
    for folder in (home, deep.parent):
        make_folder(folder, 0o711)
    copy_home(used_home, deep)
    postgres = EmbeddedPostgres(deep, settings=CRASH_SAFE)
    with owner(deep, env={**os.environ, "TMPDIR": str(home)}) as killed:
        killed.end(signal.SIGKILL)
        assert await postgres.start() == killed.dsn, "the folder must not depend on TMPDIR"
    assert postgres._sockets is not None
    found = postgres._sockets.stat()
    assert (found.st_mode & 0o777, found.st_uid) == (0o700, Home(deep).data.stat().st_uid)
    assert await kept(postgres) == 1
    sockets = postgres._sockets
    await postgres.stop()
    assert not sockets.exists()


async def test_a_half_made_data_folder_is_not_taken_for_data(home: Path) -> None:
    async with running(home):
        pass
    data = Home(home).data
    data.rename(data.with_name("data.new.1234"))
    async with running(home) as postgres:
        assert postgres.pid
    assert [path.name for path in Home(home).server.iterdir()] == ["data"]


async def test_a_start_that_fails_says_why_and_holds_nothing(old_home: Path) -> None:
    broken = EmbeddedPostgres(old_home, settings={"shared_buffers": "nonsense"})
    with pytest.raises(EmbeddedPostgresError, match="invalid value for parameter"):
        await broken.start()
    assert broken.pid is None
    async with running(old_home) as postgres:
        assert await kept(postgres) == 1


async def test_a_home_that_cannot_be_used_is_named(home: Path) -> None:
    make_folder(Home(home).lock, 0o700)
    with pytest.raises(EmbeddedPostgresError, match=rf"cannot run in {home}: .*Is a directory"):
        await EmbeddedPostgres(home).start()


async def test_a_start_that_is_cancelled_leaves_no_server(old_home: Path) -> None:
    postgres = EmbeddedPostgres(old_home, settings=CRASH_SAFE)
    start = asyncio.ensure_future(postgres.start())
    await soon(lambda: postgres.pid is not None)
    pid = postgres.pid
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert pid is not None
    assert not is_alive(pid)
    async with running(old_home) as next_one:
        assert await kept(next_one) == 1


async def test_a_server_that_does_not_become_ready_in_time_is_stopped(
    old_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object, **__: object) -> None:
        raise asyncpg.CannotConnectNowError("the database system is starting up")

    monkeypatch.setattr(asyncpg, "connect", never)
    postgres = EmbeddedPostgres(old_home, ready_s=0.1, settings=CRASH_SAFE)
    with pytest.raises(EmbeddedPostgresError, match=r"not ready after 0 s .the database system is starting up"):
        await postgres.start()
    assert postgres.pid is None


async def test_a_server_that_ignores_all_is_killed_and_recovers(
    old_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(old_home) as postgres:
        await execute(postgres.dsn, "insert into kept values (2)")
        assert postgres.pid is not None
        os.kill(postgres.pid, signal.SIGSTOP)
        monkeypatch.setattr(embedded, "STOP_STEPS", [(number, 0.05) for number, _ in embedded.STOP_STEPS])
        await postgres.stop()
        monkeypatch.undo()
        await postgres.start()
        assert await kept(postgres) == 2


async def test_the_server_knows_nothing_of_hookds_environment(
    old_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOKD_SECRET", "hush")
    monkeypatch.setenv("PGPORT", "1")
    async with running(old_home) as postgres:
        assert "hush" not in told_by_proc(postgres.pid, "environ")
        assert await kept(postgres) == 1
