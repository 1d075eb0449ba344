"""The head of every screen: where one is, and whether what is shown can be trusted."""

from textual import events
from textual.message import Message

from tui.lines import Line, Span, line, spread, width
from tui.widgets.paint import Canvas

TABS = (
    ("1", "Overview", "overview"),
    ("2", "Deliveries", "deliveries"),
    ("3", "Targets", "targets"),
    ("4", "Log", "log"),
)


class Header(Canvas):
    """Two lines: the views and the trust line; the way here and the state of this view."""

    class TabClicked(Message):
        """The operator clicks on a view's name."""

        def __init__(self, view: str) -> None:
            super().__init__()
            self.view = view

    def __init__(self, view: str) -> None:
        super().__init__()
        self._view = view
        self._trust: Line = ()
        self._crumbs: tuple[str, ...] = ()
        self._state: Line = ()

    def show(self, trust: Line, crumbs: tuple[str, ...], state: Line) -> None:
        """Show this."""
        self._trust, self._crumbs, self._state = trust, crumbs, state
        self.redraw()

    def draw(self, width: int, height: int) -> list[Line]:  # noqa: ARG002 - always two
        """See Canvas."""
        crumbs: list[Span] = [Span(" ")]
        for number, crumb in enumerate(self._crumbs):
            last = number == len(self._crumbs) - 1
            crumbs += [Span(" ▸ ", "faint")] if number else []
            crumbs.append(Span(crumb, "bold" if last else "muted"))
        return [
            tuple(
                Span(span.text, f"{span.role} on-bar")
                for span in spread(self._tabs(), (*self._trust, Span(" ")), width)
            ),
            spread(tuple(crumbs), (*self._state, Span(" ")), width),
        ]

    def _tabs(self) -> Line:
        spans: list[Span] = [Span(" hookd ", "bold accent")]
        for key, name, view in TABS:
            here = view == self._view
            spans += line(
                (f" {key} ", "bold accent" if here else "muted"), (f"{name} ", "bold reverse" if here else "")
            )
        return tuple(spans)

    def on_click(self, event: events.Click) -> None:
        """Go to the view whose name was clicked."""
        x = width(line(" hookd "))
        for key, name, view in TABS:
            cells = len(f" {key} {name} ")
            if event.y == 0 and x <= event.x < x + cells:
                self.post_message(self.TabClicked(view))
            x += cells


class Banner(Canvas):
    """One line across the screen, there only while something is wrong."""

    def __init__(self) -> None:
        super().__init__()
        self._text: Line = ()

    def show(self, text: Line) -> None:
        """Show this, or nothing."""
        self._text = text
        self.display = bool(text)
        self.redraw()

    def draw(self, width: int, height: int) -> list[Line]:  # noqa: ARG002 - always one
        """See Canvas."""
        role = self._text[0].role if self._text else ""
        row = spread((Span(" ", role), *self._text), (Span(" ", role),), width)
        return [tuple(Span(span.text, span.role or role) for span in row)]
