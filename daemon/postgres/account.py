"""Which OS account runs the server: PostgreSQL refuses to be root, and hookd creates no accounts."""

import os
import pwd
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.postgres.errors import EmbeddedPostgresError

ROOT = 0
CANDIDATES = ("hookd", "postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """An OS account that owns the data folder and runs the server."""

    name: str
    uid: int
    gid: int

    @property
    def popen_options(self) -> dict[str, Any]:
        """What `subprocess` needs so that a child runs as this account, with none of root's groups."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": ()}

    def can_enter(self, folder: Path) -> bool:
        """Whether this account may enter `folder`; tried for real, as modes do not tell of ACLs."""
        command = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
        try:
            tried = subprocess.run(command, capture_output=True, check=False, cwd="/", **self.popen_options)  # noqa: S603
        except PermissionError as error:
            raise EmbeddedPostgresError(
                f"hookd runs as root but may not become {self.name!r} ({error}): start it as a normal user"
            ) from error
        return tried.returncode == 0

    def stopped_at(self, folder: Path) -> Path | None:
        """The outermost folder on the way to `folder` that this account may not enter, if any."""
        if self.can_enter(folder):
            return None
        return next((each for each in _from_the_top(folder) if not self.can_enter(each)), None)


def server_account(server_folder: Path) -> Account:
    """The account that shall run the server whose files are in `server_folder`.

    A normal user runs it himself. Root hands it to the account that already owns the folder, so that a
    later `useradd hookd` does not lock hookd out of its data, else to the first of `CANDIDATES` that exists.

    Raises `EmbeddedPostgresError` where there is no such account.
    """
    if os.geteuid() != ROOT:
        return _account_of(os.geteuid())
    if server_folder.is_dir() and (owner := server_folder.stat().st_uid) != ROOT:
        return _account_of(owner)
    for entry in _existing(CANDIDATES):
        if ROOT not in {entry.pw_uid, entry.pw_gid}:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedPostgresError(
        f"PostgreSQL does not run as root, and none of the accounts {', '.join(CANDIDATES)} exists: "
        "create one (`useradd --system hookd`) or start hookd as a normal user"
    )


def default_home(xdg_data_home: str | None = None) -> Path:
    """Where hookd keeps its data if nothing else is said.

    Root gets /var/lib/hookd, since no other account may enter /root. `xdg_data_home` is the variable of that
    name; a relative one is ignored, as its specification asks.
    """
    if os.geteuid() == ROOT:
        return Path("/var/lib/hookd")
    if xdg_data_home and Path(xdg_data_home).is_absolute():
        return Path(xdg_data_home) / "hookd"
    return Path.home() / ".local" / "share" / "hookd"


def _account_of(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedPostgresError(
            f"uid {uid} has no name in /etc/passwd, which PostgreSQL's initdb requires: add one, "
            "or use a PostgreSQL of your own"
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _existing(names: tuple[str, ...]) -> Iterator[pwd.struct_passwd]:
    for name in names:
        try:
            yield pwd.getpwnam(name)
        except KeyError:
            continue


def _from_the_top(folder: Path) -> Iterator[Path]:
    yield from reversed(folder.parents)
    yield folder
