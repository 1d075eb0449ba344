"""What the recorder was asked, and what is to be made of its answer: a handler that waits without a task."""

import asyncio
from collections.abc import Callable
from typing import Any


class Asked:
    """`answer` comes with the commit; `finish` turns it into what the handler returns. Nothing else is to be done.

    So the requests after this one may begin before it is answered: its command is in the recorder's queue before the
    next request is even looked at, and that queue is first in, first out. Effects come in the order of the requests,
    and what is shared is the wait for the commit.
    """

    __slots__ = ("answer", "finish")

    def __init__(self, answer: "asyncio.Future[Any]", finish: Callable[[Any], object]) -> None:
        self.answer = answer
        self.finish = finish

    async def finished(self) -> object:
        """Wait for it, where a task waits anyway."""
        return self.finish(await self.answer)
