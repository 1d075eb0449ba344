"""Which running processes are PostgreSQL servers of one data folder, and signals to those alone.

A pid proves nothing: it may have been given to a stranger since it was written down. A process counts as
ours if it is called postgres and stands in our data folder (every PostgreSQL process does, and stays there).
Only systems with /proc can tell; elsewhere nothing is found, nothing is signalled, and PostgreSQL's own check
of its shared memory is what refuses a second server.
"""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
POLL_S = 0.02
# SIGINT stops a postmaster in good order, SIGQUIT at once (the next start replays its WAL).
STOP_STEPS = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))


@dataclass(frozen=True)
class Process:
    """A running process and the one that started it."""

    pid: int
    parent: int


def servers_of(data: Path) -> list[Process]:
    """Every living PostgreSQL process, postmaster or backend, that works in `data`."""
    try:
        folder = data.stat()
    except FileNotFoundError:
        return []
    return [process for process in _living("postgres") if _stands_in(process.pid, folder)]


def leaders(processes: list[Process]) -> list[Process]:
    """Those not started by another of them: a postmaster, or backends that outlived theirs."""
    pids = {process.pid for process in processes}
    return [process for process in processes if process.parent not in pids]


def end_servers_of(data: Path, steps: tuple[tuple[signal.Signals, float], ...] = STOP_STEPS) -> bool:
    """Stop whatever PostgreSQL still works in `data`, gently first. Blocks. True if nothing is left.

    `steps` are signals, each with the seconds it is given to work.
    """
    for number, patience_s in steps:
        for process in leaders(servers_of(data)):
            _send(process, number, data)
        if _all_gone(data, patience_s):
            return True
    return False


def _all_gone(data: Path, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while servers_of(data):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _send(process: Process, number: signal.Signals, data: Path) -> None:
    """Signal through a pidfd taken before the last look, so that the pid cannot change hands in between."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if process in servers_of(data):
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def _living(name: str) -> Iterator[Process]:
    if not PROC.is_dir():
        return
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (process := _read(entry, name)):
            yield process


def _read(entry: Path, name: str) -> Process | None:
    """The process of `entry` if it is called `name` and is no zombie."""
    try:
        before, _, after = (entry / "stat").read_text(errors="replace").rpartition(")")
    except OSError:
        return None  # it ended meanwhile
    state, parent = after.split()[:2]
    called = before.partition("(")[2]
    return None if called != name or state in "ZX" else Process(int(entry.name), int(parent))


def _stands_in(pid: int, folder: os.stat_result) -> bool:
    try:
        return os.path.samestat((PROC / str(pid) / "cwd").stat(), folder)
    except OSError:
        return False  # it ended, or it is another user's and therefore not ours
