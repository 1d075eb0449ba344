"""What a screen may ask of the application: the board, the time, a source, and to go somewhere else."""

from datetime import datetime
from typing import Any, Protocol

from tui.board import Board
from tui.source import Answer, Source
from tui.widgets.slider import Slide


class Console(Protocol):
    """The application, as screens see it."""

    writable: bool

    @property
    def board(self) -> Board:
        """What is known: now, or as of the moment that is looked at."""
        ...

    @property
    def source(self) -> Source:
        """What can be asked, about the same moment."""
        ...

    @property
    def past(self) -> str:
        """In words, how far back one looks; empty when what is shown is live, or a file."""
        ...

    def slide(self) -> Slide | None:
        """Where one is in the past; None when what is shown is live."""
        ...

    def now(self) -> float:
        """The moment, on the console's monotonic clock."""
        ...

    def clock(self) -> datetime | None:
        """The daemon's time, or the recording's."""
        ...

    def go_to(self, identifier: str) -> None:
        """Open what an id names: a message, an endpoint, or `<message>/<endpoint>`."""
        ...

    def copy(self, text: str, what: str) -> None:
        """Put a text on the operator's clipboard, and say so."""
        ...

    def say(self, words: str, severity: Any = "information") -> None:
        """A notice in the corner."""
        ...

    def why_not(self) -> str:
        """Why nothing may be changed just now; empty when something may."""
        ...

    async def do(self, path: str, body: Answer, *, dry: bool) -> Answer:
        """Ask the daemon for an act; dry: only what it would touch. Unreachable, Refused."""
        ...

    def acted(self) -> None:
        """Something was changed: ask again for what does not come by itself."""
        ...

    def save(self, name: str, text: str) -> None:
        """Write a text to a file, and say where it is."""
        ...
