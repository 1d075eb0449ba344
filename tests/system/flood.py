"""Messages without end, through whatever happens to hookd, and a note of each that was accepted."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Self

import aiohttp

from tests.support.process import Hookd

PATIENCE_S = 30.0


class Flood:
    """Several senders, each with one request at a time, over several applications in turn."""

    def __init__(self, hookd: Hookd, applications: Sequence[str], *, senders: int = 6) -> None:
        self.accepted: list[str] = []
        self.refused = 0
        self._hookd = hookd
        self._token = hookd.token()
        self._paths = [f"/api/v1/app/{application}/msg" for application in applications]
        self._senders = senders
        self._stopped = False
        self._stirred = asyncio.Condition()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._send(number)) for number in range(self._senders)]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """No more; what is asked already is waited for."""
        self._stopped = True
        await asyncio.gather(*self._tasks)

    async def until(self, happened: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        """Wait for something that depends on what was accepted. AssertionError, with what hookd said."""
        try:
            async with asyncio.timeout(within_s), self._stirred:
                await self._stirred.wait_for(happened)
        except TimeoutError:
            said = self._hookd.command.said_all[-6000:] if self._hookd.command else ""
            raise AssertionError(f"it did not come about in {within_s:g} s\n{said}") from None

    async def more(self, count: int) -> None:
        """Wait until this many more are accepted."""
        goal = len(self.accepted) + count
        await self.until(lambda: len(self.accepted) >= goal)

    async def _send(self, number: int) -> None:
        while not self._stopped:
            await self._hookd.is_up.wait()
            path = self._paths[number % len(self._paths)]
            number += 1
            try:
                status, answer = await self._hookd.call("POST", path, message(), token=self._token)
            except (aiohttp.ClientError, OSError):  # killed in the middle: nothing was promised
                self.refused += 1
                continue
            if status != 202:
                assert status == 503, f"{status} {answer}\n{self._hookd.command.said_all[-6000:]}"
                self.refused += 1
                continue
            async with self._stirred:
                self.accepted.append(answer["id"])
                self._stirred.notify_all()


def message() -> dict[str, object]:
    """One that carries the moment of its making."""
    return {"eventType": "order.paid", "payload": {"at": time.monotonic(), "text": "x" * 200}}
