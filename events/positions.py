"""Positions: how far the whole log is, as the last sequence number of each partition. Pure.

Written `120.4.0.77`: one number a partition, in order of partition.
"""

import re
from collections.abc import Iterable
from typing import Final

from events.when import SEQ_MAX

Positions = tuple[int, ...]

_DIGITS: Final = re.compile(r"\d{1,19}", re.ASCII)


class BadPositions(ValueError):
    """The text names no place of this log; the words say why."""


def spell(positions: Iterable[int]) -> str:
    """As text."""
    return ".".join(map(str, positions))


def parse(text: str, partitions: int) -> Positions:
    """From text. BadPositions."""
    parts = text.split(".")
    if not all(_DIGITS.fullmatch(part) for part in parts):
        raise BadPositions("must be numbers with dots between them, as in 120.4.0.77")
    if len(parts) != partitions:
        raise BadPositions(f"must name {partitions} positions, one a partition, not {len(parts)}")
    found = tuple(map(int, parts))
    if max(found) > SEQ_MAX:
        raise BadPositions("is beyond any position")
    return found
