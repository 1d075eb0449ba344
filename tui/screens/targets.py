"""Targets: every endpoint in a row, how fast and how well it takes what it is sent, and why if it does not."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType

from tui import wording
from tui.acts import ON_ENDPOINT, Subject
from tui.board import Board, Target
from tui.lines import Line, Span, line
from tui.screens.acting import Acting, keys_of
from tui.screens.filtered import Filtered
from tui.screens.view import joined
from tui.trust import skipped
from tui.widgets.grid import Column, Grid

SPARK_CELLS: Final = 20
FEW: Final = 0.01  # of the attempts of a minute: below it, failing is part of life
HALF: Final = 0.5
COLUMNS: Final = (
    Column("state", "STATE", 10),
    Column("endpoint", "ENDPOINT", 22, grow=4),
    Column("rate", "RATE/S", 8, 0, "right"),
    Column("success", "OK", 7, 0, "right"),
    Column("p50", "P50", 7, 3, "right"),
    Column("p95", "P95", 7, 1, "right"),
    Column("backlog", "BACKLOG", 9, 0, "right"),
    Column("spark", "LAST MINUTE", SPARK_CELLS, 4),
    Column("why", "WHY", 20, 2, grow=3),
)
_SEVERITY: Final = {"open": 0, "probing": 1, "ramp": 2, "closed": 4}
EMPTY: Final = [
    line(("There is no endpoint yet.", "bold")),
    line(),
    line(("Register one:  POST /api/v1/app/{app_id}/endpoint/", "muted")),
    line(("or let hookd make some:  ", "muted"), ("hookd demo", "accent")),
]


class TargetsScreen(Acting, Filtered):
    """See the module."""

    VIEW = "targets"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort(1)", "Sort"),
        Binding("S", "reverse", "Turn order", show=False, key_display="shift+s"),
        Binding("y", "copy", "Copy id", show=False),
        *keys_of(ON_ENDPOINT),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._sort = "rate"
        self._ascending = False
        self._keys: dict[str, Callable[[Target], Any]] = {
            "rate": lambda each: each.rate(self._second),
            "state": severity,
            "endpoint": lambda each: each.stats.url or each.stats.endpoint,
            "success": self._success,
            "p50": lambda each: (each.stats.duration_ms and each.stats.duration_ms.p50) or 0,
            "p95": lambda each: (each.stats.duration_ms and each.stats.duration_ms.p95) or 0,
            "backlog": waiting,
        }
        self._second = 0

    def table(self) -> Grid:
        """See Filtered."""
        grid = Grid(COLUMNS, _key, self._cells)
        grid.empty = EMPTY
        return grid

    def show(self, board: Board) -> None:
        """Sort, and show."""
        self._second = board.second
        rows = self.filter.over(board.targets.values(), self.text_of)
        rows.sort(key=lambda each: each.stats.endpoint)
        rows.sort(key=self._keys[self._sort], reverse=not self._ascending)
        nothing = [line(("No endpoint matches ", "muted"), (self.filter.words, "bold warn"))]
        self.grid.empty = nothing if self.filter.active and board.targets else EMPTY
        self.grid.sorted_by = (self._sort, self._ascending)
        self.grid.show(rows)

    def state(self, board: Board) -> Line:
        """How many there are, and how many are in trouble."""
        bad = sum(1 for each in board.targets.values() if severity(each) < _SEVERITY["closed"])
        trouble: Line = (Span(f"✗ {bad} in trouble", "bad"),) if bad else ()
        number = line((wording.plural(len(board.targets), "endpoint"), "muted"))
        return joined(self.filter_line(), skipped(board), trouble, number)

    def _success(self, target: Target) -> float:
        good, bad = target.totals(self._second)
        return good / (good + bad) if good + bad else 2.0

    def _cells(self, target: Target) -> dict[str, Line]:
        stats, second = target.stats, self._second
        good, bad = target.totals(second)
        series = target.series(second)
        rate = target.rate(second)
        waits = waiting(target)
        spent = stats.duration_ms
        return {
            "state": wording.breaker(stats.breaker, stats.disabled).line,
            "endpoint": line(wording.host(stats.url) or stats.endpoint),
            "rate": line((wording.rate(rate), "" if rate else "faint")),
            "success": line((wording.share(good, good + bad), _success_role(good, bad))),
            "p50": line((wording.ms(spent.p50 if spent else None), "muted")),
            "p95": line((wording.ms(spent.p95 if spent else None), "")),
            "backlog": line(
                (wording.NONE, "faint")
                if not stats.counted and stats.pending is None
                else (wording.count(waits) + ("+" if stats.backlog_more else ""), "warn" if waits else "faint")
            ),
            "spark": line(
                (
                    wording.spark(series, SPARK_CELLS, 1.3 * max(series)),
                    "warn" if bad > FEW * (good + bad) else "info",
                )
            ),
            "why": line((reason(target, self.console.clock()), "muted")),
        }

    # --- keys

    def action_sort(self, step: int) -> None:
        """Sort by the next column."""
        names = [each.name for each, _ in self.grid.fitting(self.grid.size.width - 2) if each.name in self._keys]
        at = names.index(self._sort) if self._sort in names else -1
        self._by(names[(at + step) % len(names)])

    def action_reverse(self) -> None:
        """Turn the order about."""
        self._ascending = not self._ascending
        self.paint(force=True)

    @on(Grid.HeadClicked)
    def _clicked(self, event: Grid.HeadClicked) -> None:
        if event.column == self._sort:
            self.action_reverse()
        elif event.column in self._keys:
            self._by(event.column)

    def _by(self, column: str) -> None:
        self._sort = column
        self._ascending = column in {"state", "endpoint", "success"}  # what needs attention comes first
        self.paint(force=True)

    @on(Grid.Chosen)
    def _chosen(self, event: Grid.Chosen) -> None:
        self.console.go_to(event.key)

    def text_of(self, row: Target) -> str:
        """See Filtered."""
        stats = row.stats
        state = "disabled" if stats.disabled is not None else stats.breaker
        why = f"{stats.breaker_reason or ''} {stats.disabled or ''}"
        return f"{state} {stats.url} {stats.endpoint} {stats.application} {why}"

    def subject(self) -> Subject | None:
        """See Acting."""
        row = self.grid.row
        return self.known(row.stats.endpoint) if isinstance(row, Target) else None

    def copied(self) -> tuple[str, str] | None:
        """See View."""
        row = self.grid.row
        return (row.stats.endpoint, "endpoint id") if isinstance(row, Target) else None


def severity(target: Target) -> int:
    """The least is the worst. A disabled endpoint was given up on: it comes after those that are being tried."""
    return 3 if target.stats.disabled is not None else _SEVERITY.get(target.stats.breaker, 1)


def waiting(target: Target) -> int:
    """Deliveries that wait for this endpoint."""
    stats = target.stats
    return max(stats.backlog, stats.pending or 0)


def reason(target: Target, clock: datetime | None) -> str:
    """Why it is in the state that it is in, and when that ends."""
    stats = target.stats
    if stats.disabled is not None:
        return stats.disabled or "disabled"
    if stats.breaker == "closed":
        return ""
    probe = f"probe {wording.until(stats.breaker_until, clock)}" if stats.breaker_until else ""
    return ", ".join(filter(None, (probe, stats.breaker_reason)))


def _success_role(good: int, bad: int) -> str:
    if not good + bad:
        return "faint"
    if not bad:
        return "ok"
    share = bad / (good + bad)
    if share < FEW:
        return ""
    return "warn" if share < HALF else "bad"


def _key(target: Target) -> str:
    return target.stats.endpoint
