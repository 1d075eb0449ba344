"""The one place where what is shown becomes what a terminal gets: spans are made harmless here, whoever wrote them.

A Canvas is a widget that is a list of lines. Of a new drawing, only the lines that differ are painted, so that a
quiet screen costs nothing and a busy one little, also over a slow wire.
"""

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.lines import BLANK, Line, clean
from tui.themes import Palette


def strip_of(of: Line, width: int, palette: Palette, ground: Style) -> Strip:
    """A line as a terminal gets it, exactly so wide."""
    segments = [Segment(clean(span.text), ground + palette[span.role]) for span in of]
    return Strip(segments).adjust_cell_length(width, ground)


class Canvas(Widget):
    """Draws lines. Subclasses answer `draw`; whoever changes what they show calls `redraw`."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id, classes=classes)
        self._lines: list[Line] = []
        self._palette: Palette | None = None

    def draw(self, width: int, height: int) -> list[Line]:
        """The lines of the widget, at most `height` of them."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw again, and paint the lines that changed."""
        width, height = self.size
        if not width or not height:
            return
        fresh = self.draw(width, height)[:height]
        fresh += [BLANK] * (height - len(fresh))
        old = self._lines
        if len(old) != height:
            self._lines = fresh
            self.refresh()
            return
        changed = [y for y in range(height) if fresh[y] != old[y]]
        self._lines = fresh
        if len(changed) > height // 2:
            self.refresh()
        elif changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def on_resize(self) -> None:
        """Fill the new size."""
        self._lines = []
        self.redraw()

    def notify_style_update(self) -> None:
        """Take the colours of another theme."""
        super().notify_style_update()
        self._palette = None

    def render_line(self, y: int) -> Strip:
        """Paint one line."""
        if self._palette is None:
            self._palette = Palette(self.app.theme_variables)
        line = self._lines[y] if y < len(self._lines) else BLANK
        return strip_of(line, self.size.width, self._palette, self.rich_style)
