"""What a scenario found: numbers by name, each name ending in its unit; of several rounds, medians and ranges. Pure.

The unit tells what is better: of `_us`, `_ms`, `_s`, `_mib`, `_bytes` less, of `per_s`, `_pct`, `ratio` more. Others
are facts.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.histogram import Histogram

LESS: Final = ("_us", "_ms", "_s", "_mib", "_bytes")
MORE: Final = ("per_s", "_pct", "ratio")
FACTS: Final = {"rate_per_s", "core_pct", "sent_late_p99_ms", "bare_per_s", "bare_us", "throttled_pct"}


@dataclass
class Result:
    """One row of the table, of one round."""

    name: str
    figures: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    histograms: dict[str, Any] = field(default_factory=dict)  # by name, as Histogram.dump gives them
    skipped: str = ""  # why it was not measured
    lost: str = ""  # what was accepted and did not arrive
    failed: str = ""  # why it could not be measured to its end


@dataclass
class Figure:
    """One number over all rounds."""

    median: float
    least: float
    most: float
    rounds: list[float]


@dataclass
class Summary:
    """One row over all rounds."""

    name: str
    figures: dict[str, Figure] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    histograms: dict[str, Any] = field(default_factory=dict)  # of all rounds together
    skipped: str = ""
    lost: str = ""
    failed: str = ""

    def value(self, name: str) -> float | None:
        figure = self.figures.get(name)
        return None if figure is None else figure.median


def better(name: str) -> int:
    """1: more is better, -1: less, 0: neither."""
    if name in FACTS:
        return 0
    return 1 if name.endswith(MORE) else -1 if name.endswith(LESS) else 0


def summed_up(rounds: Sequence[Sequence[Result]]) -> list[Summary]:
    """Rows of the same name together, in the order of the first round."""
    found: dict[str, Summary] = {}
    numbers: dict[str, dict[str, list[float]]] = {}
    for results in rounds:
        for result in results:
            row = found.setdefault(result.name, Summary(result.name))
            for name, value in result.figures.items():
                numbers.setdefault(result.name, {}).setdefault(name, []).append(value)
            row.notes += result.notes
            for each, dumped in result.histograms.items():
                row.histograms[each] = _merged(row.histograms.get(each), dumped)
            row.skipped = row.skipped or result.skipped
            row.lost = row.lost or result.lost
            row.failed = row.failed or result.failed
    for name, row in found.items():
        row.figures = {
            each: Figure(statistics.median(values), min(values), max(values), values)
            for each, values in numbers.get(name, {}).items()
        }
    return list(found.values())


def _merged(before: dict[str, Any] | None, dumped: dict[str, Any]) -> dict[str, Any]:
    if before is None:
        return dumped
    both = Histogram.load(before)
    both.merge(Histogram.load(dumped))
    return both.dump()
