"""What the tables share: the filter that works as it is typed, and, for live tails, pausing and following."""

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from tui import wording
from tui.board import Board
from tui.lines import Line, Span
from tui.matching import Filter
from tui.screens.view import View, joined
from tui.trust import skipped
from tui.widgets.grid import Grid

TEXTS_MAX: Final = 10_000


class FilterBar(Input):
    """Where the filter is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,down", "done", "Keep filter", show=False),
        Binding("escape", "drop", "Clear filter", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(placeholder="words that must be there · ! in front: must not · enter keeps · esc clears")

    def action_done(self) -> None:
        """Back to the table; the filter stays."""
        self.screen.query_one(Grid).focus()
        self.display = bool(self.value)

    def action_drop(self) -> None:
        """Back to the table, without a filter."""
        self.value = ""
        self.action_done()


class Filtered(View):
    """A screen with one table and a filter over it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("exclamation_mark", "invert", "Invert filter", show=False, key_display="!"),
        Binding("n", "hit(1)", "Next hit of the filter", show=False),
        Binding("N", "hit(-1)", "Hit before", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.filter = Filter()
        self._sought = self.filter  # the last one that was typed, for when it is cleared to see what is around

    def body(self) -> Iterable[Widget]:
        """See View."""
        yield self.table()
        bar = FilterBar()
        bar.display = False
        yield bar

    def table(self) -> Grid:
        """The table."""
        raise NotImplementedError

    @property
    def grid(self) -> Grid:
        """The table, once it is there."""
        return self.query_one(Grid)

    def filter_line(self) -> Line:
        """The filter in force."""
        return (Span(self.filter.words, "bold warn"),) if self.filter.active else ()

    def action_filter(self) -> None:
        """Type a filter."""
        bar = self.query_one(FilterBar)
        bar.display = True
        bar.focus()

    def action_invert(self) -> None:
        """Show what the filter kept out, and keep out what it showed."""
        bar = self.query_one(FilterBar)
        bar.value = bar.value[1:] if bar.value.startswith("!") else f"!{bar.value}"
        bar.display = True

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.filter = Filter(event.value)
        if self.filter.active:
            self._sought = self.filter
        self.refilter()
        self.paint()

    def text_of(self, row: Any) -> str:
        """What the filter looks at."""
        raise NotImplementedError

    def action_hit(self, step: int) -> None:
        """Move to the next row that the filter, or the one before it was cleared, lets through."""
        if not self._sought.active:
            self.console.say("there is no filter yet: / makes one", "warning")
        elif not self.grid.seek(lambda row: self._sought.matches(self.text_of(row)), step):
            self.console.say(f"no other row matches {self._sought.words}", "warning")

    def refilter(self) -> None:
        """Show the rows anew, as the filter is now."""
        self.paint(force=True)

    def clear(self) -> bool:
        """Drop the filter, if there is one."""
        bar = self.query_one(FilterBar)
        if not bar.value and not bar.display:
            return False
        bar.action_drop()
        return True


class Tail(Filtered):
    """A live table that goes along with what is new while its end is in sight, and else holds still and counts."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p,space", "pause", "Pause", key_display="p"),
        Binding("G,end", "follow", "Follow", key_display="G"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._taken: list[Any] = []
        self._taken_count = 0
        self._board: Board | None = None  # another moment is another board: what is held is not of it
        self._texts: dict[str, tuple[Any, str]] = {}

    def key_of(self, row: Any) -> str:
        """The id of a row."""
        raise NotImplementedError

    def rows(self, board: Board) -> tuple[list[Any], int]:
        """All rows, the newest last, and how many there have ever been."""
        raise NotImplementedError

    def show(self, board: Board) -> None:
        """Go along, or hold still."""
        if self.grid.following or not self._taken or board is not self._board:
            self._board = board
            self._taken, self._taken_count = self.rows(board)
            self.refilter()
        else:
            self.grid.redraw()

    def refilter(self) -> None:
        """The filter works on what is held, too."""
        self.grid.show(self.filter.over(self._taken, self._text) if self.filter.active else self._taken)

    def _text(self, row: Any) -> str:
        """What a row reads like, kept: at full rate thousands of rows are looked at five times a second."""
        key = self.key_of(row)
        known = self._texts.get(key)
        if known is not None and known[0] is row:
            return known[1]
        if len(self._texts) >= TEXTS_MAX:
            self._texts.clear()
        text = self.text_of(row)
        self._texts[key] = (row, text)
        return text

    def state(self, board: Board) -> Line:
        """Following or paused, and what has come since."""
        if self.grid.following:
            mode: Line = (Span("following ▼", "ok"),)
        else:
            fresh = self.rows(board)[1] - self._taken_count
            new = f" +{wording.count(fresh)} new" if fresh else ""
            mode = (Span("‖ paused", "bold warn"), Span(f"{new} · G follows", "warn"))
        return joined(self.filter_line(), skipped(board), mode)

    def action_pause(self) -> None:
        """Hold still, or go on."""
        if self.grid.following:
            self.grid.hold()
        else:
            self.grid.follow()
        self.paint(force=True)

    def action_follow(self) -> None:
        """Go along with what is new."""
        self.grid.follow()
        self.paint(force=True)

    @on(Grid.Moved)
    def _moved(self) -> None:
        self.paint(force=self.grid.following)
