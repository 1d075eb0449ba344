"""What the table and the page have in common: more lines than fit, and the keys and the wheel to move among them."""

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType

from tui.lines import Line, Span, fit
from tui.widgets.paint import Canvas

WHEEL_LINES = 3


class Scroller(Canvas, can_focus=True):
    """A canvas over `total()` rows, of which `page()` are seen, from `top` on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
        Binding("home,g", "first", "First", show=False),
        Binding("end,G", "last", "Last", show=False),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.top = 0

    def total(self) -> int:
        """Rows in all."""
        raise NotImplementedError

    def page(self) -> int:
        """Rows that are seen at once."""
        return max(self.size.height, 1)

    def top_max(self) -> int:
        """The furthest the top can go."""
        return max(self.total() - self.page(), 0)

    def scroll_rows(self, rows: int) -> None:
        """Move what is seen."""
        self.top = min(max(self.top + rows, 0), self.top_max())
        self.redraw()

    def action_move(self, rows: int) -> None:
        """One row up or down."""
        self.scroll_rows(rows)

    def action_page(self, pages: int) -> None:
        """One page up or down."""
        self.action_move(pages * max(self.page() - 1, 1))

    def action_first(self) -> None:
        """Go to the first row."""
        self.action_move(-self.total())

    def action_last(self) -> None:
        """Go to the last row."""
        self.action_move(self.total())

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Wheel down."""
        event.stop()
        self.scroll_rows(WHEEL_LINES)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Wheel up."""
        event.stop()
        self.scroll_rows(-WHEEL_LINES)

    def with_bar(self, rows: list[Line], width: int) -> list[Line]:
        """Rows, with a scroll bar in the last column when there are more."""
        total, page = self.total(), self.page()
        if total <= page:
            return rows
        size = max(page * page // total, 1)
        room = page - size
        start = round(room * self.top / max(self.top_max(), 1))
        return [
            (
                *fit(row, width - 1),
                Span("▐" if start <= y < start + size else "│", "muted" if start <= y < start + size else "faint"),
            )
            for y, row in enumerate(rows + [()] * (page - len(rows)))
        ]
