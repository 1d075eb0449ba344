"""The one place where tasks are born: each has a name and an owner, and none dies unheard."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger()

RESTART_DELAY_MIN_S = 0.1
RESTART_DELAY_MAX_S = 30.0
STEADY_S = 60.0  # a service that ran this long starts again from the shortest delay


class Supervisor:
    """Owns every task of the process.

    A *service* runs for ever: returning is a crash like raising, and it is started again after a capped
    backoff, without end. A *job* is short: it may return, and what it raises is logged.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self.restarts: dict[str, int] = {}

    def service(self, name: str, run: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Keep `run` running until `stop`."""
        return self._spawn(name, self._keep(name, run))

    def job(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` once."""
        return self._spawn(name, self._once(name, work))

    async def stop(self, *tasks: asyncio.Task[Any]) -> None:
        """Cancel the tasks named, or all, and wait until they are gone."""
        ending = set(tasks or self._tasks) - {asyncio.current_task()}
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _once(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("job_failed", task=name)

    async def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        delay = RESTART_DELAY_MIN_S
        while True:
            began = loop.time()
            try:
                await run()
                log.error("service_returned", task=name)
            except asyncio.CancelledError:
                if _is_ending():
                    raise
                log.exception("service_failed", task=name)  # something it awaited was cancelled, not it
            except Exception:
                log.exception("service_failed", task=name)
            if loop.time() - began > STEADY_S:
                delay = RESTART_DELAY_MIN_S
            self.restarts[name] = self.restarts.get(name, 0) + 1
            await asyncio.sleep(delay)
            delay = min(delay * 2, RESTART_DELAY_MAX_S)


def _is_ending() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
