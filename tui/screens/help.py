"""Help: the keys of the screen it is opened on, and what the glyphs mean. And the prompt that goes to an id."""

from collections.abc import Iterable, Iterator
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from tui import wording
from tui.lines import Line, Span, line
from tui.screens.dialog import Dialog
from tui.widgets.paper import Paper

KEY_CELLS: Final = 14
MOVE: Final = (
    ("↑ ↓ j k", "move"),
    ("PgUp PgDn", "a page"),
    ("g G Home End", "first, last"),
    ("enter", "open"),
    ("esc", "back; clears the filter first"),
)
EVERYWHERE: Final = (
    ("1 2 3 4  [ ]", "overview, deliveries, targets, log; the one before, the next"),
    ("ctrl+o", "go to an id: msg_…, ep_…, msg_…/ep_…"),
    ("y", "copy the id under the cursor"),
    ("t  @", "back in time; to a moment, such as 2h ago"),
    ("ctrl+r", "reload; connect now"),
    ("ctrl+p", "all screens and actions, themes"),
    ("?", "this help"),
    ("q", "quit"),
)
PAST: Final = (
    ("← →  , .", "an event back, on"),
    ("space P", "play, stand still"),
    ("< >", "slower, faster"),
    ("{ }  ( )", "a minute, an hour back and on"),
    ("Home End", "first event, last event"),
    ("@", "to a moment: 2h ago, 2026-01-31T12:00:00Z"),
    ("t esc", "back to what is now"),
)


class HelpScreen(Dialog[None]):
    """The keys, for the screen called `name`, whose own keys are `own`."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "dismiss_help", "Close")]

    def __init__(self, title: str, own: Iterable[tuple[str, str]]) -> None:
        super().__init__()
        self._title = title
        self._own = list(own)

    def compose(self) -> ComposeResult:
        """A box in the middle."""
        with Vertical(classes="dialog") as box:
            box.border_title = f"help: {self._title}"
            box.border_subtitle = "esc closes"
            yield Paper()

    def on_mount(self) -> None:
        """Write it."""
        self.query_one(Paper).show(list(self._lines()))

    def _lines(self) -> Iterator[Line]:
        if self.app.check_action("play", ()):
            yield from _keys("in the past", PAST)
        if self._own:
            yield from _keys(self._title, self._own)
        yield from _keys("move", MOVE)
        yield from _keys("everywhere", EVERYWHERE)
        yield line(("deliveries", "bold accent"))
        yield from _legend(wording.DELIVERY.values())
        yield line()
        yield line(("endpoints", "bold accent"))
        yield from _legend(wording.BREAKER.values())

    def action_dismiss_help(self) -> None:
        """Back to the screen."""
        self.end()


class Prompt(Dialog[str]):
    """Asks for one line; "" when it is left."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]

    TITLE_OF_BOX: ClassVar[str]
    SUBTITLE_OF_BOX: ClassVar[str]
    EXAMPLES: ClassVar[str]

    def compose(self) -> ComposeResult:
        """A line to type in."""
        with Vertical(classes="dialog prompt") as box:
            box.border_title = self.TITLE_OF_BOX
            box.border_subtitle = self.SUBTITLE_OF_BOX
            yield Input(placeholder=self.EXAMPLES)

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        self.end(event.value.strip())

    def action_leave(self) -> None:
        """Nowhere."""
        self.end("")


class WhenScreen(Prompt):
    """Asks for a moment."""

    TITLE_OF_BOX = "go to a moment"
    SUBTITLE_OF_BOX = "enter goes there, esc goes back"
    EXAMPLES = "2h ago   1d 12h ago   2026-01-31T12:00:00Z   2026-01-31"


class GoToScreen(Prompt):
    """Asks for an id."""

    TITLE_OF_BOX = "go to"
    SUBTITLE_OF_BOX = "enter opens, esc goes back"
    EXAMPLES = "msg_…   ep_…   msg_…/ep_…"


def _keys(title: str, keys: Iterable[tuple[str, str]]) -> Iterator[Line]:
    yield line((title, "bold accent"))
    for key, words in keys:
        yield line((f"  {key:<{KEY_CELLS}}", "bold"), words)
    yield line()


def _legend(looks: Iterable[wording.Look]) -> Iterator[Line]:
    found = list(looks)
    for start in range(0, len(found), 4):
        yield tuple(Span(f"  {look.glyph} {look.word:<10}", look.role) for look in found[start : start + 4])
