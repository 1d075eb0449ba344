"""What is shown, before it is drawn: lines of spans, each a text and the name of a role. Pure.

A role is words: a colour of the theme (`ok`, `bad`, `warn`, `accent`, `info`, `muted`, `faint`), `bold`, `italic`,
`reverse`, or `on-…` for the ground. The text may come from strangers: whatever draws a span calls `clean` on it.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from rich.cells import cell_len, set_cell_size

from events.wording import safe

SPAN_CHARS_MAX: Final = 4000


class Span(NamedTuple):
    """Text in one role."""

    text: str
    role: str = ""


Line = tuple[Span, ...]
BLANK: Final[Line] = ()


def clean(text: str, chars_max: int = SPAN_CHARS_MAX) -> str:
    """Text that a terminal may get: printable, on one line, of bounded length."""
    if len(text) <= chars_max and text.isprintable():
        return text
    return safe(text.replace("\t", "    "), chars_max)


def line(*parts: str | Span | tuple[str, str]) -> Line:
    """A line of parts: plain strings, or (text, role)."""
    return tuple(Span(part) if isinstance(part, str) else Span(*part) for part in parts)


def width(of: Line) -> int:
    """Cells that a line takes."""
    return sum(cell_len(clean(span.text)) for span in of)


def crop(of: Line, cells: int) -> Line:
    """The line at most so wide; what is cut off leaves `…`."""
    if width(of) <= cells:
        return of
    kept: list[Span] = []
    left = max(cells - 1, 0)
    for span in of:
        text = clean(span.text)
        size = cell_len(text)
        if size >= left:
            kept.append(Span(set_cell_size(text, left), span.role))
            break
        kept.append(Span(text, span.role))
        left -= size
    return (*kept, Span("…", kept[-1].role if kept else "faint")) if cells > 0 else ()


def fit(of: Line, cells: int, align: str = "left") -> Line:
    """The line exactly so wide."""
    cut = crop(of, cells)
    gap = cells - width(cut)
    if gap <= 0:
        return cut
    return (Span(" " * gap), *cut) if align == "right" else (*cut, Span(" " * gap))


def spread(left: Line, right: Line, cells: int) -> Line:
    """Two lines at both ends of one; the left one gives way."""
    room = cells - width(right) - 1
    if room < 0:
        return crop(right, cells)
    return (*fit(left, room), Span(" "), *right)


def centred(of: Line, cells: int) -> Line:
    """The line in the middle."""
    return (Span(" " * max((cells - width(of)) // 2, 0)), *of)


def wrap(of: Line, cells: int, lines_max: int = 400) -> Iterator[Line]:
    """The line in pieces at most so wide, indented as its first piece is."""
    if cells <= 0 or width(of) <= cells:
        yield of
        return
    text = "".join(clean(span.text) for span in of)
    indent = min(len(text) - len(text.lstrip(" ")), cells // 2)
    current: list[Span] = []
    room, made = cells, 0
    for span in of:
        for piece, ends in _pieces(clean(span.text), room, cells - indent):
            current.append(Span(piece, span.role))
            room -= cell_len(piece)
            if ends:
                yield tuple(current)
                made += 1
                if made >= lines_max:
                    return
                current, room = [Span(" " * indent)], cells - indent
    if current:
        yield tuple(current)


def _pieces(text: str, first: int, rest: int) -> Iterator[tuple[str, bool]]:
    """Cut a text where lines end; says of each piece whether its line ends with it."""
    room, start, used = first, 0, 0
    if text.isascii():
        while len(text) - start > room:
            yield text[start : start + room], True
            start += room
            room = max(rest, 1)
    else:
        for at, char in enumerate(text):
            size = cell_len(char)
            if used + size > room:
                yield text[start:at], True
                start, used, room = at, 0, max(rest, 1)
            used += size
    yield text[start:], False


def plain(lines: Iterable[Line]) -> str:
    """The text alone, clean, as it is shown: for tests and for copying."""
    return "\n".join("".join(clean(span.text) for span in each) for each in lines)
