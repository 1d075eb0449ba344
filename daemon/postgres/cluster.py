"""The data folder: made whole or not at all, and freed of what a crash left in it."""

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from daemon.postgres.account import Account
from daemon.postgres.binaries import Install

UNFINISHED = "data.new."
PID_FILE_LINES = 7  # with fewer, the line that names the shared memory is missing

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "cluster_name": "hookd",
    "max_connections": "100",
    "shared_buffers": "128MB",
    # An answered request must survive a power cut; these three are why it does.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "wal_compression": "pglz",  # neither lz4 nor zstd is built in
    "max_wal_size": "1GB",
    "checkpoint_completion_target": "0.9",
    # Small hot tables, vacuumed often and without long pauses.
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
    "autovacuum_vacuum_cost_delay": "1ms",
    # Many short queries: no gain from workers, and containers give them little shared memory.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Statements and failing rows hold customers' data, which has no place in a log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
}


def is_made(data: Path) -> bool:
    """Whether the data folder has been made."""
    return (data / "PG_VERSION").exists()


def make(data: Path, install: Install, account: Account, *, durable: bool) -> None:
    """Make the data folder aside and move it into place, so that a half-made one is never taken for data.

    Each try has a folder of its own: an initdb whose hookd was killed may still be writing to the last one.
    """
    for leftover in data.parent.glob(f"{UNFINISHED}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    unfinished = data.parent / f"{UNFINISHED}{secrets.token_hex(4)}"
    install.run("initdb", "-D", unfinished, *_initdb_options(durable=durable), account=account)
    unfinished.rename(data)
    _sync_folder(data.parent)


def forget_dead_server(data: Path) -> None:
    """Make a stale postmaster.pid harmless. Only right while the lock is held and no server lives.

    The pid in it may be a stranger's by now, and PostgreSQL would then refuse to start. Put our own there: it
    overlooks its parent's pid, and still checks that nobody uses the shared memory the file names. A file
    too short to name any would stop PostgreSQL for ever.
    """
    path = data / "postmaster.pid"
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    with os.fdopen(file, "r+", errors="replace") as text:
        lines = text.read().split("\n")
        if len(lines) < PID_FILE_LINES or not lines[0].strip().isdigit():
            path.unlink()
            return
        text.seek(0)
        text.write("\n".join([str(os.getpid()), *lines[1:]]))
        text.truncate()


def server_arguments(data: Path, sockets: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """The arguments of the server process; `settings` win over hookd's own."""
    yield from ("-D", str(data))
    chosen = {**SETTINGS, "unix_socket_directories": _quoted(sockets), **settings}
    for name, value in chosen.items():
        yield from ("-c", f"{name}={value}")


def _initdb_options(*, durable: bool) -> list[str]:
    """The same order and letter cases everywhere, whatever the machine's locale."""
    options = ["--username=postgres", "--auth-local=trust", "--auth-host=reject", "--data-checksums"]
    options += ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return options if durable else [*options, "--no-sync"]


def _quoted(folder: Path) -> str:
    """A list of one: unquoted, a blank or a capital letter in it would be read as something else."""
    return '"' + str(folder).replace('"', '""') + '"'


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
