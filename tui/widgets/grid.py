"""The table: rows keyed by id, drawn only where they are seen. The cursor stays on its row, wherever the row goes.

It is not Textual's DataTable, which keeps a cell object for all it holds and lays out anew for each row that comes
or goes: here five thousand rows cost what the forty on the screen cost, and no row is ever added or removed.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from tui.lines import BLANK, Line, Span, centred, fit, line
from tui.widgets.scroller import Scroller

WIDE_CELLS = 110


class Column(NamedTuple):
    """A column. Of those that do not all fit, the ones of the highest `rank` vanish; `grow` shares what is left."""

    name: str
    title: str
    width: int
    rank: int = 0
    align: str = "left"
    grow: int = 0


class Grid(Scroller):
    """A table. `key_of` names a row, `cells_of` draws one: its lines by name of column."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "choose", "Open")]

    class Chosen(Message):
        """The operator opens a row."""

        def __init__(self, key: str, grid: str | None) -> None:
            super().__init__()
            self.key = key
            self.grid = grid  # its id

    class Moved(Message):
        """The operator moved the cursor or the view; `following` may have changed with it."""

    class HeadClicked(Message):
        """The operator clicks on a column's title."""

        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    def __init__(
        self,
        columns: Sequence[Column],
        key_of: Callable[[Any], str],
        cells_of: Callable[[Any], dict[str, Line]],
        *,
        tail: bool = False,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        self._tail = tail
        self.following = tail  # whether the cursor goes along with the last row
        self.pinned = False  # held on purpose: reaching the end is not enough to follow again
        self._columns = tuple(columns)
        self._key_of = key_of
        self._cells_of = cells_of
        self._rows: Sequence[Any] = ()
        self._fitting: tuple[int, list[tuple[Column, int]]] = (0, [])
        self.index = 0
        self.key: str | None = None
        self.sorted_by: tuple[str, bool] | None = None  # column, and whether the smallest comes first
        self.empty: list[Line] = []

    # --- what it shows

    def show(self, rows: Sequence[Any]) -> None:
        """Show these rows. The cursor keeps to its key; following, it is on the last row."""
        page = self.page()
        was_at = self.index - self.top
        self._rows = rows
        if not rows:
            self.index, self.top, self.key = 0, 0, None
        elif self.following:
            self.index = len(rows) - 1
            self.key = self._key_of(rows[self.index])
            self.top = self.top_max()
        else:
            self.index = self._find()
            self.key = self._key_of(rows[self.index])
            if 0 <= was_at < page:  # the cursor is on the screen, and stays at its height
                self.top = self.index - was_at
            self.top = min(max(self.top, 0), self.top_max())
        self.redraw()

    def _find(self) -> int:
        if self.key is None:
            return min(self.index, len(self._rows) - 1)
        if self.index < len(self._rows) and self._key_of(self._rows[self.index]) == self.key:
            return self.index
        for at, row in enumerate(self._rows):
            if self._key_of(row) == self.key:
                return at
        return min(self.index, len(self._rows) - 1)

    @property
    def row(self) -> Any:
        """The row under the cursor; None when there is none."""
        return self._rows[self.index] if self.index < len(self._rows) else None

    def hold(self) -> None:
        """Stop following, until asked to follow."""
        self.following, self.pinned = False, True

    def follow(self) -> None:
        """Go along with the last row again."""
        self.following, self.pinned = self._tail, False

    def _moved(self, rows: int) -> None:
        """Up is away from the end; down to the end is back, unless held on purpose."""
        at_end = self.index >= len(self._rows) - 1
        if rows < 0 and not (at_end and self.total() <= self.page()):
            self.following = False
        elif rows >= max(self.total(), 2) or (at_end and rows > 0 and not self.pinned):
            self.follow()
        self.post_message(self.Moved())

    def total(self) -> int:
        """See Scroller."""
        return len(self._rows)

    def page(self) -> int:
        """See Scroller: one line is the head."""
        return max(self.size.height - 1, 1)

    # --- moving

    def action_move(self, rows: int) -> None:
        """Move the cursor, and the view with it as far as needed."""
        if self._rows:
            self._to(self.index + rows)
        self._moved(rows)

    def seek(self, wanted: Callable[[Any], bool], step: int) -> bool:
        """Move the cursor to the next such row, around the end; answers whether there is one."""
        total = len(self._rows)
        for far in range(1, total):
            at = (self.index + far * step) % total
            if wanted(self._rows[at]):
                moved = at - self.index
                self._to(at)
                self._moved(moved)
                return True
        return False

    def scroll_rows(self, rows: int) -> None:
        """Move the view; the cursor comes along when it would leave the screen."""
        self.top = min(max(self.top + rows, 0), self.top_max())
        if self._rows:
            if self.top == self.top_max() and rows > 0:
                self._to(len(self._rows) - 1)
            else:
                self._to(min(max(self.index, self.top), self.top + self.page() - 1))
        self._moved(rows)

    def _to(self, index: int) -> None:
        self.index = min(max(index, 0), len(self._rows) - 1)
        self.key = self._key_of(self._rows[self.index])
        self.top = max(min(self.top, self.index), self.index - self.page() + 1, 0)
        self.redraw()

    def action_choose(self) -> None:
        """Open the row under the cursor."""
        if self.key is not None and self._rows:
            self.post_message(self.Chosen(self.key, self.id))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on a row; a second click opens it. On the head: the column."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0:
            if (column := self._column_at(offset.x)) is not None:
                self.post_message(self.HeadClicked(column))
            return
        at = self.top + offset.y - 1
        if at >= len(self._rows):
            return
        again = at == self.index
        moved = at - self.index
        self._to(at)
        if again:
            self.action_choose()
        else:
            self._moved(moved)

    # --- drawing

    def draw(self, width: int, height: int) -> list[Line]:
        """See Canvas."""
        columns = self.fitting(width - 2)
        head = self._head(columns)
        if not self._rows:
            above = max((height - 1 - len(self.empty)) // 2, 0)
            return [head, *[BLANK] * above, *(centred(each, width) for each in self.empty)]
        self.top = min(max(self.top, 0), self.top_max())
        seen = self._rows[self.top : self.top + self.page()]
        gap = self._gap(width)
        drawn = [self._drawn(row, columns, gap, at=self.top + y == self.index) for y, row in enumerate(seen)]
        return [head, *self.with_bar(drawn, width)]

    def _drawn(self, row: Any, columns: list[tuple[Column, int]], gap: str, *, at: bool) -> Line:
        cells = self._cells_of(row)
        spans: list[Span] = [Span("▌" if at else " ", "accent")]
        for number, (column, cells_wide) in enumerate(columns):
            if number:
                spans.append(Span(gap))
            spans += fit(cells.get(column.name, BLANK), cells_wide, column.align)
        if not at:
            return tuple(spans)
        ground = " on-cursor" if self.has_focus else " on-cursor-blur"
        return tuple(Span(span.text, f"{span.role}{ground}") for span in spans)

    def _head(self, columns: list[tuple[Column, int]]) -> Line:
        spans: list[Span] = [Span(" ")]
        for number, (column, cells_wide) in enumerate(columns):
            if number:
                spans.append(Span(self._gap(self.size.width)))
            title = column.title
            role = "muted"
            if self.sorted_by is not None and self.sorted_by[0] == column.name:
                title, role = f"{title} {'▲' if self.sorted_by[1] else '▼'}", "accent bold"
            spans += fit(line((title, role)), cells_wide, column.align)
        return tuple(spans)

    def fitting(self, width: int) -> list[tuple[Column, int]]:
        """The columns that fit, and how wide each is."""
        if self._fitting[0] == width:
            return self._fitting[1]
        gap = len(self._gap(width + 2))
        chosen = list(self._columns)
        while len(chosen) > 1 and sum(each.width for each in chosen) + gap * (len(chosen) - 1) > width:
            chosen.remove(max(reversed(chosen), key=lambda each: each.rank))
        spare = width - sum(each.width for each in chosen) - gap * (len(chosen) - 1)
        shares = sum(each.grow for each in chosen) or 1
        sized = [(each, max(each.width + max(spare, 0) * each.grow // shares, 1)) for each in chosen]
        self._fitting = (width, sized)
        return sized

    @staticmethod
    def _gap(width: int) -> str:
        return "  " if width >= WIDE_CELLS else " "

    def _column_at(self, x: int) -> str | None:
        start = 1
        for column, cells_wide in self.fitting(self.size.width - 2):
            if start <= x < start + cells_wide:
                return column.name
            start += cells_wide + len(self._gap(self.size.width))
        return None

    def on_focus(self) -> None:
        """Show that keys go here."""
        self.redraw()

    def on_blur(self) -> None:
        """Show that keys go elsewhere."""
        self.redraw()
