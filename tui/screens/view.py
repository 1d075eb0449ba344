"""What all screens share: the head, the banner, the footer, and when to paint.

A screen is painted when the application says so, at most five times a second, and only when the board has changed or
a second has gone by (ages and countdowns are on the screen). `show` is where a screen does its work.
"""

from collections.abc import Iterable
from typing import ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer

from tui import trust as words
from tui.board import Board
from tui.console import Console
from tui.lines import Line, Span
from tui.widgets.header import Banner, Header
from tui.widgets.slider import Slider


class View(Screen[None]):
    """A screen of the console."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide"), (136, "-broad")]  # noqa: RUF012 - declared so by Textual
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]  # noqa: RUF012
    VIEW: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__()
        self._painted: tuple[Board | None, int, int] = (None, -1, -1)
        self._ready = False

    @property
    def console(self) -> Console:
        """The application."""
        return cast("Console", self.app)

    @property
    def crumbs(self) -> tuple[str, ...]:
        """The way here, outermost first."""
        mine = (self.crumb,)
        stack = [each for each in self.app.screen_stack if isinstance(each, View)]
        return tuple(each.crumb for each in stack) if self in stack else mine

    @property
    def crumb(self) -> str:
        """The name of this step of the way."""
        return self.VIEW.capitalize()

    @property
    def root(self) -> str:
        """The view that this screen belongs to."""
        return next((each.VIEW for each in self.app.screen_stack if isinstance(each, View)), self.VIEW)

    # --- for subclasses

    def body(self) -> Iterable[Widget]:
        """The widgets between head and footer."""
        raise NotImplementedError

    def show(self, board: Board) -> None:
        """Put the board onto the widgets."""
        raise NotImplementedError

    def state(self, board: Board) -> Line:
        """What to say at the right of the second line."""
        return words.skipped(board)

    def copied(self) -> tuple[str, str] | None:
        """What `y` copies, and its name."""
        return None

    def own_bindings(self) -> list[Binding]:
        """The keys that only this screen has, as things stand, each action once."""
        found: dict[tuple[str, str], Binding] = {}
        for cls in type(self).__mro__:
            if issubclass(cls, View):
                for each in cls.__dict__.get("BINDINGS", ()):
                    if isinstance(each, Binding) and self.check_action(each.action.partition("(")[0], ()):
                        found.setdefault((each.action, each.key), each)
        return list(found.values())

    # --- machinery

    def compose(self) -> ComposeResult:
        """Put head, body and footer together."""
        yield Header(self.VIEW or self.root)
        yield Banner()
        yield from self.body()
        yield Slider()
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Show what is known, before anything has come."""
        self._ready = True
        self.paint(force=True)

    def on_screen_resume(self) -> None:
        """Catch up with what happened while another screen was shown."""
        self.paint(force=True)

    def on_resize(self) -> None:
        """Fill the new size."""
        self.call_after_refresh(self.paint, force=True)

    def paint(self, *, force: bool = False) -> None:
        """Show the board, if there is something new to see."""
        if not self._ready or not self.query(Header):
            return  # not yet put together, or already taken apart
        board, now = self.console.board, self.console.now()
        trust = board.trust(now)
        past, slide = self.console.past, self.console.slide()
        right = words.trust_line(trust, writable=self.console.writable, clock=self.console.clock(), past=bool(past))
        state = self.state(board)
        self.query_one(Header).show(right, self.crumbs, state)
        banner = self.query_one(Banner)
        banner.show(words.as_of(past) if past else words.banner(board, trust))
        self.query_one(Slider).show(slide)
        self.set_class(slide is not None, "-past")
        self.set_class(not trust.current, "-stale")
        stamp = (board, board.changes, int(now))
        if force or stamp != self._painted:
            self._painted = stamp
            self.show(board)

    def action_copy(self) -> None:
        """Copy the id of what is under the cursor."""
        if (found := self.copied()) is not None:
            self.console.copy(*found)


def joined(*parts: Line) -> Line:
    """Remarks beside each other, those that say nothing left out."""
    spans: list[Span] = []
    for part in parts:
        if part:
            spans += [Span(" · ", "faint")] if spans else []
            spans += part
    return tuple(spans)
