"""The hookd under measurement: `hookd up` with options, its processes, and where they run."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.process import Failed, Usage, family_of, rss_bytes, take_first_core, usage
from tests.support.process import PROGRAM, Command, Hookd

MIB = 1 << 20


class Subject(Hookd):
    """One hookd on one home; `workers` None leaves the option out, `program` is the build."""

    def __init__(self, home: Path, *, workers: int | None = None, program: str = PROGRAM, **environ: str) -> None:
        super().__init__(home, **environ)
        self.worker_count = workers
        self.program = program

    async def up(self) -> None:
        """Start it and wait until it serves."""
        self.home.parent.mkdir(parents=True, exist_ok=True)
        options = () if self.worker_count is None else ("--workers", str(self.worker_count))
        bare = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            self.program,
            "up",
            *options,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.home.parent,
            env=bare | self.environ,
            process_group=0,  # Ctrl-C is for the benchmark, which ends it
        )
        self.command = Command(process)
        found = await self.command.said(r"API\s+(http://\S+)/api\b")
        self.url = found[1]
        self.is_up.set()

    async def up_s(self) -> float:
        """The same; answers how long it took, in seconds."""
        began = time.monotonic()
        await self.up()
        return time.monotonic() - began

    @property
    def family(self) -> list[int]:
        """Its processes, PostgreSQL apart."""
        return family_of(self.pid, self.home)

    @property
    def usage(self) -> Usage:
        """CPU seconds so far."""
        return usage(self.pid, self.home)

    @property
    def rss_mib(self) -> float:
        """Memory of all its processes, PostgreSQL apart; what they share counts for each."""
        return sum(rss_bytes(pid) for pid in self.family) / MIB

    def take_cores(self, cores: int | None = None) -> None:
        """Move it to the first core; with workers, to as many as it has, but one where there are more than two."""
        family = self.family
        count = os.cpu_count() or 1
        if cores is None:
            cores = 1 if len(family) == 1 else count if count == 2 else min(len(family), count - 1)
        for pid in family:
            take_first_core(pid, cores)

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST; what was created."""
        status, answer = await self.call("POST", path, body, token=self.token())
        if status not in {200, 201}:
            raise Failed(f"POST {path}: {status} {answer}")
        created: dict[str, Any] = answer
        return created

    async def create_message(self, application: str) -> None:
        """Have one message accepted."""
        path = f"/api/v1/app/{application}/msg"
        status, answer = await self.call("POST", path, {"eventType": "order.paid", "payload": {}}, token=self.token())
        if status != 202:
            raise Failed(f"POST {path}: {status} {answer}")


async def knows_workers(program: str = PROGRAM) -> bool:
    """Whether `hookd up` of this build takes `--workers`."""
    process = await asyncio.create_subprocess_exec(program, "up", "--help", stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return b"--workers" in output
