"""A row of buttons, drawn like everything else: what stands on them is only text."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from tui.lines import Line, Span
from tui.widgets.paint import Canvas

GAP = 3


class Choice(NamedTuple):
    """A button: what it answers, its words, its role."""

    name: str
    words: str
    role: str = ""


class Choices(Canvas, can_focus=True):
    """Buttons beside each other. Enter presses the one that is lit, a click the one it hits."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,shift+tab", "turn(-1)", "Left", show=False),
        Binding("right,tab", "turn(1)", "Right", show=False),
        Binding("enter,space", "press", "Press", show=False),
    ]

    class Pressed(Message):
        """The operator chose."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, choices: Sequence[Choice] = ()) -> None:
        super().__init__()
        self._choices = tuple(choices)
        self._at = 0

    def offer(self, choices: Sequence[Choice]) -> None:
        """Other buttons; the first is lit."""
        self._choices, self._at = tuple(choices), 0
        self.redraw()

    def action_turn(self, step: int) -> None:
        """Light the next one; beyond the last, the keys go elsewhere, if there is an elsewhere."""
        to = self._at + step
        self._at = to % max(len(self._choices), 1)
        if to != self._at:
            (self.screen.focus_next if step > 0 else self.screen.focus_previous)()
        self.redraw()

    def action_press(self) -> None:
        """Press the one that is lit."""
        if self._choices:
            self.post_message(self.Pressed(self._choices[self._at].name))

    def on_click(self, event: events.Click) -> None:
        """Press the one under the pointer."""
        x = 0
        for each in self._choices:
            cells = len(each.words) + 4
            if x <= event.x < x + cells:
                self.post_message(self.Pressed(each.name))
            x += cells + GAP

    def draw(self, width: int, height: int) -> list[Line]:  # noqa: ARG002 - one line
        """See Canvas."""
        spans: list[Span] = []
        for number, each in enumerate(self._choices):
            lit = number == self._at and self.has_focus
            spans += [Span(" " * GAP)] if number else []
            marks = ("▐ ", " ▌") if lit else ("  ", "  ")
            role = f"bold {each.role} reverse" if lit else f"{each.role} on-bar"
            spans.append(Span(f"{marks[0]}{each.words}{marks[1]}", role))
        return [tuple(spans)]

    def on_focus(self) -> None:
        """Show that keys go here."""
        self.redraw()

    def on_blur(self) -> None:
        """Show that keys go elsewhere."""
        self.redraw()
