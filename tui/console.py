"""What a screen may ask of the application: the board, the time, a source, and to go somewhere else."""

from datetime import datetime
from typing import Protocol

from tui.board import Board
from tui.source import Source


class Console(Protocol):
    """The application, as screens see it."""

    board: Board
    source: Source
    writable: bool

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
