"""Where the embedded server lives, and the proof that only one hookd lives there.

    <home>/hookd.lock          held for as long as hookd runs; holds its pid
    <home>/postgres.log        what the server says (and postgres.log.1, the one before)
    <home>/postgresql-.../     a copy of the programs, only where the account cannot reach the originals
    <home>/postgres/           the account's own, closed to all others: socket and data
    <home>/postgres/data/      the data folder

Whoever reaches the socket is let in without a password, so its folder must be closed: that is all of the
access control there is.
"""

import fcntl
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from daemon.postgres.account import ROOT, Account
from daemon.postgres.errors import EmbeddedPostgresError, HomeInUseError

PRIVATE = 0o700
PASSABLE = 0o711
SOCKET_NAME_BYTES = len("/.s.PGSQL.5432.lock")
SOCKET_PATH_BYTES_MAX = 103  # macOS allows one byte more with its end mark, Linux five
LOG_BYTES_MAX = 1_000_000
# Fixed on purpose: TMPDIR may differ between two starts, and then nobody finds the socket.
SHORT_FOLDERS = Path("/tmp")  # noqa: S108


@dataclass(frozen=True)
class Home:
    """The folders and files below one home."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held while a hookd runs here."""
        return self.root / "hookd.lock"

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.root / "postgres.log"

    @property
    def server(self) -> Path:
        """The account's own folder."""
        return self.root / "postgres"

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.server / "data"

    def create(self) -> None:
        """Make the home if it is missing. One that exists is left as it is, whatever its mode.

        As root it stays root's, and others may only pass through: what hookd itself keeps there is not the
        server's business.
        """
        try:
            _make(self.root, PASSABLE if os.geteuid() == ROOT else PRIVATE)
        except OSError as error:
            raise EmbeddedPostgresError(f"cannot create hookd's home {self.root}: {error}") from error

    def give_server_folder(self, account: Account) -> None:
        """Make the account's folder, private to it.

        Raises `EmbeddedPostgresError` if it is another's, or lies where the account cannot go.
        """
        _make(self.server, PRIVATE)
        _make_private(self.server, account)
        if barrier := account.stopped_at(self.server):
            raise EmbeddedPostgresError(
                f"PostgreSQL must run as {account.name!r} since hookd runs as root, and that account may not "
                f"enter {barrier}: set HOOKD_HOME to a folder it can reach (such as /var/lib/hookd), let it "
                f"pass (`chmod a+x {barrier}`), or start hookd as a normal user"
            )

    def open_log(self) -> int:
        """A descriptor to append to the log; a long log becomes the old log first."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.1"))
        return os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)

    def last_words(self, lines: int) -> list[str]:
        """The last `lines` of the log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 4096))
                return file.read().decode(errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            return []


class HomeLock:
    """The hold of one hookd on a home; the kernel lets go of it when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def take(self) -> None:
        """Take the lock, or keep it if it is held already. Raises `HomeInUseError`."""
        if self._file is not None:
            return
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 32).decode(errors="replace").strip() or "not yet known"
            os.close(file)
            raise HomeInUseError(
                f"another hookd (pid {holder}) runs on {self._path.parent}: stop it, "
                "or give this one another home with HOOKD_HOME"
            ) from None
        os.truncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        self._file = file

    def release(self) -> None:
        """Let go; without effect if it is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def socket_folder(server: Path, account: Account) -> Path:
    """The private folder for the server's socket: its own, or a short one where that path is too long.

    Raises `EmbeddedPostgresError` if someone else made the short folder first.
    """
    if _fits_a_socket(server):
        return server
    mark = hashlib.sha256(os.fsencode(server.resolve())).hexdigest()[:12]
    folder = SHORT_FOLDERS / f"hookd-{account.uid}-{mark}"
    _make(folder, PRIVATE)
    _make_private(folder, account)
    return folder


def clear_sockets(folder: Path) -> None:
    """Remove sockets and their lock files. Only right while the lock is held and no server lives."""
    for path in folder.glob(".s.PGSQL.*"):
        path.unlink(missing_ok=True)


def _fits_a_socket(folder: Path) -> bool:
    """A comma counts as unfit too: clients take it for the start of a second host."""
    path = os.fsencode(folder)
    return len(path) + SOCKET_NAME_BYTES <= SOCKET_PATH_BYTES_MAX and b"," not in path


def _make(folder: Path, mode: int) -> None:
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        _make(folder.parent, mode)
    folder.mkdir(mode=PRIVATE)
    folder.chmod(mode)  # mkdir's mode is cut by the umask


def _make_private(folder: Path, account: Account) -> None:
    """Hand a folder of ours to the account and close it to others; refuse a folder that is not ours."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {account.uid, os.geteuid()}:
        raise EmbeddedPostgresError(
            f"{folder} should be a folder of {account.name!r} but belongs to uid {found.st_uid}: remove it, "
            "give it to that account (`chown -R`), or start hookd as its owner"
        )
    if found.st_uid != account.uid:
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    if stat.S_IMODE(found.st_mode) != PRIVATE:
        folder.chmod(PRIVATE)
