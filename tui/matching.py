"""The filter as the operator types it: words that must all be there, `!` before the whole turns it about. Pure.

timeout shop.example      both words somewhere in the row, any case
!delivered                rows without the word
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


class Filter:
    """Rows that match. An empty filter lets all through."""

    def __init__(self, typed: str = "", *, inverted: bool = False) -> None:
        self.typed = typed
        bare = typed.strip()
        self.inverted = inverted != bare.startswith("!")
        self._words = bare.removeprefix("!").casefold().split()

    @property
    def active(self) -> bool:
        """Whether it keeps anything out."""
        return bool(self._words)

    @property
    def words(self) -> str:
        """How it is shown."""
        return f"/{'!' if self.inverted else ''}{' '.join(self._words)}" if self.active else ""

    def matches(self, text: str) -> bool:
        """Whether a row that reads so is let through."""
        folded = text.casefold()
        return all(word in folded for word in self._words) != self.inverted

    def over(self, rows: Iterable[T], text_of: Callable[[T], str]) -> list[T]:
        """The rows that are let through."""
        if not self.active:
            return list(rows)
        return [row for row in rows if self.matches(text_of(row))]
