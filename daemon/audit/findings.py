"""What a verification found wrong: a place and a sentence each, by the check that it speaks against."""

from enum import StrEnum
from typing import Final

import msgspec

SHOWN_MAX: Final = 20


class Check(StrEnum):
    """What is held against what. In the order in which they are told."""

    ORDER = "order"  # positions without a gap, versions and moves that can follow one another
    BYTES = "bytes"  # every event can be read
    TREE = "tree"  # the events are those that were sealed
    CHECKPOINTS = "checkpoints"  # every signature, every root
    KEPT = "kept"  # the checkpoints that somebody kept elsewhere
    STATE = "state"  # the tables are the fold of the log
    BODIES = "bodies"  # payloads and responses are what the log says, or gone for a recorded reason


class Finding(msgspec.Struct, frozen=True):
    """One thing that does not hold, and where."""

    check: Check
    place: str
    what: str


class Findings:
    """Gathers findings: the first few of each check, and the number of all."""

    def __init__(self) -> None:
        self.first: dict[Check, list[Finding]] = {check: [] for check in Check}
        self.count: dict[Check, int] = dict.fromkeys(Check, 0)

    def add(self, check: Check, place: str, what: str) -> None:
        """One more."""
        self.count[check] += 1
        if len(self.first[check]) < SHOWN_MAX:
            self.first[check].append(Finding(check, place, what))

    def __bool__(self) -> bool:
        return any(self.count.values())

    def all(self) -> list[Finding]:
        """The first ones of every check."""
        return [each for found in self.first.values() for each in found]
