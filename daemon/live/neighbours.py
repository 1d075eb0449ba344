"""The other processes of this daemon: who they are, what they tell, and what they are told.

Each leaves a report beside its lease, once a second, in PostgreSQL: whichever process is asked puts together what all
of them tell. Alone there is nothing to tell and nothing to read.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from daemon.clock import Clock
from events.log import Log, Roll, Unavailable

READ_S: Final = 0.5
"""Whoever asks is not kept waiting longer than this for what others tell."""
MIDDLE_S: Final = 0.5
NOTHING: Final = msgspec.Raw(b"null")


class Report(msgspec.Struct, frozen=True):
    """What a process tells: parts that are each read by who wrote them."""

    numbers: msgspec.Raw = NOTHING
    figures: msgspec.Raw = NOTHING


def parse(text: str) -> Report:
    """A report; an empty one when it is not in this form, as another release may speak."""
    try:
        return msgspec.json.decode(text, type=Report)
    except msgspec.DecodeError:
        return Report()


class Neighbours:
    """`name` is that of this process. `numbers` and `figures` are what it tells, as JSON; None: nothing."""

    def __init__(self, log: Log, name: str, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self.name = name
        self.names: tuple[str, ...] = (name,)
        self.owners: Mapping[int, str | None] = {}  # by partition
        self.numbers: Callable[[], bytes | None] = lambda: None
        self.figures: Callable[[], bytes | None] = lambda: None

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""
        return self.names == (self.name,)

    def looked(self, roll: Roll) -> None:
        """Learn who is there, and who owns what."""
        self.names = roll.processes
        self.owners = {head.partition: head.owner for head in roll.heads}

    def pause_s(self) -> float:
        """Until the next interval ends: among several in the middle of the second, at whose start all tell."""
        if self.alone:
            return 1.0
        left_s = (MIDDLE_S - self._clock.now().timestamp()) % 1.0
        return left_s if left_s > MIDDLE_S else left_s + 1.0

    def report(self) -> str | None:
        """What this process tells at its turn."""
        if self.alone:
            return None
        parts = {"numbers": self.numbers(), "figures": self.figures()}
        told = ",".join(f'"{name}":{part.decode()}' for name, part in parts.items() if part is not None)
        return f"{{{told}}}" if told else None

    async def told(self) -> Mapping[str, Report]:
        """What the others told last, by name; nothing when the database does not answer soon."""
        if self.alone:
            return {}
        try:
            async with asyncio.timeout(READ_S):
                told = await self._log.told()
        except (Unavailable, TimeoutError):
            return {}
        return {name: parse(text) for name, text in told.items() if name != self.name}
