"""The README's picture of the console, from a real demo run of a minute.

uv run python -m benchmarks.picture tui/console.svg
"""

import argparse
import asyncio
from pathlib import Path

from daemon.assembly import Daemon
from daemon.cli import demo
from daemon.cli.common import settings_or_refuse
from daemon.cli.token import _tokens
from daemon.logs import configure
from tui.app import ConsoleApp
from tui.client import Client
from tui.feed import LiveFeed
from tui.source import LiveSource

SIZE = (120, 32)
RATE = 9.0  # messages a second


async def paint(out: Path, seconds: float) -> None:
    """Let the demo run for so long and write what the Overview shows then."""
    with demo.scratch_home() as home:
        settings = settings_or_refuse(
            hookd_home=home, port=0, retry_delays_s=demo.RETRY_DELAYS_S, database_url="", breaker_failures_max=5
        )
        configure("error", "json")
        daemon = Daemon(settings)
        token = _tokens(settings).mint_operator("ada", may_act=True)
        async with demo.traffic(daemon, RATE), Client(daemon.url, token) as client:
            app = ConsoleApp(LiveFeed(client), LiveSource(client), writable=True)
            async with app.run_test(size=SIZE) as pilot:
                await asyncio.sleep(seconds)
                app.paint()
                await pilot.pause()
                picture = app.export_screenshot(title="hookd console")
    await asyncio.to_thread(out.write_text, picture)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=70)
    given = parser.parse_args()
    asyncio.run(paint(given.out, given.seconds))
