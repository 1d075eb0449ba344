"""Lines that are only looked at: a panel of facts, a chart. What does not fit is not shown."""

from collections.abc import Callable

from tui.lines import Line
from tui.widgets.paint import Canvas

Draw = Callable[[int, int], list[Line]]


class Sheet(Canvas):
    """Draws what a function of width and height answers."""

    def __init__(self, draw: Draw | None = None, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._draw = draw

    def show(self, draw: Draw) -> None:
        """Draw this from now on."""
        self._draw = draw
        self.redraw()

    def draw(self, width: int, height: int) -> list[Line]:
        """See Canvas."""
        return self._draw(width, height) if self._draw else []
