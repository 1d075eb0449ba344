"""How far everybody has been told of the log: each event of a partition once, in order. Pure."""

from collections.abc import Iterable, Sequence

from events.envelope import Recorded
from events.positions import Positions


class Tail:
    """The last event of each partition that was passed on."""

    def __init__(self, positions: Positions) -> None:
        self._seqs = list(positions)
        self.behind: set[int] = set()  # partitions of which events were missed: they are to be read from the log

    @property
    def positions(self) -> Positions:
        """One a partition."""
        return tuple(self._seqs)

    def take(self, events: Sequence[Recorded]) -> Sequence[Recorded]:
        """Those that come next; what was passed on already, or comes too early, is left out."""
        seqs, behind = self._seqs, self.behind
        known = 0
        for recorded in events:
            if recorded.seq != seqs[recorded.partition] + 1:
                break
            seqs[recorded.partition] += 1
            known += 1
        else:
            return events
        taken = list(events[:known])
        for each in events[known:]:
            expected = seqs[each.partition] + 1
            if each.seq == expected:
                seqs[each.partition] = expected
                taken.append(each)
            elif each.seq > expected:
                behind.add(each.partition)
        return taken

    def lags(self, heads: Iterable[int]) -> set[int]:
        """The partitions that are further than this."""
        return {number for number, head in enumerate(heads) if head > self._seqs[number]}

    def skip(self, partition: int, seq: int) -> int:
        """Pass over everything up to `seq`; answers how much that was."""
        passed = max(seq - self._seqs[partition], 0)
        self._seqs[partition] += passed
        return passed
