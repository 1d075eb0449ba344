"""The detail screens: one delivery, one endpoint, one message. Each asks the source, again when it changes."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from tui import curl, pages, wording
from tui.acts import ON_DELIVERY, ON_ENDPOINT, Subject
from tui.board import Board
from tui.client import Refused, Unreachable
from tui.fields import group, objects, pairs, text
from tui.lines import Line, line, plain
from tui.screens.acting import Acting, keys_of
from tui.screens.view import View, joined
from tui.source import Answer
from tui.trust import skipped
from tui.widgets.paper import Paper

RELOAD_S = 1.0


class Detail(View):
    """A page about one thing, whose id is `identifier`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r,f5", "reload", "Reload", show=False),
        Binding("w", "save", "Save to a file", show=False),
        Binding("y", "copy", "Copy id"),
    ]

    def __init__(self, identifier: str) -> None:
        super().__init__()
        self.identifier = identifier
        self.answer: Answer | None = None
        self._failure = ""
        self._asked_at = float("-inf")
        self._stamp: object = None

    @property
    def crumb(self) -> str:
        """See View."""
        return " ".join(wording.short(each) for each in self.identifier.split("/"))

    def body(self) -> Iterable[Widget]:
        """See View."""
        yield Paper()

    def show(self, board: Board) -> None:
        """See View. Asks again when something has happened to what is shown."""
        stamp = (bool(self.console.past), self.stamp(board))
        if stamp != self._stamp and self.console.now() - self._asked_at >= RELOAD_S:
            self._stamp = stamp
            self.load()
        self.query_one(Paper).show(list(self._page()))

    def _page(self) -> Iterator[Line]:
        if self._failure:
            yield line((f"✗ {self._failure}", "bad"))
            yield line(("ctrl+r tries again, esc goes back", "muted"))
            yield line()
        if self.answer is not None:
            yield from self.page(self.answer, self.console.clock())
        elif not self._failure:
            yield line(("asking …", "muted italic"))

    def load(self) -> None:
        """Ask the source."""
        self._asked_at = self.console.now()
        self.run_worker(self._load(), exclusive=True, group="load")

    async def _load(self) -> None:
        try:
            self.answer, self._failure = await self.ask(), ""
        except (Unreachable, Refused) as error:
            self._failure = str(error)
        self.paint(force=True)

    def action_reload(self) -> None:
        """Ask again."""
        self.load()

    def action_save(self) -> None:
        """Write what is shown to a file."""
        self.console.save(self.identifier, plain(self._page()) + "\n")

    def copied(self) -> tuple[str, str] | None:
        """See View."""
        return self.identifier.split("/", maxsplit=1)[0], "id"

    def state(self, board: Board) -> Line:
        """See View."""
        return joined(skipped(board))

    # --- for subclasses

    async def ask(self) -> Answer:
        """Ask the source. Unreachable, Refused."""
        raise NotImplementedError

    def page(self, answer: Answer, clock: datetime | None) -> Iterator[Line]:
        """The lines of the page."""
        raise NotImplementedError

    def stamp(self, board: Board) -> object:  # noqa: ARG002
        """What of the board must change for the page to be asked for again."""
        return None


class DeliveryScreen(Acting, Detail):
    """One message on its way to one endpoint; its id is `<message>/<endpoint>`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "curl", "Copy as curl"),
        Binding("e", "endpoint", "Endpoint"),
        Binding("m", "message", "Message"),
        *keys_of([ON_DELIVERY]),
    ]

    def subject(self) -> Subject:
        """See Acting."""
        message, _, endpoint = self.identifier.partition("/")
        known = self.known(endpoint, message)
        return known._replace(url=known.url or text(self.answer or {}, "url"))

    async def ask(self) -> Answer:
        """See Detail."""
        message, _, endpoint = self.identifier.partition("/")
        return await self.console.source.delivery(message, endpoint)

    def page(self, answer: Answer, clock: datetime | None) -> Iterator[Line]:
        """See Detail."""
        return pages.delivery(answer, clock)

    def stamp(self, board: Board) -> object:
        """See Detail."""
        known = board.deliveries.get(self.identifier)
        return (known.state, known.at) if known else ()

    def action_curl(self) -> None:
        """Copy the last request as a command."""
        attempts = objects(self.answer or {}, "attempts")
        if not attempts:
            self.app.notify("no attempt yet: there is no request to copy", severity="warning", markup=False)
            return
        request = group(attempts[-1], "request")
        payload = (self.answer or {}).get("payload")
        command = curl.command(
            text(request, "method") or "POST",
            text(request, "url"),
            pairs(request, "headers"),
            payload if isinstance(payload, str) else None,
        )
        self.console.copy(command, "request as curl")

    def action_endpoint(self) -> None:
        """Open its endpoint."""
        self.console.go_to(self.identifier.partition("/")[2])

    def action_message(self) -> None:
        """Open its message."""
        self.console.go_to(self.identifier.partition("/")[0])


class EndpointScreen(Acting, Detail):
    """One endpoint."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys_of(ON_ENDPOINT)]

    def subject(self) -> Subject:
        """See Acting. The answer knows endpoints that the board has never heard of."""
        answer = self.answer or {}
        known = self.known(self.identifier)
        if self.identifier in self.console.board.targets:
            return known
        return known._replace(url=text(answer, "url"), disabled=isinstance(answer.get("disabled"), str))

    async def ask(self) -> Answer:
        """See Detail."""
        return await self.console.source.endpoint(self.identifier)

    def page(self, answer: Answer, clock: datetime | None) -> Iterator[Line]:
        """See Detail."""
        return pages.endpoint(answer, clock)

    def stamp(self, board: Board) -> object:
        """See Detail."""
        known = board.targets.get(self.identifier)
        return (known.stats.breaker, known.stats.disabled, known.seen // 5) if known else ()


class MessageScreen(Detail):
    """One message."""

    async def ask(self) -> Answer:
        """See Detail."""
        return await self.console.source.message(self.identifier)

    def page(self, answer: Answer, clock: datetime | None) -> Iterator[Line]:
        """See Detail."""
        return pages.message(answer, clock)

    def stamp(self, board: Board) -> object:
        """See Detail."""
        prefix = f"{self.identifier}/"
        recent = list(board.deliveries.values())[-50:]
        return tuple(each.at for each in recent if each.key.startswith(prefix))
