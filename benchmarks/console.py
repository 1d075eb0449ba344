"""What the console costs: CPU, paints, answers to keys and memory, on a pseudo-terminal before a stream at full rate.

    python -m benchmarks.console --seconds 60 --rate 5000 --shown 500

The stream is made up (tests/tui/fake_daemon.py), so that only the console is measured.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time

from benchmarks.process import TICKS, rss_bytes
from tests.support.terminal import Terminal, terminal
from tests.tui.test_terminal import ROOT, START, daemon

VIEWS = {"1": "overview", "2": "deliveries", "3": "targets", "4": "log"}
PAINT_GAP_S = 0.06  # bytes after so long a silence belong to another paint


def cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def paints(terminal: Terminal, seconds: float) -> tuple[int, int]:
    """Bursts of output, and bytes, within so many seconds."""
    bursts, last, size, begin_size = 0, 0.0, len(terminal.output), len(terminal.output)
    ends = time.monotonic() + seconds
    while (now := time.monotonic()) < ends:
        if len(terminal.output) != size:
            bursts += now - last > PAINT_GAP_S
            last, size = now, len(terminal.output)
        await asyncio.sleep(0.005)
    return bursts, size - begin_size


async def key_ms(terminal: Terminal) -> float:
    """From a key to the first byte that answers it, while nothing else is painted: help opens."""
    mark = len(terminal.output)
    begin = time.perf_counter()
    terminal.press("?")
    await terminal.until("help: ", mark)
    took = (time.perf_counter() - begin) * 1000
    terminal.press("\x1b")
    await asyncio.sleep(0.4)
    return took


async def measure(options: argparse.Namespace) -> None:
    given = ("--rate", str(options.rate), "--shown", str(options.shown), "--endpoints", str(options.endpoints))
    async with daemon(*given) as said:
        begin = time.perf_counter()
        command = (sys.executable, "-c", START, said["url"], said["token"])
        async with terminal(*command, cwd=ROOT, environ={"PYTHONPATH": str(ROOT)}) as far:
            process = far.process
            await far.until("Overview")
            first_ms = (time.perf_counter() - begin) * 1000
            await far.until("● live")
            print(f"first paint after {first_ms:.0f} ms (start of Python included)")
            print(f"{'view':<12}{'CPU':>8}{'paints/s':>10}{'KiB/s':>8}{'key p50':>9}{'key max':>9}{'RSS':>10}")
            for key, view in VIEWS.items():
                far.press(key)
                await asyncio.sleep(2)
                before, at = cpu_s(process.pid), time.monotonic()
                bursts, size = await paints(far, options.seconds / len(VIEWS))
                spent, took = cpu_s(process.pid) - before, time.monotonic() - at
                keys = [await key_ms(far) for _ in range(10)]
                print(
                    f"{view:<12}{spent / took:>8.1%}{bursts / took:>10.1f}{size / took / 1024:>8.0f}"
                    f"{statistics.median(keys):>7.0f}ms{max(keys):>7.0f}ms{rss_bytes(process.pid) / 2**20:>7.1f}MiB",
                    flush=True,
                )
            far.press("q")
            await process.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=int, default=5000)
    parser.add_argument(
        "--shown", type=int, default=500, help="events a second in full: what the daemon sends at most"
    )
    parser.add_argument("--endpoints", type=int, default=50)
    os.environ.pop("NO_COLOR", None)
    asyncio.run(measure(parser.parse_args()))
