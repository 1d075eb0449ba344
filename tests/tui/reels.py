"""A log in memory that answers as the daemon does: pages merged by moment, and everything as of a place."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from events.positions import parse, spell
from tui.client import Unreachable
from tui.frames import Happened
from tui.standing import CONFIGURING, standing_after
from tui.story import Answer

PARTITIONS = 4


def merged(events: Sequence[Happened]) -> list[Happened]:
    return sorted(events, key=lambda each: (each.at, each.partition, each.seq))


class MemoryLog:
    """An Archive. `add` may go on while somebody reads. `counted`: whether what was undelivered is told."""

    def __init__(self, events: Sequence[Happened] = (), *, counted: bool = True) -> None:
        self.events = merged(events)
        self.counted = counted
        self.asked: list[dict[str, Any]] = []
        self.down = False

    def add(self, events: Sequence[Happened]) -> None:
        self.events = merged([*self.events, *events])

    def high(self) -> tuple[int, ...]:
        return tuple(
            max((each.seq for each in self.events if each.partition == number), default=0)
            for number in range(PARTITIONS)
        )

    async def log(self, **query: Any) -> Answer:
        self.asked.append(query)
        if self.down:
            raise Unreachable("nothing answers")
        limit = query.get("limit", 100)
        if "from" in query:
            low = parse(query["from"], PARTITIONS)
            found = [each for each in self.events if each.seq > low[each.partition]][:limit]
            begin, end = low, _moved(low, found)
        else:
            end = self.high()
            if "before" in query:
                end = parse(query["before"], PARTITIONS)
            elif "at" in query:
                at = msgspec.convert(query["at"], datetime)
                upto = self.events[: bisect_right([each.at for each in self.events], at)]
                end = _moved((0,) * PARTITIONS, upto)
            found = [each for each in self.events if each.seq <= end[each.partition]][-limit:]
            begin = list(end)
            for each in reversed(found):
                begin[each.partition] = each.seq - 1
        edge = [msgspec.to_builtins(self.events[at].at) for at in (0, -1)] if self.events else [None, None]
        return {
            "data": msgspec.to_builtins(found), "from": spell(begin), "to": spell(end), "first": edge[0],
            "last": edge[1],
        }  # fmt: skip

    async def as_of(self, at: str) -> Answer:
        if self.down:
            raise Unreachable("nothing answers")
        high = parse(at, PARTITIONS)
        upto = [each for each in self.events if each.seq <= high[each.partition]]
        standing = standing_after([each for each in upto if each.type in CONFIGURING], whole=True)
        waiting: dict[str, int] = {}
        for each in upto:
            if each.type == "MessageAccepted":
                for endpoint in each.body["endpoints"]:
                    waiting[endpoint] = waiting.get(endpoint, 0) + 1
            elif each.type == "AttemptSucceeded":
                waiting[each.endpoint] = waiting.get(each.endpoint, 0) - 1
        return {
            "positions": at,
            "endpoints": [msgspec.to_builtins(each) for each in standing.targets],
            "applications": [],
            "undelivered": waiting if self.counted else None,
            "more": False,
        }


def _moved(low: Sequence[int], found: Sequence[Happened]) -> tuple[int, ...]:
    seqs = list(low)
    for each in found:
        seqs[each.partition] = each.seq
    return tuple(seqs)
