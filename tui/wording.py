"""Every word, glyph and role of the console, in one place; and numbers, ages and sizes as people read them. Pure.

No state is told by colour alone: each has a glyph and a word. The glyphs are of width one in every terminal font.
"""

from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from rich.text import Text

from events.wording import describe as describe_event
from tui.lines import Line, Span, clean


class Look(NamedTuple):
    """How a state is shown."""

    glyph: str
    word: str
    role: str

    @property
    def line(self) -> Line:
        """Glyph and word."""
        return (Span(f"{self.glyph} {self.word}", self.role),)


DELIVERY: Final = {
    "waiting": Look("○", "waiting", "info"),
    "retrying": Look("↻", "retrying", "warn"),
    "delivered": Look("✓", "delivered", "ok"),
    "exhausted": Look("✗", "exhausted", "bad"),
    "gone": Look("✗", "gone", "bad"),
    "cancelled": Look("⊘", "cancelled", "muted"),
    "expired": Look("⊘", "expired", "muted"),
}
BREAKER: Final = {
    "closed": Look("●", "closed", "ok"),
    "open": Look("✗", "open", "bad"),
    "probing": Look("◐", "probing", "warn"),
    "ramp": Look("◔", "ramping", "warn"),
    "disabled": Look("⊘", "disabled", "muted"),
}
LINK: Final = {
    "connecting": Look("◌", "connecting", "warn"),
    "live": Look("●", "live", "ok"),
    "silent": Look("◐", "silent", "warn"),
    "lost": Look("✗", "connection lost", "bad"),
    "refused": Look("✗", "refused", "bad"),
    "playing": Look("▶", "playing", "accent"),
    "paused": Look("‖", "paused", "warn"),
    "ended": Look("■", "end of the recording", "accent"),
}
EVENTS: Final = {  # what happened → glyph and role; the word is the event's own name
    "AttemptSucceeded": ("✓", "ok"),
    "AttemptFailed": ("↻", "warn"),
    "AttemptAbandoned": ("⚠", "warn"),
    "DeliveryExhausted": ("✗", "bad"),
    "DeliveryGone": ("✗", "bad"),
    "DeliveryCancelled": ("⊘", "muted"),
    "DeliveryExpired": ("⊘", "muted"),
    "DeliveryResent": ("↻", "accent"),
    "MessageAccepted": ("→", "info"),
    "BreakerOpened": ("✗", "bad"),
    "BreakerClosed": ("●", "ok"),
    "BreakerReset": ("●", "accent"),
    "EndpointDisabled": ("⊘", "bad"),
    "EndpointEnabled": ("●", "ok"),
    "PartitionTaken": ("⚑", "accent"),
}
OTHER_EVENT: Final = ("✎", "accent")
_UNKNOWN: Final = Look("?", "unknown", "muted")
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
NONE: Final = "-"


def safe_text(text: str, role: str = "") -> Text:
    """Text from outside for a widget of Textual's own: harmless, and without markup."""
    return Text(clean(text), style=role)


def delivery(state: str) -> Look:
    """How a delivery's state is shown; an unknown state in its own word."""
    return DELIVERY.get(state) or _UNKNOWN._replace(word=state)


def breaker(state: str, disabled: str | None = None) -> Look:
    """How a target's state is shown: disabled wins."""
    if disabled is not None:
        return BREAKER["disabled"]
    return BREAKER.get(state) or _UNKNOWN._replace(word=state)


def event(type_: str) -> tuple[str, str]:
    """Glyph and role of an event."""
    return EVENTS.get(type_, OTHER_EVENT)


def duration(seconds: float | None) -> str:
    """A span of time in at most two units: `0.3 s`, `12 s`, `3 m 20 s`, `2 d 4 h`."""
    if seconds is None:
        return NONE
    seconds = max(seconds, 0.0)
    if seconds < 9.95:  # noqa: PLR2004 - below ten, tenths are worth their place
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 2 * _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return _two(whole // _MINUTE, "m", whole % _MINUTE, "s")
    if whole < _DAY:
        return _two(whole // _HOUR, "h", whole % _HOUR // _MINUTE, "m")
    return _two(whole // _DAY, "d", whole % _DAY // _HOUR, "h")


def _two(big: int, big_unit: str, small: int, small_unit: str) -> str:
    return f"{big} {big_unit} {small} {small_unit}" if small else f"{big} {big_unit}"


def until(at: datetime | None, now: datetime | None) -> str:
    """How far a moment lies ahead: `in 3 s`, `now`, `2 m ago`."""
    if at is None:
        return NONE
    if now is None:
        return clock(at)
    seconds = (at - now).total_seconds()
    whole = round(abs(seconds))
    if not whole:
        return "now"
    far = f"{whole} s" if whole < 2 * _MINUTE else duration(whole)
    return f"in {far}" if seconds > 0 else f"{far} ago"


def clock(at: datetime | None) -> str:
    """Time of day to the second, UTC."""
    return f"{at:%H:%M:%S}" if at else NONE


def clock_ms(at: datetime | None) -> str:
    """Time of day to the millisecond, UTC."""
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}" if at else NONE


def day(at: datetime | None) -> str:
    """Date and time to the second, UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else NONE


def count(number: float | None) -> str:
    """A number in at most six characters: `950`, `9,512`, `12.3k`, `4.1M`."""
    if number is None:
        return NONE
    if number < 10_000:  # noqa: PLR2004
        return f"{number:,.0f}"
    for unit, size in (("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)):
        if number < 999.5 * size:
            return f"{number / size:.1f}{unit}" if number < 99.95 * size else f"{number / size:.0f}{unit}"
    return f"{number:.1e}"


def rate(number: float | None) -> str:
    """Events a second: small ones with a tenth."""
    if number is None:
        return NONE
    return f"{number:.1f}" if 0 < number < 9.95 else count(number)  # noqa: PLR2004


def size(byte_count: float | None) -> str:
    """Bytes in binary units."""
    if byte_count is None:
        return NONE
    for unit in _UNITS:
        if byte_count < 1023.5 or unit == _UNITS[-1]:  # noqa: PLR2004
            break
        byte_count /= 1024
    return f"{byte_count:.0f} {unit}" if unit == "B" else f"{byte_count:.1f} {unit}"


def ms(value: float | None) -> str:
    """Milliseconds, as seconds from ten seconds on."""
    if value is None:
        return NONE
    if value < 9.95:  # noqa: PLR2004
        return f"{value:.1f}".removesuffix(".0")
    return f"{value:,.0f}" if value < 10_000 else f"{value / 1000:.1f} s"  # noqa: PLR2004


def share(part: float, whole: float) -> str:
    """A share in per cent that reads 100 only when nothing is missing."""
    if whole <= 0:
        return NONE
    value = 100 * part / whole
    if part < whole and value > 99.9:  # noqa: PLR2004
        return "99.9%"
    return f"{value:.0f}%" if value in {0.0, 100.0} else f"{value:.1f}%"


def plural(number: int, word: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def spark(values: list[float], cells: int, top: float | None = None) -> str:
    """The last values as a row of blocks; nothing is a blank, so that silence looks silent."""
    shown = values[-cells:]
    high = top or max(shown, default=0)
    if high <= 0:
        return " " * cells
    marks = (_BLOCKS[min(int(7.999 * value / high), 7)] if value > 0 else " " for value in shown)
    return "".join(marks).rjust(cells)


def host(url: str) -> str:
    """Where a URL leads, and its path: what tells endpoints apart. A text that is no URL stays."""
    try:
        parts = urlsplit(url)
        if not parts.hostname:
            return url
        where = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    except ValueError:
        return url
    return where + (parts.path if parts.path != "/" else "")


def short(identifier: str) -> str:
    """An id that may be cut: the end tells ids apart, the prefix says the kind."""
    prefix, _, rest = identifier.partition("_")
    return f"{prefix}_…{rest[-6:]}" if len(rest) > 12 else identifier  # noqa: PLR2004


__all__ = ["Look", "describe_event", "safe_text"]
