"""How results are shown: one table, what else there is to say below it, a line of progress while it runs."""

import asyncio
import contextlib
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from benchmarks.figures import Summary

PROGRESS_TERMINAL_S = 0.5
PROGRESS_PLAIN_S = 5.0
WIDTH: Final = 118

COLUMNS: Final = (  # title, width, figure, format
    ("scenario", 14, "", ""),
    ("deliveries", 10, "deliveries", ",.0f"),
    ("per s", 7, "per_s", ",.0f"),
    ("daemon µs", 9, "daemon_us", ".1f"),
    ("PG µs", 6, "postgres_us", ".1f"),
    ("core %", 6, "core_pct", ".0f"),
    ("p50 ms", 7, "p50_ms", ".1f"),
    ("p99 ms", 7, "p99_ms", ".1f"),
    ("max ms", 7, "max_ms", ".1f"),
    ("rate", 7, "of_bare_rate_pct", ".0f"),
    ("CPU", 7, "of_bare_cpu_pct", ".0f"),
    ("bare µs", 7, "bare_us", ".1f"),
)
IN_TABLE: Final = {figure for _, _, figure, _ in COLUMNS} | {
    "bare_per_s", "duplicates", "rate_per_s", "samples", "sent_late_p99_ms",
}  # fmt: skip


def table(rows: Sequence[Summary]) -> str:
    """All scenarios, one a line; with several rounds, medians."""
    over = sum(width + 2 for _, width, _, _ in COLUMNS[:9])
    lines = ["".ljust(over) + "---- % of bare ----".rjust(16)]
    lines.append(_line([title for title, *_ in COLUMNS]))
    for row in rows:
        cells = [row.name]
        for _, _, figure, shape in COLUMNS[1:]:
            value = row.value(figure)
            cells.append("" if value is None else format(value, shape))
        if any(cells[1:]):
            lines.append(_line(cells))
    return "\n".join(lines) if len(lines) > 2 else ""


def remarks(rows: Sequence[Summary]) -> str:
    """What the table has no column for."""
    lines = []
    for row in rows:
        said = [f"{name} {plain(each.median)}" for name, each in row.figures.items() if name not in IN_TABLE]
        if row.skipped:
            said = [f"skipped: {row.skipped}"]
        if row.lost or row.failed:
            said = [f"LOST: {row.lost}" if row.lost else f"FAILED: {row.failed}"]
        for text in (", ".join(said), *row.notes):
            lines += textwrap.wrap(text, WIDTH, initial_indent=f"{row.name:15} ", subsequent_indent=" " * 16)
    return "\n".join(lines)


def plain(value: float) -> str:
    """A number for people."""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:,.2f}"


def _line(cells: Sequence[str]) -> str:
    return "  ".join(
        cell.ljust(width) if not n else cell.rjust(width)
        for n, (cell, (_, width, *_)) in enumerate(zip(cells, COLUMNS, strict=True))
    ).rstrip()


class Progress:
    """Says on stderr what is being done, and for how long."""

    def __init__(self) -> None:
        self.text = "starting"
        self.lead = ""
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
                print(f"\r\x1b[K[{elapsed_s:4.0f} s] {self.lead}{self.text}", end="", file=sys.stderr, flush=True)
            else:
                print(f"[{elapsed_s:4.0f} s] {self.lead}{self.text}", file=sys.stderr, flush=True)
            await asyncio.sleep(PROGRESS_TERMINAL_S if terminal else PROGRESS_PLAIN_S)
