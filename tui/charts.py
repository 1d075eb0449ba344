"""Charts out of characters: an area of braille dots, four dots a cell high and two wide. Pure."""

from typing import Final

from tui.lines import Line, Span

_LEFT: Final = (0x40, 0x04, 0x02, 0x01)  # dots of a cell's left column, from below
_RIGHT: Final = (0x80, 0x20, 0x10, 0x08)
_EMPTY: Final = chr(0x2800)
DOTS: Final = 4


def area(values: list[float], width: int, height: int, top: float, role: str, *, down: bool = False) -> list[Line]:
    """An area chart of the last `2 * width` values, the newest at the right; `down` hangs from above."""
    shown = values[-2 * width :]
    shown = [0.0] * (2 * width - len(shown)) + shown
    dots = height * DOTS
    high = [_dots(value, top, dots) for value in shown]
    rows: list[Line] = []
    for row in range(height):
        base = (row if down else height - 1 - row) * DOTS
        cells = []
        for cell in range(width):
            bits = _column(high[2 * cell] - base, _LEFT, down=down)
            bits |= _column(high[2 * cell + 1] - base, _RIGHT, down=down)
            cells.append(chr(0x2800 + bits) if bits else " ")
        rows.append((Span("".join(cells), role),))
    return rows


def _dots(value: float, top: float, dots: int) -> int:
    if value <= 0 or top <= 0:
        return 0
    return min(max(round(dots * value / top), 1), dots)


def _column(filled: int, bits: tuple[int, ...], *, down: bool) -> int:
    order = tuple(reversed(bits)) if down else bits
    return sum(order[: min(max(filled, 0), DOTS)])


def nice(value: float) -> float:
    """The next round number: 1, 2 or 5 times a power of ten. A scale that seldom changes is easier to read."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next((step * power for step in (1, 2, 3, 5) if step * power >= value), 10 * power)


def gauge(part: float, cells: int) -> str:
    """A share of 1 as a bar."""
    filled = min(max(round(part * cells), 0), cells)
    return "█" * filled + "░" * (cells - filled)
