"""Two runs beside each other: what moved by more than the noise that was seen. Pure.

A figure has moved when the ranges of its rounds do not touch and its medians differ by more than the wider range of
the two (2 % at least). With fewer than three rounds on a side no noise was seen: then it takes more than 15 %.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.figures import better

ROUNDS_MIN: Final = 3
NOISE_MIN: Final = 0.02
NOISE_UNSEEN: Final = 0.15


@dataclass(frozen=True)
class Move:
    """One figure of one scenario in both runs."""

    scenario: str
    figure: str
    before: float
    after: float
    noise: float  # as a share of the median
    moved: bool

    @property
    def ratio(self) -> float:
        """After over before; 1 where both are 0, infinite where only one is."""
        return self.after / self.before if self.before else 1.0 if not self.after else float("inf")

    @property
    def verdict(self) -> str:
        """One word where it moved."""
        if not self.moved:
            return ""
        sense = better(self.figure)
        return "moved" if not sense else "better" if (self.ratio > 1) == (sense > 0) else "worse"


def moves(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Move]:
    """Every figure that both runs (as written by `--json`) have."""
    for name, row in before["scenarios"].items():
        theirs = after["scenarios"].get(name, {"figures": {}})["figures"]
        for figure, mine in row["figures"].items():
            if figure in theirs:
                yield _move(name, figure, mine, theirs[figure])


def _move(scenario: str, figure: str, mine: dict[str, Any], theirs: dict[str, Any]) -> Move:
    before, after = mine["median"], theirs["median"]
    if min(len(mine["rounds"]), len(theirs["rounds"])) < ROUNDS_MIN:
        noise, apart = NOISE_UNSEEN, True
    else:
        noise = max(NOISE_MIN, *(_spread(each) for each in (mine, theirs)))
        apart = mine["most"] < theirs["least"] or theirs["most"] < mine["least"]
    scale = abs(before) or abs(after)
    return Move(scenario, figure, before, after, noise, apart and abs(after - before) > noise * scale)


def _spread(figure: dict[str, Any]) -> float:
    median: float = abs(figure["median"])
    return (figure["most"] - figure["least"]) / median if median else 0.0


def compared(before: dict[str, Any], after: dict[str, Any]) -> str:
    """A table for people: every figure of both runs, and what moved."""
    lines = [f"{'scenario':14}  {'figure':20} {'A':>14} {'B':>14} {'B/A':>7} {'noise':>6}"]
    last = ""
    for move in moves(before, after):
        name, last = ("" if move.scenario == last else move.scenario), move.scenario
        lines.append(
            f"{name:14}  {move.figure:20} {move.before:>14,.2f} {move.after:>14,.2f} {move.ratio:>7.2f} "
            f"{move.noise:>6.0%}  {move.verdict}".rstrip()
        )
    for side, mine, theirs in (("A", before, after), ("B", after, before)):
        if alone := [name for name in mine["scenarios"] if name not in theirs["scenarios"]]:
            lines.append(f"only in {side}: {', '.join(alone)}")
    if _asked(before) != _asked(after):
        lines.append("the options of both runs differ: see `options` in the files")
    return "\n".join(lines)


def _asked(run: dict[str, Any]) -> dict[str, Any]:
    """The options, but for which build it was."""
    return {name: value for name, value in run.get("options", {}).items() if name != "program"}
