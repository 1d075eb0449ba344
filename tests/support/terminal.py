"""A pseudo-terminal with a program on it: what the program paints, and keys for it."""

import asyncio
import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

PAINT_S = 30.0
# What Textual itself writes: CSI sequences, charset and cursor, the shape of the pointer.
OURS = re.compile(
    rb"\x1b\[[0-9;?<>=$]*[A-Za-z~]|\x1b[78=>]|\x1bP=[12]s\x1b\\|\x1b\]22;[a-z]+\x07|\x1b_G[^\x1b]*\x1b\\"
)


class Terminal:
    """The far end of a program's terminal."""

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self.master = master
        self.process = process
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
        """Type these."""
        os.write(self.master, keys.encode())

    async def until(self, *wanted: str, since: int = 0) -> None:
        """Wait until it has painted one of these. AssertionError when it does not."""
        try:
            async with asyncio.timeout(PAINT_S):
                while not any(each.encode() in self.output[since:] for each in wanted):
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"{wanted!r} was not shown, but {bytes(self.output[-3000:])!r}") from None

    async def pressed(self, keys: str, *wanted: str) -> None:
        """Type these, and wait until it has painted one of those since."""
        mark = len(self.output)
        self.press(keys)
        await self.until(*wanted, since=mark)

    async def ended(self) -> int:
        """Wait for its end; answers its exit status."""
        async with asyncio.timeout(PAINT_S):
            return await self.process.wait()

    def assert_clean(self) -> None:
        """Nothing has reached the terminal but text and what Textual itself writes."""
        rest = OURS.sub(b"", bytes(self.output))
        at = rest.find(b"\x1b")
        assert at < 0, rest[max(at - 40, 0) : at + 40]
        assert not set(rest) & (set(range(32)) - {10, 13})
        for number in (0x9B, 0x9D, 0x202E, 0x200B, 0x2066):
            assert chr(number).encode() not in rest


@asynccontextmanager
async def terminal(
    *command: str, cwd: Path, environ: Mapping[str, str] | None = None, size: tuple[int, int] = (140, 40)
) -> AsyncIterator[Terminal]:
    """Run a command on a terminal of `size` columns and lines; what still lives at the end is killed."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    bare = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *command, stdin=slave, stdout=slave, stderr=slave, cwd=cwd,
        env=bare | {"TERM": "xterm-256color"} | dict(environ or {}), start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    far = Terminal(master, process)
    try:
        yield far
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)
