"""A page of lines to read: long lines wrap, at any width, and the place is kept when the page is renewed."""

from collections.abc import Sequence

from tui.lines import Line, wrap
from tui.widgets.scroller import Scroller

LINES_MAX = 20_000


class Paper(Scroller):
    """Shows lines."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._source: tuple[Line, ...] = ()
        self._wrapped: tuple[int, list[Line]] = (0, [])

    def show(self, lines: Sequence[Line]) -> None:
        """Show these."""
        fresh = tuple(lines)
        if fresh == self._source:
            return
        self._source = fresh
        self._wrapped = (0, [])
        self.redraw()

    def total(self) -> int:
        """See Scroller."""
        return len(self._rows())

    def draw(self, width: int, height: int) -> list[Line]:
        """See Canvas."""
        rows = self._rows()
        self.top = min(self.top, self.top_max())
        return self.with_bar(rows[self.top : self.top + height], width)

    def _rows(self) -> list[Line]:
        cells = max(self.size.width - 1, 1)
        if self._wrapped[0] != cells:
            rows: list[Line] = []
            for each in self._source:
                rows.extend(wrap(each, cells))
                if len(rows) > LINES_MAX:
                    break
            self._wrapped = (cells, rows)
        return self._wrapped[1]
