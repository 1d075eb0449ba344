"""Overview: is it well? The second in figures, ten minutes as a chart, what needs somebody, what happened lately."""

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from tui import wording
from tui.board import Board, Target
from tui.frames import Happened
from tui.gauges import chart, health, tiles
from tui.lines import Line, line
from tui.screens.targets import reason, severity, waiting
from tui.screens.view import View
from tui.summary import summary
from tui.widgets.grid import Column, Grid
from tui.widgets.sheet import Sheet

ATTENTION_MAX: Final = 50
TROUBLE: Final = (
    Column("state", "STATE", 10),
    Column("endpoint", "ENDPOINT", 20, grow=3),
    Column("backlog", "BACKLOG", 8, 1, "right"),
    Column("why", "WHY", 20, 0, grow=3),
)
LATELY: Final = (
    Column("at", "TIME", 8),
    Column("what", "WHAT", 24, grow=1),
)
UNKNOWN: Final = [line(("Not known yet.", "muted"))]
WELL: Final = [line(("✓ All endpoints take what they are sent.", "ok"))]
QUIET: Final = [line(("Changes to endpoints, breakers and owners appear here.", "muted"))]


class OverviewScreen(View):
    """See the module."""

    VIEW = "overview"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Other pane", show=False),
        Binding("y", "copy", "Copy id", show=False),
    ]

    def body(self) -> Iterable[Widget]:
        """See View."""
        yield _titled(Sheet(id="tiles"), "now")
        with Horizontal(id="middle"):
            yield _titled(Sheet(id="chart"), "deliveries a second")
            yield _titled(Sheet(id="health"), "hookd and its log")
        with Horizontal(id="lower"):
            trouble = Grid(TROUBLE, _target_key, self._trouble, id="trouble")
            yield _titled(Vertical(trouble, id="trouble-box"), "needs attention")
            lately = Grid(LATELY, _event_key, _lately, tail=True, id="lately")
            lately.empty = QUIET
            yield _titled(Vertical(lately, id="lately-box"), "lately")

    def show(self, board: Board) -> None:
        """See View."""
        clock = self.console.clock()
        self.query_one("#tiles", Sheet).show(tiles(board))
        self.query_one("#chart", Sheet).show(chart(board))
        self.query_one("#health", Sheet).show(health(board, clock))
        rows = sorted(attention(board), key=lambda each: (severity(each), -waiting(each), each.stats.endpoint))
        box = self.query_one("#trouble-box")
        box.border_title = f"needs attention ({len(rows)})" if rows else "needs attention"
        trouble = self.query_one("#trouble", Grid)
        trouble.empty = UNKNOWN if board.stats is None else WELL  # nothing heard is not all well
        trouble.show(rows[:ATTENTION_MAX])
        self.query_one("#lately", Grid).show(list(board.notable))

    def _trouble(self, target: Target) -> dict[str, Line]:
        stats, board = target.stats, self.console.board
        good, bad = target.totals(board.second)
        why = reason(target, self.console.clock())
        if not why and bad:
            why = f"{wording.share(bad, good + bad)} of attempts fail"
        waits = waiting(target)
        return {
            "state": wording.breaker(stats.breaker, stats.disabled).line,
            "endpoint": line(wording.host(stats.url) or stats.endpoint),
            "backlog": line(
                (
                    wording.count(waits) if stats.counted or stats.pending is not None else wording.NONE,
                    "warn" if waits else "faint",
                )
            ),
            "why": line((why, "muted")),
        }

    @on(Grid.Chosen)
    def _chosen(self, event: Grid.Chosen) -> None:
        if event.grid == "trouble":
            self.console.go_to(event.key)
            return
        row = self.query_one("#lately", Grid).row
        if isinstance(row, Happened):
            self.console.go_to(row.stream)

    def copied(self) -> tuple[str, str] | None:
        """See View."""
        row: Any = self.query_one("#trouble", Grid).row
        return (row.stats.endpoint, "endpoint id") if isinstance(row, Target) else None


def attention(board: Board) -> list[Target]:
    """Endpoints that do not take what they are sent: not closed, disabled, or failing lately."""
    return [each for each in board.targets.values() if _troubled(each, board.second)]


def _troubled(target: Target, second: int) -> bool:
    if target.stats.breaker != "closed" or target.stats.disabled is not None:
        return True
    good, bad = target.totals(second)
    return bad * 20 > good + bad


def _lately(event: Happened) -> dict[str, Line]:
    glyph, role = wording.event(event.type)
    return {
        "at": line((wording.clock(event.at), "muted")),
        "what": line((f"{glyph} ", role), summary(event), (f"  {event.actor}", "faint")),
    }


def _titled(widget: Any, title: str) -> Any:
    widget.border_title = title
    widget.add_class("box")
    return widget


def _target_key(target: Target) -> str:
    return target.stats.endpoint


def _event_key(event: Happened) -> str:
    return event.position
