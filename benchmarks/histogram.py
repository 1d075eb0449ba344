"""A histogram of durations: bounded memory, mergeable, every value known to half a percent. Pure.

Log-linear: each power of two is cut into 128 equal buckets, values below 256 have one each. A percentile is the
middle of its bucket, so it is at most 1/256 of its value beside the truth; count, sum, least and most are exact.
"""

from collections.abc import Iterable
from typing import Any, Final, Self

SUB_BITS: Final = 7
SUBS: Final = 1 << SUB_BITS
VALUE_BITS: Final = 42  # in nanoseconds: more than an hour
VALUE_MAX: Final = (1 << VALUE_BITS) - 1
BUCKETS: Final = (VALUE_BITS - SUB_BITS + 1) * SUBS


class Histogram:
    """Counts whole numbers, nanoseconds as a rule."""

    def __init__(self, values: Iterable[int] = ()) -> None:
        self.counts = [0] * BUCKETS
        self.count = 0
        self.total = 0
        self.least = VALUE_MAX
        self.most = 0
        for value in values:
            self.record(value)

    def record(self, value: int) -> None:
        """Take one value; what is below 0 counts as 0, what is above VALUE_MAX as that."""
        if not 0 <= value <= VALUE_MAX:
            value = 0 if value < 0 else VALUE_MAX
        shift = value.bit_length() - SUB_BITS - 1
        self.counts[value if shift <= 0 else (shift << SUB_BITS) + (value >> shift)] += 1
        self.count += 1
        self.total += value
        self.most = max(self.most, value)
        self.least = min(self.least, value)

    def merge(self, other: Self) -> None:
        """Add what another one has counted."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.count += other.count
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)

    @property
    def mean(self) -> float:
        """0 without values."""
        return self.total / self.count if self.count else 0.0

    def percentile(self, share: float) -> float:
        """The value that `share` (0 to 1) of all do not exceed; 0 without values."""
        if not self.count:
            return 0.0
        wanted = max(1, min(self.count, -int(-share * self.count // 1)))
        if wanted == self.count:
            return self.most
        seen = 0
        for index, count in enumerate(self.counts):
            seen += count
            if seen >= wanted:
                low, width = bucket(index)
                return min(max(low + (width - 1) / 2, self.least), self.most)
        raise AssertionError("the counts do not add up")

    def dump(self) -> dict[str, Any]:
        """As JSON takes it; only buckets that hold something."""
        return {
            "sub_bits": SUB_BITS,
            "count": self.count,
            "total": self.total,
            "least": self.least if self.count else 0,
            "most": self.most,
            "buckets": [[index, count] for index, count in enumerate(self.counts) if count],
        }

    @classmethod
    def load(cls, dumped: dict[str, Any]) -> Self:
        """What `dump` gave. ValueError: it was cut into other buckets."""
        if dumped["sub_bits"] != SUB_BITS:
            raise ValueError(f"{dumped['sub_bits']} bits a power of two, not {SUB_BITS}")
        made = cls()
        for index, count in dumped["buckets"]:
            made.counts[index] = count
        made.count, made.total, made.most = dumped["count"], dumped["total"], dumped["most"]
        made.least = dumped["least"] if made.count else VALUE_MAX
        return made


def bucket(index: int) -> tuple[int, int]:
    """The least value of a bucket, and how many values it takes."""
    shift = max(0, (index >> SUB_BITS) - 1)
    return (index - (shift << SUB_BITS)) << shift, 1 << shift
