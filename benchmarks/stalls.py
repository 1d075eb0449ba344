"""When it was slow: the worst duration of every tenth of a second, and the worst stalls among them. Pure."""

from collections.abc import Iterable
from typing import Final

SLOT_NS: Final = 100_000_000
APART_S: Final = 0.5  # what lies closer together is one stall


class Slots:
    """The worst of each slot; memory grows with the length of the run alone."""

    def __init__(self) -> None:
        self.worst_ns: dict[int, int] = {}

    def note(self, at_ns: int, took_ns: int) -> None:
        """Something that was due then took so long."""
        slot = at_ns // SLOT_NS
        if took_ns > self.worst_ns.get(slot, 0):
            self.worst_ns[slot] = took_ns

    def dump(self) -> list[tuple[int, int]]:
        """Beginning of the slot and worst duration in it, nanoseconds."""
        return sorted((slot * SLOT_NS, worst) for slot, worst in self.worst_ns.items())


def worst(slots: Iterable[tuple[int, int]], began_s: float, most: int = 3) -> list[tuple[float, float]]:
    """The worst stalls, worst first: seconds after the beginning, and milliseconds."""
    found: list[tuple[float, float]] = []
    for at_ns, took_ns in sorted(slots, key=lambda slot: -slot[1]):
        at_s = max(0.0, at_ns / 1e9 - began_s)
        if all(abs(at_s - other) > APART_S for other, _ in found):
            found.append((at_s, took_ns / 1e6))
        if len(found) == most:
            break
    return found
