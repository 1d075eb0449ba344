"""The console on a pseudo-terminal, before a daemon that says hostile things: what reaches the terminal."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.terminal import terminal
from tests.tui.hostile import MARK

ROOT = Path(__file__).parents[2]
START = """
import asyncio, sys
from tui.app import ConsoleApp
from tui.client import Client
from tui.feed import LiveFeed
from tui.source import LiveSource

async def main(url, token):
    async with Client(url, token) as client:
        await ConsoleApp(LiveFeed(client), LiveSource(client), writable=True).run_async()

asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def daemon(*options: str) -> AsyncIterator[dict]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.tui.fake_daemon", *options, cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield json.loads(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


async def test_no_escape_of_a_stranger_reaches_the_terminal() -> None:
    async with (
        daemon("--hostile", "--shown", "60", "--rate", "400") as said,
        terminal(
            sys.executable, "-c", START, said["url"], said["token"], cwd=ROOT, environ={"PYTHONPATH": str(ROOT)}
        ) as far,
    ):
        await far.until("● live")
        for key, title in (("2", "following"), ("3", "RATE/S"), ("4", "POSITION"), ("1", "needs attention")):
            await far.pressed(key, title)
        await far.pressed("3", "ramping")
        await far.pressed("\r", "Last attempts")
        await far.pressed("d", "touches ")  # the dialog of an act
        far.press("\x11")
        assert await far.ended() == 0
    assert MARK.encode() in far.output  # it was shown, as text
    far.assert_clean()
