"""Waiting for a server that is starting, with a deadline and without leaving the operator in the dark."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

POLL_S = 0.05
FIRST_REPORT_S = 2.0
REPORT_EVERY_S = 10.0

# What a server that is not there *yet* answers: nothing, a closed door, or 57P03 while it recovers.
NOT_YET = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.TooManyConnectionsError,
)

T = TypeVar("T")


class NotReadyError(Exception):
    """The time was up; the text is the last answer."""


async def until_ready(
    attempt: Callable[[], Awaitable[T]],
    *,
    ready_s: float,
    report: Callable[[float, Exception], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Try `attempt` until it succeeds, and return what it returns.

    `report` hears the seconds waited and the last answer, first after `FIRST_REPORT_S`. Whatever `attempt`
    raises besides `NOT_YET` ends the wait.

    Raises `NotReadyError` after `ready_s` seconds.
    """
    began = clock()
    next_report = began + FIRST_REPORT_S
    while True:
        try:
            return await attempt()
        except NOT_YET as error:
            answer = error
        now = clock()
        if now - began > ready_s:
            raise NotReadyError(str(answer) or type(answer).__name__) from answer
        if now >= next_report:
            report(now - began, answer)
            next_report = now + REPORT_EVERY_S
        await sleep(POLL_S)
