"""The console on a pseudo-terminal, before a daemon that says hostile things: what reaches the terminal."""

import asyncio
import fcntl
import json
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

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
        await ConsoleApp(LiveFeed(client), LiveSource(client)).run_async()

asyncio.run(main(*sys.argv[1:]))
"""
# What Textual itself writes: CSI sequences, charset and cursor, the shape of the pointer.
OURS = re.compile(
    rb"\x1b\[[0-9;?<>=$]*[A-Za-z~]|\x1b[78=>]|\x1bP=[12]s\x1b\\|\x1b\]22;[a-z]+\x07|\x1b_G[^\x1b]*\x1b\\"
)


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


class Terminal:
    """The far end of the console's terminal."""

    def __init__(self, master: int) -> None:
        self.master = master
        self.output = bytearray()
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            self.output += os.read(self.master, 1 << 16)
        except OSError:
            asyncio.get_running_loop().remove_reader(self.master)
        self._more.set()

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    async def until(self, wanted: str, since: int = 0) -> None:
        try:
            async with asyncio.timeout(30):
                while wanted.encode() not in self.output[since:]:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"{wanted!r} was not shown, but {bytes(self.output[-3000:])!r}") from None


@asynccontextmanager
async def console(said: dict) -> AsyncIterator[tuple[Terminal, asyncio.subprocess.Process]]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
    environ = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "COLUMNS", "LINES"}} | {
        "TERM": "xterm-256color",
        "PYTHONPATH": str(ROOT),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", START, said["url"], said["token"], stdin=slave, stdout=slave,
        stderr=slave, env=environ, cwd=ROOT,
    )  # fmt: skip
    os.close(slave)
    terminal = Terminal(master)
    try:
        yield terminal, process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)


async def test_no_escape_of_a_stranger_reaches_the_terminal() -> None:
    async with daemon("--hostile", "--shown", "60", "--rate", "400") as said, console(said) as (terminal, process):
        await terminal.until("● live")
        for key, title in (("2", "following"), ("3", "RATE/S"), ("4", "POSITION"), ("1", "needs attention")):
            mark = len(terminal.output)
            terminal.press(key)
            await terminal.until(title, mark)
        mark = len(terminal.output)
        terminal.press("3")
        await terminal.until("ramping", mark)
        mark = len(terminal.output)
        terminal.press("\r")
        await terminal.until("Last attempts", mark)
        terminal.press("q")
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    shown = bytes(terminal.output)
    assert MARK.encode() in shown  # it was shown, as text
    assert b"\x1b]" not in OURS.sub(b"", shown)
    rest = OURS.sub(b"", shown)
    assert b"\x1b" not in rest, rest[max(rest.find(b"\x1b") - 40, 0) : rest.find(b"\x1b") + 40]
    assert not set(rest) & (set(range(32)) - {10, 13})
    for number in (0x9B, 0x9D, 0x202E, 0x200B, 0x2066):
        assert chr(number).encode() not in shown
