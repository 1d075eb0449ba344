"""The application: one feed, one board, one source, and the screens over them."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.theme import Theme
from textual.widgets import Input

from events.when import BadWhen, moment
from tui import saving, themes, wording
from tui.acts import READ_ONLY
from tui.board import Board
from tui.client import Refused, Unreachable
from tui.feed import Feed
from tui.frames import Link, Reset
from tui.lines import clean
from tui.screens.deliveries import DeliveriesScreen
from tui.screens.detail import DeliveryScreen, Detail, EndpointScreen, MessageScreen
from tui.screens.filtered import Filtered
from tui.screens.help import GoToScreen, HelpScreen, WhenScreen
from tui.screens.log import LogScreen
from tui.screens.overview import OverviewScreen
from tui.screens.targets import TargetsScreen
from tui.screens.view import View
from tui.source import Answer, Doer, Source
from tui.tape import Archive, FileFeed, LogTape, Tape
from tui.taste import Taste
from tui.then import PastSource
from tui.travel import PAST, Travel, play, slide
from tui.widgets.header import Header
from tui.widgets.slider import Slide, Slider

PAINT_S: Final = 0.2
TARGETS_EVERY_S: Final = 30.0
NOTICE_CHARS_MAX: Final = 200


class ConsoleApp(App[None]):
    """See the module. `ticks` is the monotonic clock, in seconds; `folder` is where `w` saves to."""

    CSS_PATH = "hookd.tcss"
    TITLE = "hookd"
    ENABLE_COMMAND_PALETTE = True
    MODES: ClassVar[dict[str, Any]] = {
        "overview": OverviewScreen,
        "deliveries": DeliveriesScreen,
        "targets": TargetsScreen,
        "log": LogScreen,
    }
    DEFAULT_MODE = "overview"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "view('overview')", "Overview", show=False),
        Binding("2", "view('deliveries')", "Deliveries", show=False),
        Binding("3", "view('targets')", "Targets", show=False),
        Binding("4", "view('log')", "Log", show=False),
        Binding("escape", "back", "Back", show=False),
        Binding("ctrl+o", "ask_where", "Go to id", show=False),
        Binding("ctrl+r,f5", "retry", "Reload", show=False),
        Binding("right_square_bracket", "turn(1)", "Next view", show=False, key_display="]"),
        Binding("left_square_bracket", "turn(-1)", "View before", show=False, key_display="["),
        Binding("t", "travel", "Time"),
        Binding("at", "ask_when", "Go to a moment", show=False, key_display="@"),
        Binding("P", "play('pause')", "Play or pause", show=False, key_display="P"),
        *(
            Binding(key, f"move('{what}')", show=False, priority=True)
            for key, what in (
                ("space", "pause"),
                ("right", "next"),
                ("left", "back"),
                ("home", "begin"),
                ("end", "end"),
            )
        ),
        Binding("right_parenthesis", "play('hour')", "An hour on", show=False, key_display=")"),
        Binding("left_parenthesis", "play('hour_back')", "An hour back", show=False, key_display="("),
        Binding("full_stop", "play('next')", "Next event", show=False, key_display="."),
        Binding("comma", "play('back')", "Back an event", show=False, key_display=","),
        Binding("greater_than_sign", "play('faster')", "Faster", show=False, key_display=">"),
        Binding("less_than_sign", "play('slower')", "Slower", show=False, key_display="<"),
        Binding("right_curly_bracket", "play('minute')", "A minute on", show=False, key_display="}"),
        Binding("left_curly_bracket", "play('minute_back')", "A minute back", show=False, key_display="{"),
        Binding("question_mark,f1", "help", "Help", key_display="?"),
        Binding("ctrl+p", "command_palette", "Commands", key_display="^p"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(
        self,
        feed: Feed,
        source: Source,
        *,
        taste: Taste | None = None,
        writable: bool = False,
        folder: Path | None = None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.feed = feed
        self._source = source
        self._travel: Travel | None = None
        self.taste = taste or Taste(None)
        self.writable = writable
        self.ticks = ticks
        self._folder = folder or Path()
        self._board = Board()
        self._asked_targets_at = float("-inf")
        for each in themes.THEMES:
            self.register_theme(each)
        self.theme = themes.DEFAULT
        if (liked := self.taste.theme()) in self.available_themes:
            self.theme = str(liked)

    # --- what screens ask for (tui.console.Console)

    @property
    def board(self) -> Board:
        """See Console."""
        return self._travel.board if self._travel and self._travel.ready else self._board

    @property
    def source(self) -> Source:
        """See Console."""
        return self._travel.source if self._travel and self._travel.ready else self._source

    @property
    def tape(self) -> Tape | None:
        """What plays, if anything does."""
        if isinstance(self.feed, FileFeed):
            return self.feed
        return self._travel.tape if self._travel else None

    @property
    def past(self) -> str:
        """See Console."""
        if self._travel is None or not self._travel.ready:
            return ""
        at = self._travel.at
        return f"{wording.day(at)} UTC ({wording.until(at, self._board.clock(self.ticks()))})"

    def slide(self) -> Slide | None:
        """See Console."""
        return slide(self.tape, self._board.clock(self.ticks())) if self.tape else None

    def now(self) -> float:
        """See Console."""
        return self.ticks()

    def clock(self) -> datetime | None:
        """See Console."""
        return self.board.clock(self.ticks())

    def go_to(self, identifier: str) -> None:
        """See Console."""
        screen: Screen[None]
        head = identifier.partition("/")[0]
        if identifier.startswith("msg_") and "/" in identifier:
            screen = DeliveryScreen(identifier)
        elif identifier.startswith("msg_"):
            screen = MessageScreen(identifier)
        elif head.startswith("ep_"):
            screen = EndpointScreen(head)
        else:
            self.say(f"{identifier or 'nothing'}: no message and no endpoint has such an id", "warning")
            return
        if not (isinstance(self.screen, Detail) and self.screen.identifier == screen.identifier):
            self.push_screen(screen)

    def copy(self, text: str, what: str) -> None:
        """See Console."""
        self.copy_to_clipboard(text)
        self.say(f"copied the {what}: {text.splitlines()[0] if text else ''}")

    def say(self, words: str, severity: Any = "information") -> None:
        """A notice in the corner; what it says may come from strangers."""
        self.notify(clean(words, NOTICE_CHARS_MAX), severity=severity, markup=False, timeout=4)

    def why_not(self) -> str:
        """See Console."""
        if self._travel is not None:
            return PAST
        if not isinstance(self.source, Doer):
            return "what is past cannot be changed"
        if not self.writable:
            return READ_ONLY
        if (state := self.board.trust(self.ticks()).state) not in {"live", "silent"}:
            return f"{wording.LINK[state].word}: nothing can be changed now (ctrl+r connects)"
        return ""

    async def do(self, path: str, body: Answer, *, dry: bool) -> Answer:
        """See Console."""
        if not isinstance(self.source, Doer):
            raise Refused("what is past cannot be changed", 0)
        return await self.source.do(path, body, dry=dry)

    def acted(self) -> None:
        """See Console."""
        self._asked_targets_at = float("-inf")

    def save(self, name: str, text: str) -> None:
        """See Console."""
        try:
            self.say(saving.told(saving.save(self._folder, name, text)))
        except OSError as error:
            self.say(f"could not be saved: {error}", "error")

    # --- the flow

    def on_mount(self) -> None:
        """Paint first, connect then."""
        self.theme_changed_signal.subscribe(self, self._theme_changed)
        self.set_interval(PAINT_S, self.paint)
        self.run_worker(self._read(), group="feed", exclusive=True)

    async def _read(self) -> None:
        async for frame in self.feed.frames():
            if isinstance(frame, Reset):
                link, self._board = self._board.link, Board()
                self._board.take(link, self.ticks())
                continue
            self._board.take(frame, self.ticks())
            if isinstance(frame, Link) and frame.state == "live":
                self._asked_targets_at = float("-inf")

    def paint(self) -> None:
        """Show what came; ask for what does not come by itself."""
        view = next((each for each in reversed(self.screen_stack) if isinstance(each, View)), None)
        if view is not None:
            view.paint()
        now = self.ticks()
        if self._board.link.state == "live" and now - self._asked_targets_at >= TARGETS_EVERY_S:
            self._asked_targets_at = now
            self.run_worker(self._ask_targets(), group="targets", exclusive=True)

    async def _ask_targets(self) -> None:
        try:
            pages = await self._source.targets()
        except (Unreachable, Refused):
            return  # the stream's own trouble is on the screen already
        for page in pages:
            self._board.take(page, self.ticks())

    def _theme_changed(self, theme: Theme) -> None:
        self.taste.keep_theme(theme.name)
        for stack in self._screen_stacks.values():
            for screen in stack:
                if isinstance(screen, View):
                    screen.refresh(layout=True)

    # --- keys

    async def action_view(self, view: str) -> None:
        """Go to one of the views; to the one that is shown: back to its table."""
        if self.current_mode == view:
            while len(self.screen_stack) > 1:
                await self.pop_screen()
        else:
            await self.switch_mode(view)

    async def action_turn(self, step: int) -> None:
        """Go to the view beside this one."""
        views = list(self.MODES)
        await self.action_view(views[(views.index(self.current_mode) + step) % len(views)])

    def on_header_tab_clicked(self, event: Header.TabClicked) -> None:
        """A view's name was clicked."""
        self.run_worker(self.action_view(event.view))

    async def action_back(self) -> None:
        """Clear the filter; or one step back; from the past, to what is now."""
        if isinstance(self.screen, Filtered) and self.screen.clear():
            return
        if len(self.screen_stack) > 1:
            self.pop_screen()
        elif self._travel is not None:
            self._return()

    def action_retry(self) -> None:
        """Connect now; and ask for the targets again."""
        self.feed.retry()
        self._asked_targets_at = float("-inf")

    # --- the past

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """The keys that move through time are there while one is in the past."""
        match action:
            case "play":
                return self.tape is not None
            case "move":  # keys that mean something else while one types, and on dialogs
                return self.tape is not None and isinstance(self.screen, View) and not isinstance(self.focused, Input)
            case "travel" | "ask_when":
                return isinstance(self._source, Archive) or (action == "ask_when" and self.tape is not None)
        return True

    def action_play(self, what: str) -> None:
        """Move through time."""
        if self.tape is not None:
            play(self.tape, what)

    def action_move(self, what: str) -> None:
        """The same, by keys that have a meaning of their own while live."""
        self.action_play(what)

    def action_travel(self) -> None:
        """Into the past; from there, back to what is now."""
        if self._travel is not None:
            self._return()
        elif isinstance(self._source, Archive):
            self._depart(self._source, None)

    def action_ask_when(self) -> None:
        """Ask for a moment, and go there."""

        def typed(words: str | None) -> None:
            if not words:
                return
            now = self._board.clock(self.ticks())
            try:
                at = moment(words, now or datetime.min.replace(tzinfo=UTC))
            except BadWhen as bad:
                self.say(str(bad), "warning")
                return
            if self.tape is not None:
                self.tape.seek(at)
            elif isinstance(self._source, Archive):
                self._depart(self._source, at)

        self.push_screen(WhenScreen(), typed)

    def on_slider_asked(self, event: Slider.Asked) -> None:
        """The bar was clicked."""
        shown = self.slide()
        if self.tape is not None and shown is not None and shown.first is not None and shown.now is not None:
            self.tape.seek(shown.first + (shown.now - shown.first) * event.share)

    def _depart(self, archive: Archive, at: datetime | None) -> None:
        tape = LogTape(archive, at, ticks=self.ticks)
        self._travel = Travel(tape, PastSource(self._source, tape))
        self.run_worker(self._travel.run(self.ticks), group="tape", exclusive=True)
        self.paint()

    def _return(self) -> None:
        self._travel = None
        self.workers.cancel_group(self, "tape")
        self.say("live again")
        self.paint()

    # --- dialogs

    def action_ask_where(self) -> None:
        """Ask for an id, and go there."""

        def typed(identifier: str | None) -> None:
            if identifier:
                self.go_to(identifier)

        self.push_screen(GoToScreen(), typed)

    async def action_help(self) -> None:
        """The keys of this screen."""
        screen = self.screen
        if not isinstance(screen, View):
            return
        own = [(each.key_display or each.key, each.description) for each in screen.own_bindings() if each.description]
        self.push_screen(HelpScreen(screen.crumbs[0].lower() if screen.VIEW else "details", own))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """All screens and actions, for the palette."""
        for number, view in enumerate(self.MODES, 1):
            title = f"{view.capitalize()} ({number})"
            yield SystemCommand(title, f"Go to {view}", lambda view=view: self.run_worker(self.action_view(view)))
        yield SystemCommand(
            "Go to an id (ctrl+o)", "Open a message, an endpoint or a delivery", self.action_ask_where
        )
        if isinstance(self._source, Archive):
            yield SystemCommand("Time travel (t)", "Into the past, or back to what is now", self.action_travel)
        if self.check_action("ask_when", ()):
            yield SystemCommand("Go to a moment (@)", "What was then, such as 2h ago", self.action_ask_when)
        if isinstance(screen, View):
            for each in screen.own_bindings():
                if each.description and each.action != "only_read":
                    key = each.key_display or each.key
                    yield SystemCommand(
                        f"{each.description} ({key})",
                        f"On this screen: {each.description.lower()}",
                        lambda action=each.action: self.run_worker(screen.run_action(action)),
                    )
        yield SystemCommand(
            "Reload, connect now (ctrl+r)", "Try the connection again without waiting", self.action_retry
        )
        yield SystemCommand("Theme", "Choose colours; the choice is kept", self.action_change_theme)
        yield SystemCommand(
            "Help (?)", "Keys of this screen, and what the glyphs mean", lambda: self.run_worker(self.action_help())
        )
        yield SystemCommand("Quit (q)", "Leave the console", self.action_quit)
