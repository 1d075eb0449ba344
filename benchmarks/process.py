"""The processes of a benchmark: what they use, and how to talk to them."""

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from daemon.postgres.home import Home
from daemon.postgres.processes import servers_of

REPOSITORY = Path(__file__).parents[1]
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
LINE_BYTES_MAX = 1 << 23
SERVING = re.compile(r"postgres: (?:\S+: )?(\S+) \S+ (?:\[local\]|\S+\(\d+\)) ")  # role, database, whence


class Failed(Exception):
    """A process of the benchmark, or a request that it cannot do without, did not do its part."""


@dataclass(frozen=True)
class Usage:
    """CPU seconds spent so far, user and system."""

    daemon_s: float
    postgres_s: float
    background_s: float  # of PostgreSQL's: checkpointer, writers, autovacuum; and all that have ended, clients or not

    def __sub__(self, before: "Usage") -> "Usage":
        return Usage(
            self.daemon_s - before.daemon_s,
            self.postgres_s - before.postgres_s,
            self.background_s - before.background_s,
        )


def usage(daemon: int, home: Path) -> Usage:
    """Of the daemon and all it started, and of the PostgreSQL in `home`, apart; those that have ended included."""
    servers = servers_of(Home(home).data)
    pids = {server.pid for server in servers}
    serving = background = 0.0
    for server in servers:
        own, ended = _cpu_s(server.pid)
        if serves_client(_title(server.pid)):
            serving += own
        else:
            background += own + (0 if server.parent in pids else ended)
    daemon_s = sum(sum(_cpu_s(pid)) for pid in family(daemon, apart=pids))
    return Usage(daemon_s, serving + background, background)


def serves_client(title: str) -> bool:
    """Whether a process of PostgreSQL that is titled so works for a client."""
    found = SERVING.match(title)
    return found is not None and found[1] not in {"autovacuum", "walsender"}


def family_of(daemon: int, home: Path) -> list[int]:
    """The daemon's processes without its PostgreSQL, itself first."""
    return family(daemon, apart={server.pid for server in servers_of(Home(home).data)})


def family(pid: int, apart: Collection[int] = ()) -> list[int]:
    """A process and its descendants, itself first; those `apart` are left out with theirs."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended since
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found = [pid]
    for each in found:  # which grows as we go
        found += [child for child in sorted(children.get(each, ())) if child not in apart]
    return found


def share_cores() -> None:
    """Leave the first core to what is measured: this process, and those it starts from now on, take the others.

    Else the kernel moves all of them about, and every write wakes a reader on a core that had gone to sleep.
    """
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        os.sched_setaffinity(0, cores - {min(cores)})


def take_first_core(pid: int = 0, cores: int = 1) -> None:
    """Move a process, all its threads, to the first core or so many: what it started stays where it is."""
    first = set(range(max(1, min(cores, os.cpu_count() or 1))))
    for thread in Path(f"/proc/{pid or os.getpid()}/task").iterdir():
        os.sched_setaffinity(int(thread.name), first)


def rss_bytes(pid: int) -> int:
    """Memory in use."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _cpu_s(pid: int) -> tuple[float, float]:
    """Of the process itself, and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0, 0.0
    user, system, children_user, children_system = map(int, fields[11:15])
    return (user + system) / TICKS, (children_user + children_system) / TICKS


class Helper:
    """A helper process that obeys lines and answers each with a line of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, module: str) -> tuple[Self, dict[str, Any]]:
        """Start it; answers its greeting too."""
        process = await _spawn(module)
        helper = cls(process)
        return helper, await helper._line()

    async def ask(self, order: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(order.encode() + b"\n")
        await self._process.stdin.drain()
        return await self._line()

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise Failed(f"a helper process ended with status {await self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


async def run_helper(module: str, orders: Any) -> dict[str, Any]:
    """Run a helper process that takes its orders at once; answers its summary."""
    process = await _spawn(module)
    try:
        output, _ = await process.communicate(json.dumps(asdict(orders)).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise Failed(f"{module} ended with status {process.returncode}")
    answer: dict[str, Any] = json.loads(output)
    return answer


async def _spawn(module: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
        process_group=0,  # Ctrl-C is for this process alone, which ends the others
        limit=LINE_BYTES_MAX,
    )
