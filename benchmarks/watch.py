"""One who watches the live stream during a run, as a process of its own.

    python -m benchmarks.watch           obeys lines on stdin: `watch <url> <token>`, `count`; answers with JSON

It reads as fast as it can and looks at no more than the kinds of the frames.
"""

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any

import aiohttp
import uvloop

LINE_BYTES_MAX = 1 << 24


class Watch:
    """What was read."""

    def __init__(self) -> None:
        self.seen = {"bytes": 0, "events_frames": 0, "stats": 0, "events": 0, "skipped": 0}
        self._task: asyncio.Task[None] | None = None

    async def obey(self, order: str) -> dict[str, Any]:
        word, _, rest = order.partition(" ")
        if word == "watch":
            if self._task is not None:
                self._task.cancel()
            url, token = rest.split()
            began = asyncio.Event()
            self._task = asyncio.create_task(self._read(url, token, began))
            await began.wait()
        return self.seen

    async def _read(self, url: str, token: str, began: asyncio.Event) -> None:
        timeout = aiohttp.ClientTimeout(total=None)
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(timeout=timeout, read_bufsize=LINE_BYTES_MAX) as session,
            session.get(f"{url}/api/v1/live", headers=headers) as response,
        ):
            kind = ""
            async for line in response.content:
                self.seen["bytes"] += len(line)
                if line.startswith(b"event: "):
                    kind = line[7:-1].decode()
                    began.set()
                elif line.startswith(b"data: "):
                    self._note(kind, line)

    def _note(self, kind: str, line: bytes) -> None:
        if kind == "events":
            self.seen["events_frames"] += 1
            self.seen["events"] += line.count(b'{"partition":')
        elif kind == "stats":
            self.seen["stats"] += 1
        elif kind == "skipped":
            self.seen["skipped"] += json.loads(line[6:])["count"]


async def main() -> None:
    """Obey until the input ends."""
    watch = Watch()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print(json.dumps({"ready": True}), flush=True)
    while line := await reader.readline():
        with suppress(aiohttp.ClientError):
            print(json.dumps(await watch.obey(line.decode().strip())), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
