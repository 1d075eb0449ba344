"""Which partitions a process should take and which it should give back, by who is there. Pure.

Everybody looks at the same roll and comes to the same answer, so nobody has to be in charge: each is due an equal
share, the first in the order of names one more where it does not come out even.
"""

import msgspec

from events.log import Roll


class Share(msgspec.Struct, frozen=True):
    """What a process should do next."""

    take: tuple[int, ...]
    give: tuple[int, ...]


def share(roll: Roll, name: str) -> Share:
    """The next step of the process `name`; it takes nothing while it has more than its due."""
    if name not in roll.processes:  # its lease ended while it asked
        return Share((), ())
    due = _due(roll, name)
    mine = [head.partition for head in roll.heads if head.owner == name]
    if len(mine) > due:
        return Share((), tuple(mine[due:]))
    free = [head.partition for head in roll.heads if head.owner not in roll.processes]
    return Share(tuple(free[: due - len(mine)]), ())


def _due(roll: Roll, name: str) -> int:
    each, more = divmod(len(roll.heads), len(roll.processes))
    return each + (roll.processes.index(name) < more)
