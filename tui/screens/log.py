"""Log: every event as it stands in the log, and the one under the cursor in full."""

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget

from tui import pages, wording
from tui.board import Board
from tui.frames import Happened
from tui.lines import Line, line
from tui.screens.filtered import Tail
from tui.summary import summary
from tui.widgets.grid import Column, Grid
from tui.widgets.paper import Paper

COLUMNS: Final = (
    Column("at", "TIME", 12),
    Column("position", "POSITION", 10, 2),
    Column("type", "EVENT", 20),
    Column("stream", "STREAM", 11, 1),
    Column("what", "WHAT", 30, 0, grow=1),
    Column("actor", "ACTOR", 14, 3),
)
EMPTY: Final = [
    line(("Nothing has happened yet.", "bold")),
    line(),
    line(("Everything that hookd does is appended here the moment it happens.", "muted")),
]


class LogScreen(Tail):
    """See the module."""

    VIEW = "log"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d,tab", "detail", "Detail pane", key_display="d"),
        Binding("y", "copy", "Copy id", show=False),
    ]

    def table(self) -> Grid:
        """See Filtered."""
        grid = Grid(COLUMNS, self.key_of, _cells, tail=True)
        grid.empty = EMPTY
        return grid

    def body(self) -> Iterable[Widget]:
        """See View."""
        yield from super().body()
        yield Paper(id="detail")

    def rows(self, board: Board) -> tuple[list[Any], int]:
        """See Tail."""
        return list(board.log), board.log_count

    def key_of(self, row: Happened) -> str:
        """See Tail."""
        return row.position

    def text_of(self, row: Happened) -> str:
        """See Tail."""
        return f"{row.type} {row.stream} {row.endpoint or ''} {row.actor} {row.position} {summary(row)}"

    def refilter(self) -> None:
        """Show the event under the cursor, too."""
        nothing = [
            line(("No event matches ", "muted"), (self.filter.words, "bold warn")),
            line(("esc clears", "muted")),
        ]
        self.grid.empty = nothing if self._taken and self.filter.active else EMPTY
        super().refilter()
        self._detail()

    @on(Grid.Moved)
    def _under_cursor(self) -> None:
        self._detail()

    def _detail(self) -> None:
        row = self.grid.row
        hint = [line(("Move to an event to read it in full.", "muted"))]
        self.query_one("#detail", Paper).show(list(pages.event(row)) if isinstance(row, Happened) else hint)

    def action_detail(self) -> None:
        """Move between the table and the event."""
        paper = self.query_one("#detail", Paper)
        (self.grid if paper.has_focus else paper).focus()

    @on(Grid.Chosen)
    def _chosen(self) -> None:
        row = self.grid.row
        if isinstance(row, Happened):
            self.console.go_to(f"{row.stream}/{row.endpoint}" if row.endpoint else row.stream)

    def copied(self) -> tuple[str, str] | None:
        """See View."""
        row = self.grid.row
        return (row.stream, "id of the stream") if isinstance(row, Happened) else None


def _cells(row: Happened) -> dict[str, Line]:
    glyph, role = wording.event(row.type)
    return {
        "at": line((wording.clock_ms(row.at), "muted")),
        "position": line((row.position, "faint")),
        "type": line((f"{glyph} {row.type}", role)),
        "stream": line((wording.short(row.stream), "info")),
        "what": line(summary(row)),
        "actor": line((row.actor, "muted")),
    }
