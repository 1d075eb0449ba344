"""The dialogs before an act: how far back, where that must be known; then what it would do, and whether to do it.

The daemon is asked first how much would be touched. Whoever only presses enter changes nothing.
"""

import textwrap
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Final, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from events.when import BadWhen
from tui import acts, wording
from tui.acts import Act, Subject
from tui.client import Refused, Unreachable
from tui.console import Console
from tui.lines import BLANK, Line, clean, crop, line
from tui.pages import fact
from tui.screens.dialog import Dialog
from tui.widgets.choices import Choice, Choices
from tui.widgets.paper import Paper

SPIN: Final = "◐◓◑◒"
SPIN_S: Final = 0.2
SUGGESTED: Final = ("1h", "1d", "7d")
CANCEL: Final = Choice("cancel", "Cancel")
UNKNOWN: Final = "whether it was done is not known: look at the log"


class ConfirmScreen(Dialog[None]):
    """Asks for `act` upon `subject`, does it, and says what came of it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n,q", "cancel", "Cancel", show=False),
        Binding("y", "go", "Do it", show=False),
    ]

    def __init__(self, act: Act, subject: Subject, since: datetime | None = None) -> None:
        super().__init__()
        self._act = act
        self._subject = subject
        self._since = since
        self._request = acts.request(act, subject, since)
        self._count: int | None = None
        self._failure = ""
        self._sending = False
        self._done = 0
        self._turn = 0

    @property
    def console(self) -> Console:
        """The application."""
        return cast("Console", self.app)

    def compose(self) -> ComposeResult:
        """The facts, and two buttons."""
        with Vertical(classes="dialog confirm") as box:
            box.border_title = self._act.title
            paper = Paper()
            paper.can_focus = False
            yield paper
            yield Choices([CANCEL])

    def on_mount(self) -> None:
        """Ask how much it would touch."""
        self.query_one(Choices).focus()
        self.set_interval(SPIN_S, self._spin)
        self.show()
        self.run_worker(self._ask(), group="act")

    def show(self) -> None:
        """Write what is known."""
        self.query_one(Paper).show(list(self._lines()))
        box = self.query_one(Vertical)
        box.border_subtitle = "" if self._sending else "enter, esc: cancel" + (" · y: do it" if self._ready else "")

    def on_resize(self) -> None:
        """Long lines are cut to the new width."""
        self.call_after_refresh(self.show)

    @property
    def _ready(self) -> bool:
        return bool(self._count) and not self._failure

    def _lines(self) -> Iterator[Line]:
        act, subject = self._act, self._subject
        room = max(self.query_one(Paper).size.width - 1, 20)
        yield from prose(act.explained, "bold", room)
        yield BLANK
        for name, value in (
            ("endpoint", subject.url),
            ("", subject.endpoint),
            ("message", subject.message),
            ("since", f"{wording.day(self._since)} UTC" if self._since else ""),
        ):
            for each in fact(name, value):
                yield crop(each, room)
        yield BLANK
        if self._failure:
            yield from prose(f"✗ {self._failure}", "bad", room)
        elif self._sending:
            so_far = f" {acts.counted(act, self._done)} so far" if self._done else ""
            yield line((f"{SPIN[self._turn % len(SPIN)]} {act.doing} …{so_far}", "bold accent"))
        elif self._count is None:
            yield line((f"{SPIN[self._turn % len(SPIN)]} asking what it would touch …", "muted"))
        elif not self._count:
            yield line((act.nothing, "warn"))
        else:
            yield line(("touches ", "muted"), (acts.counted(act, self._count), "bold warn"))

    def _spin(self) -> None:
        if self._sending or (self._count is None and not self._failure):
            self._turn += 1
            self.show()

    async def _ask(self) -> None:
        try:
            self._count = acts.touches(await self.console.do(*self._request, dry=True))
        except (Unreachable, Refused) as error:
            self._failure = str(error)
        if self._ready:
            do = Choice("go", f"y  {self._act.button}", "warn")
            self.query_one(Choices).offer([CANCEL, do])
        else:
            self.query_one(Choices).offer([Choice("cancel", "Close")])
        self.show()

    @on(Choices.Pressed)
    def _pressed(self, event: Choices.Pressed) -> None:
        if event.name == "go":
            self.action_go()
        else:
            self.action_cancel()

    def action_cancel(self) -> None:
        """Leave all as it is. What was sent already cannot be called back."""
        if not self._sending:
            self.end()

    def action_go(self) -> None:
        """Do it, once."""
        if not self._ready or self._sending:
            return
        if why := self.console.why_not():
            self._fail(why)
            return
        self._sending = True
        self.query_one(Choices).offer([])
        self.show()
        self.run_worker(self._do(), group="act")

    async def _do(self) -> None:
        answer: acts.Answer = {}
        more = True
        try:
            while more:
                answer = await self.console.do(*self._request, dry=False)
                count, done = acts.touched(answer)
                self._done += count
                more = not done and bool(count)
                self.show()
        except Unreachable as error:
            self._fail(f"{error}; {UNKNOWN}")
        except Refused as refused:
            self._fail(str(refused))
        else:
            self.console.say(acts.told(self._act, self._subject, self._done, answer))
            self.console.acted()
            self.end()

    def _fail(self, why: str) -> None:
        self._failure, self._sending = why, False
        self.query_one(Choices).offer([Choice("cancel", "Close")])
        self.show()


class SinceScreen(Dialog[datetime]):
    """Asks how far back."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back", show=False)]

    def __init__(self, act: Act, now: datetime) -> None:
        super().__init__()
        self._act = act
        self._now = now

    def compose(self) -> ComposeResult:
        """A line to type in, and what is often typed."""
        with Vertical(classes="dialog since") as box:
            box.border_title = f"{self._act.title}: what was accepted since"
            box.border_subtitle = "enter goes on, tab chooses, esc goes back"
            yield Input(placeholder="1h   1d   7d   2026-01-31T12:00Z")
            yield Choices([*(Choice(each, each) for each in SUGGESTED), CANCEL])

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        self._take(event.value)

    @on(Choices.Pressed)
    def _pressed(self, event: Choices.Pressed) -> None:
        if event.name == CANCEL.name:
            self.action_leave()
        else:
            self._take(event.name)

    def _take(self, typed: str) -> None:
        try:
            self.end(acts.since(typed, self._now))
        except BadWhen as bad:
            self.query_one(Vertical).border_subtitle = escaped(str(bad))

    def action_leave(self) -> None:
        """Nothing is asked for."""
        self.end()


def prose(words: str, role: str, cells: int) -> Iterator[Line]:
    """A sentence over as many lines as it takes, broken between words."""
    for each in textwrap.wrap(clean(words), cells):
        yield line((each, role))


def escaped(words: str) -> str:
    """Words for a border, which reads markup: without any."""
    return clean(words, 60).replace("[", "(").replace("]", ")")
