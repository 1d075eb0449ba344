"""The parts of the embedded server that need no server."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from daemon.postgres import binaries, home, processes
from daemon.postgres.account import server_account
from daemon.postgres.binaries import Install, install_for, installs
from daemon.postgres.cluster import server_arguments
from daemon.postgres.errors import EmbeddedPostgresError, HomeInUseError
from daemon.postgres.home import Home, HomeLock, socket_folder
from daemon.postgres.processes import Process, end_servers_of, leaders, servers_of
from daemon.postgres.waiting import NotReadyError, until_ready

# --- waiting ---


class Clock:
    """Time that passes only by being slept away."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def test_a_recovery_of_four_minutes_is_waited_for_and_reported() -> None:
    clock, reports = Clock(), []

    async def attempt() -> str:
        if clock.now < 1240:
            raise asyncpg.CannotConnectNowError("the database system is starting up")
        return "ready"

    ready = await until_ready(
        attempt,
        ready_s=300,
        report=lambda waited_s, answer: reports.append((round(waited_s), str(answer))),
        clock=clock,
        sleep=clock.sleep,
    )
    assert ready == "ready"
    assert [waited_s for waited_s, _ in reports[:3]] == [2, 12, 22]
    assert {answer for _, answer in reports} == {"the database system is starting up"}


@pytest.mark.parametrize("answer", [FileNotFoundError("no socket"), TimeoutError(), ConnectionRefusedError()])
async def test_the_wait_has_an_end(answer: Exception) -> None:
    clock = Clock()

    async def attempt() -> None:
        raise answer

    with pytest.raises(NotReadyError, match=str(answer) or type(answer).__name__):
        await until_ready(attempt, ready_s=30, report=lambda *_: None, clock=clock, sleep=clock.sleep)
    assert 1030 < clock.now < 1031


async def test_an_answer_that_time_does_not_mend_ends_the_wait() -> None:
    async def attempt() -> None:
        raise asyncpg.InvalidPasswordError("no")

    with pytest.raises(asyncpg.InvalidPasswordError):
        await until_ready(attempt, ready_s=30, report=lambda *_: None)


# --- processes ---


def test_a_stranger_standing_in_the_data_folder_is_no_server(tmp_path: Path) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, cwd=tmp_path) as stranger:
        assert servers_of(tmp_path) == []
        assert end_servers_of(tmp_path)
        assert stranger.poll() is None


def test_a_server_by_name_counts_only_in_its_own_folder(tmp_path: Path) -> None:
    (fake := tmp_path / "postgres").symlink_to("/bin/cat")
    (elsewhere := tmp_path / "elsewhere").mkdir()
    with subprocess.Popen([fake], stdin=subprocess.PIPE, cwd=tmp_path) as process:
        assert [each.pid for each in servers_of(tmp_path)] == [process.pid]
        assert servers_of(elsewhere) == []
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert servers_of(tmp_path) == [], "a zombie is not alive"


def test_a_server_that_resists_is_ended_in_the_end(tmp_path: Path) -> None:
    (fake := tmp_path / "postgres").symlink_to(Path(sys.executable).resolve())
    deaf = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); print(flush=True); signal.pause()"
    with subprocess.Popen([fake, "-c", deaf], stdout=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert not end_servers_of(tmp_path, ((signal.SIGINT, 0.05),))
        assert end_servers_of(tmp_path, ((signal.SIGINT, 0.05), (signal.SIGKILL, 10)))
        assert process.wait() == -signal.SIGKILL


def test_only_those_are_signalled_whose_parent_is_not_one_of_them() -> None:
    postmaster, backend, lonely = Process(10, 1), Process(11, 10), Process(30, 1)
    assert leaders([backend, postmaster, lonely]) == [postmaster, lonely]


def test_without_proc_nothing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PROC", tmp_path / "none")
    assert servers_of(tmp_path) == []


# --- home ---


def test_the_lock_is_of_one_at_a_time(tmp_path: Path) -> None:
    first, second = HomeLock(tmp_path / "lock"), HomeLock(tmp_path / "lock")
    first.take()
    first.take()
    with pytest.raises(HomeInUseError, match=f"pid {os.getpid()}"):
        second.take()
    first.release()
    first.release()
    second.take()
    second.release()


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedPostgresError, match=r"cannot create hookd's home .*file/home"):
        Home(tmp_path / "file" / "home").create()


def test_a_short_folder_someone_else_made_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long, account = tmp_path / ("x" * 100), server_account(Path("/nonexistent"))
    monkeypatch.setattr(home, "SHORT_FOLDERS", tmp_path)
    folder = socket_folder(long, account)
    assert (folder.parent, folder.stat().st_uid) == (tmp_path, account.uid)
    assert socket_folder(long, account) == folder
    folder.rmdir()
    folder.symlink_to("/tmp")
    with pytest.raises(EmbeddedPostgresError, match="remove it"):
        socket_folder(long, account)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_a_short_folder_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long, account = tmp_path / ("x" * 100), server_account(Path("/nonexistent"))
    monkeypatch.setattr(home, "SHORT_FOLDERS", tmp_path)
    os.chown(socket_folder(long, account), 1, 1)
    with pytest.raises(EmbeddedPostgresError, match="belongs to uid 1"):
        socket_folder(long, account)


def test_a_long_log_makes_room_at_the_start(tmp_path: Path) -> None:
    place = Home(tmp_path)
    assert place.last_words(3) == []
    place.log.write_text("old\n" * 300_000)
    os.close(place.open_log())
    assert place.log.stat().st_size == 0
    assert (tmp_path / "postgres.log.1").stat().st_size == 1_200_000
    place.log.write_text("one\ntwo\nthree\n")
    assert place.last_words(2) == ["two", "three"]


# --- cluster and programs ---


def test_the_callers_settings_win_and_a_path_is_quoted() -> None:
    arguments = list(server_arguments(Path("/data"), Path('/so "ck'), {"fsync": "off"}))
    assert arguments[:2] == ["-D", "/data"]
    assert "fsync=off" in arguments
    assert "fsync=on" not in arguments
    assert 'unix_socket_directories="/so ""ck"' in arguments


def test_the_newest_postgres_is_taken_and_old_data_gets_its_own(tmp_path: Path) -> None:
    available = installs(binaries.package_folder())
    assert [install.major for install in available] == [18, 16]
    assert install_for(tmp_path, available).major == 18
    (tmp_path / "PG_VERSION").write_text("16\n")
    assert install_for(tmp_path, available).major == 16
    (tmp_path / "PG_VERSION").write_text("19\n")
    with pytest.raises(EmbeddedPostgresError, match=r"written by PostgreSQL 19.* only 18, 16: dump it"):
        install_for(tmp_path, available)
    with pytest.raises(EmbeddedPostgresError, match="install hookd again"):
        install_for(tmp_path, [])


def test_the_package_is_never_imported() -> None:
    probe = "import sys, daemon.postgres.embedded as e; e.binaries.package_folder(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert "daemon.postgres.home" in done.stdout
    assert binaries.PACKAGE not in done.stdout


def test_a_missing_package_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "PACKAGE", "no_such_package")
    with pytest.raises(EmbeddedPostgresError, match="use a PostgreSQL of your own"):
        binaries.package_folder()


def test_the_complaint_of_a_program_is_passed_on(tmp_path: Path) -> None:
    install: Install = installs(binaries.package_folder())[0]
    with pytest.raises(EmbeddedPostgresError, match=r"initdb failed: .*no-such-option"):
        install.run("initdb", "--no-such-option", account=server_account(tmp_path / "none"))
