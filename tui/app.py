"""The application: one feed, one board, one source, and the screens over them."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, ClassVar, Final

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.theme import Theme

from tui import themes
from tui.board import Board
from tui.client import Refused, Unreachable
from tui.feed import Feed
from tui.frames import Link, Reset
from tui.lines import clean
from tui.recording import FileFeed
from tui.screens.deliveries import DeliveriesScreen
from tui.screens.detail import DeliveryScreen, Detail, EndpointScreen, MessageScreen
from tui.screens.filtered import Filtered
from tui.screens.help import GoToScreen, HelpScreen
from tui.screens.log import LogScreen
from tui.screens.overview import OverviewScreen
from tui.screens.targets import TargetsScreen
from tui.screens.view import View
from tui.source import Source
from tui.taste import Taste
from tui.widgets.header import Header

PAINT_S: Final = 0.2
TARGETS_EVERY_S: Final = 30.0
NOTICE_CHARS_MAX: Final = 200


class ConsoleApp(App[None]):
    """See the module. `ticks` is the monotonic clock, in seconds."""

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
        Binding("r", "retry", "Reload", show=False),
        Binding("P", "play('pause')", "Play or pause", key_display="P"),
        Binding("full_stop", "play('next')", "Next event", show=False, key_display="."),
        Binding("comma", "play('back')", "Back an event", show=False, key_display=","),
        Binding("greater_than_sign", "play('faster')", "Faster", key_display=">"),
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
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.feed = feed
        self.source = source
        self.taste = taste or Taste(None)
        self.writable = writable
        self.ticks = ticks
        self.board = Board()
        self._asked_targets_at = float("-inf")
        for each in themes.THEMES:
            self.register_theme(each)
        self.theme = themes.DEFAULT
        if (liked := self.taste.theme()) in self.available_themes:
            self.theme = str(liked)

    # --- what screens ask for (tui.console.Console)

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

    # --- the flow

    def on_mount(self) -> None:
        """Paint first, connect then."""
        self.theme_changed_signal.subscribe(self, self._theme_changed)
        self.set_interval(PAINT_S, self.paint)
        self.run_worker(self._read(), group="feed", exclusive=True)

    async def _read(self) -> None:
        async for frame in self.feed.frames():
            if isinstance(frame, Reset):
                link, self.board = self.board.link, Board()
                self.board.take(link, self.ticks())
                continue
            self.board.take(frame, self.ticks())
            if isinstance(frame, Link) and frame.state == "live":
                self._asked_targets_at = float("-inf")

    def paint(self) -> None:
        """Show what came; ask for what does not come by itself."""
        view = next((each for each in reversed(self.screen_stack) if isinstance(each, View)), None)
        if view is not None:
            view.paint()
        now = self.ticks()
        if self.board.link.state == "live" and now - self._asked_targets_at >= TARGETS_EVERY_S:
            self._asked_targets_at = now
            self.run_worker(self._ask_targets(), group="targets", exclusive=True)

    async def _ask_targets(self) -> None:
        try:
            pages = await self.source.targets()
        except (Unreachable, Refused):
            return  # the stream's own trouble is on the screen already
        for page in pages:
            self.board.take(page, self.ticks())

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

    def on_header_tab_clicked(self, event: Header.TabClicked) -> None:
        """A view's name was clicked."""
        self.run_worker(self.action_view(event.view))

    async def action_back(self) -> None:
        """Clear the filter; or one step back."""
        if isinstance(self.screen, Filtered) and self.screen.clear():
            return
        if len(self.screen_stack) > 1:
            self.pop_screen()

    def action_retry(self) -> None:
        """Connect now; and ask for the targets again."""
        self.feed.retry()
        self._asked_targets_at = float("-inf")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """The keys of a recording are there with a recording only."""
        return isinstance(self.feed, FileFeed) if action == "play" else True

    def action_play(self, what: str) -> None:
        """Move the recording."""
        if not isinstance(self.feed, FileFeed):
            return
        match what:
            case "pause":
                self.feed.pause()
            case "next" | "back":
                self.feed.step(1 if what == "next" else -1)
            case "faster" | "slower":
                self.feed.faster(2.0 if what == "faster" else 0.5)
            case "minute" | "minute_back":
                self.feed.seek(60.0 if what == "minute" else -60.0)

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
        if isinstance(screen, View):
            for each in screen.own_bindings():
                if each.description and not each.action.startswith("app."):
                    key = each.key_display or each.key
                    yield SystemCommand(
                        f"{each.description} ({key})",
                        f"On this screen: {each.description.lower()}",
                        lambda action=each.action: self.run_worker(screen.run_action(action)),
                    )
        yield SystemCommand("Reload, connect now (r)", "Try the connection again without waiting", self.action_retry)
        yield SystemCommand("Theme", "Choose colours; the choice is kept", self.action_change_theme)
        yield SystemCommand(
            "Help (?)", "Keys of this screen, and what the glyphs mean", lambda: self.run_worker(self.action_help())
        )
        yield SystemCommand("Quit (q)", "Leave the console", self.action_quit)
