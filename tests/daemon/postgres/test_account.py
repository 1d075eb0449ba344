"""Who runs the server: root must not, and must not be asked to open its folders for it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.postgres import account, binaries
from daemon.postgres.account import ROOT, default_home, server_account
from daemon.postgres.embedded import EmbeddedPostgres
from daemon.postgres.errors import EmbeddedPostgresError
from daemon.postgres.home import Home
from tests.support.owner import REPOSITORY, owner

from .conftest import execute, kept, make_folder, mode, running, told_by_proc

as_root = pytest.mark.skipif(os.geteuid() != ROOT, reason="only root can become another user")


@as_root
async def test_the_server_of_root_has_none_of_roots_rights(old_home: Path) -> None:
    async with running(old_home) as postgres:
        lines = told_by_proc(postgres.pid, "status").splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    ids = {name: set(status[name].split()) for name in ("Uid", "Gid", "Groups")}
    assert all("0" not in each for each in ids.values()), ids
    assert len(ids["Uid"]) == len(ids["Gid"]) == 1


@as_root
async def test_the_home_of_root_stays_roots_and_closed(home: Path) -> None:
    before = {path: mode(path) for path in home.parents}
    async with running(home / "inner"):
        pass
    assert {path: mode(path) for path in before} == before
    modes = {path.name: mode(path) for path in (home / "inner", *(home / "inner").iterdir())}
    assert modes == {"inner": 0o711, "hookd.lock": 0o600, "postgres.log": 0o600, "postgres": 0o700}


@as_root
async def test_a_home_the_account_cannot_reach_is_refused_and_left_as_it_is(home: Path) -> None:
    make_folder(home, 0o700)
    with pytest.raises(EmbeddedPostgresError, match=rf"may not enter {home}.*HOOKD_HOME.*chmod a\+x {home}"):
        await EmbeddedPostgres(home / "hookd").start()
    assert mode(home) == 0o700


@as_root
async def test_programs_the_account_cannot_reach_are_copied_once(
    old_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folder(tmp_path, 0o700)
    real = binaries.package_folder()
    for part in (real, real.with_name(f"{real.name}.libs")):
        (tmp_path / part.name).symlink_to(part)
    monkeypatch.setattr(binaries, "package_folder", lambda: tmp_path / real.name)
    (outdated := old_home / "postgresql-17-0.1").mkdir()
    async with running(old_home) as postgres:
        assert await kept(postgres) == 1
        assert postgres.programs.is_relative_to(old_home)
        copied_at = postgres.programs.stat().st_ctime_ns
        await postgres.restart()
        assert postgres.programs.stat().st_ctime_ns == copied_at
    assert not outdated.exists()


@as_root
def test_data_made_for_one_account_stays_with_it(home: Path) -> None:
    server = Home(home).server
    make_folder(server, 0o700, uid=65534)
    assert server_account(server).uid == 65534


@as_root
def test_root_without_a_suitable_account_is_told_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "CANDIDATES", ("root", "no-such-account"))
    with pytest.raises(EmbeddedPostgresError, match="useradd --system hookd"):
        server_account(Path("/nonexistent"))


def test_a_uid_without_a_name_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4242424)
    with pytest.raises(EmbeddedPostgresError, match="4242424 has no name"):
        server_account(Path("/nonexistent"))


@as_root
async def test_it_works_for_a_normal_user(home: Path) -> None:
    python, environment = _python_for_others()
    make_folder(home, 0o700, uid=65534)
    with owner(
        home / "share" / "hookd",
        "polite",
        python=python,
        env=environment,
        user=65534,
        group=65534,
        extra_groups=(),
    ) as nobody:
        assert "Uid:\t65534" in told_by_proc(nobody.server_pid, "status")
        assert await execute(nobody.dsn, "select 1") == 1
        assert mode(home / "share" / "hookd") == 0o700
        nobody.end(signal.SIGTERM)
        assert nobody.process.returncode == 0


@as_root
def test_a_home_of_another_user_is_refused(home: Path) -> None:
    server = Home(home).server
    make_folder(server, 0o700, uid=1)
    with pytest.raises(EmbeddedPostgresError, match="belongs to uid 1"):
        Home(home).give_server_folder(server_account(Path("/nonexistent")))


def test_the_default_home_is_one_the_server_can_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: ROOT)
    assert default_home("/x") == Path("/var/lib/hookd")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/me")
    assert default_home() == default_home("") == default_home("relative") == Path("/home/me/.local/share/hookd")
    assert default_home("/data") == Path("/data/hookd")


def _python_for_others() -> tuple[str, dict[str, str]]:
    """An interpreter any account may run, with this environment's packages; root's own is often closed."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    packages = binaries.package_folder().parent
    environment = {"PYTHONPATH": f"{REPOSITORY}:{packages}", "PYTHONDONTWRITEBYTECODE": "1"}
    probe = "import asyncpg, pytest, daemon.postgres.embedded"
    for python in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        try:
            subprocess.run(
                [python, "-c", probe],
                check=True,
                capture_output=True,
                cwd="/",
                env=environment,
                user=65534,
                group=65534,
                extra_groups=(),
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return python, environment
    pytest.skip("no Python that an ordinary user may run")
