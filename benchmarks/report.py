"""Figures, and how they are shown: one table, one JSON file, a line of progress while it runs."""

import asyncio
import contextlib
import sys
import time
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRESS_TERMINAL_S = 0.5
PROGRESS_PLAIN_S = 5.0


@dataclass
class Throughput:
    """One saturated scenario."""

    deliveries: int
    seconds: float
    daemon_us: float
    postgres_us: float
    duplicates: int
    statuses: dict[str, int]
    bare_us: float
    bare_per_s: float

    @property
    def per_s(self) -> float:
        return self.deliveries / self.seconds

    @property
    def busy(self) -> float:
        """How much of a core the daemon had."""
        return self.deliveries * self.daemon_us / 1e6 / self.seconds


@dataclass
class Latency:
    """Accept → received at a fixed rate."""

    rate: float
    samples: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    sent_late_p99_ms: float


@dataclass
class Row:
    """One scenario of the table."""

    name: str
    throughput: Throughput
    latency: Latency


def read_ages(file: Path) -> list[int]:
    """The samples a helper wrote, sorted, in nanoseconds."""
    ages = array("q")
    ages.frombytes(file.read_bytes())
    return sorted(ages)


def percentile(ordered: Sequence[int], share: float) -> float:
    """The sample below which `share` of all lie."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latency(ages_ns: Sequence[int], rate: float, sent_late_p99_ms: float) -> Latency:
    """Sum up sorted samples."""
    return Latency(
        rate,
        len(ages_ns),
        percentile(ages_ns, 0.5) / 1e6,
        percentile(ages_ns, 0.99) / 1e6,
        ages_ns[-1] / 1e6,
        sent_late_p99_ms,
    )


COLUMNS = (
    ("scenario", 12),
    ("deliveries", 10),
    ("per s", 7),
    ("daemon µs", 9),
    ("PG µs", 6),
    ("sum µs", 6),
    ("core %", 6),
    ("p50 ms", 7),
    ("p99 ms", 7),
    ("max ms", 7),
    ("bare µs", 7),
    ("x bare", 6),
)


def table(rows: Sequence[Row]) -> str:
    """All scenarios, one a line."""
    lines = [
        "  ".join(title.ljust(width) if not n else title.rjust(width) for n, (title, width) in enumerate(COLUMNS))
    ]
    for row in rows:
        done, late = row.throughput, row.latency
        cells = (
            row.name,
            f"{done.deliveries:,}",
            f"{done.per_s:,.0f}",
            f"{done.daemon_us:.1f}",
            f"{done.postgres_us:.1f}",
            f"{done.daemon_us + done.postgres_us:.1f}",
            f"{100 * done.busy:.0f}",
            f"{late.p50_ms:.1f}",
            f"{late.p99_ms:.1f}",
            f"{late.max_ms:.1f}",
            f"{done.bare_us:.1f}",
            f"{done.daemon_us / done.bare_us:.1f}",
        )
        lines.append(
            "  ".join(
                cell.ljust(width) if not n else cell.rjust(width)
                for n, (cell, (_, width)) in enumerate(zip(cells, COLUMNS, strict=True))
            )
        )
    return "\n".join(lines)


class Progress:
    """Says on stderr what is being done, and for how long."""

    def __init__(self) -> None:
        self.text = "starting"
        self._began = time.monotonic()
        self._shown = ""

    def __call__(self, text: str) -> None:
        self.text = text

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Show it as long as the block lasts."""
        task = asyncio.get_running_loop().create_task(self._show())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            if sys.stderr.isatty():
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    async def _show(self) -> None:
        terminal = sys.stderr.isatty()
        while True:
            elapsed_s = time.monotonic() - self._began
            if terminal:
                print(f"\r\x1b[K[{elapsed_s:4.0f} s] {self.text}", end="", file=sys.stderr, flush=True)
            else:
                print(f"[{elapsed_s:4.0f} s] {self.text}", file=sys.stderr, flush=True)
            await asyncio.sleep(PROGRESS_TERMINAL_S if terminal else PROGRESS_PLAIN_S)
