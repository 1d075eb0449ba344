"""The slider over the log's past: from its first event to now, where one is, how it moves, and the keys for it."""

from datetime import datetime
from typing import Final, NamedTuple

from textual import events
from textual.message import Message

from tui import wording
from tui.lines import Line, Span, line, spread, width
from tui.widgets.paint import Canvas

KEYS: Final = (
    ("←→", "event"),
    ("space", "play"),
    ("<>", "speed"),
    ("{}", "minute"),
    ("()", "hour"),
    ("@", "go to"),
)
NARROW: Final = 100


class Slide(NamedTuple):
    """What the slider shows. `now` is the end of the bar; `state` as of wording.LINK."""

    first: datetime | None
    now: datetime | None
    at: datetime | None
    state: str
    speed: float
    position: str
    trouble: str = ""
    ends: str = "now"  # what the end of the bar is called
    leaves: str = "live"  # what `t` leads to


class Slider(Canvas):
    """Two lines; there only while one is in the past."""

    class Asked(Message):
        """The operator clicks on the bar: `share` of the way from the first event to now."""

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    def __init__(self) -> None:
        super().__init__()
        self._slide: Slide | None = None
        self._bar = (0, 1)  # where it begins, and how many cells it has

    def show(self, slide: Slide | None) -> None:
        """Show this, or nothing."""
        self._slide = slide
        self.display = slide is not None
        self.redraw()

    def draw(self, width: int, height: int) -> list[Line]:  # noqa: ARG002 - always two
        """See Canvas."""
        if self._slide is None:
            return []
        rows = (self._line(self._slide, width), self._told(self._slide, width))
        return [tuple(Span(span.text, f"{span.role} on-bar") for span in row) for row in rows]

    def _line(self, slide: Slide, cells: int) -> Line:
        left = f" {wording.day(slide.first)[:16]} "
        right = f" {slide.ends} "
        room = max(cells - len(left) - len(right), 3)
        self._bar = (len(left), room)
        mark = round(share(slide) * (room - 1))
        return line(
            (left, "muted"), ("━" * mark, "accent"), ("●", "bold warn"), ("─" * (room - 1 - mark), "faint"),
            (right, "muted"),
        )  # fmt: skip

    def _told(self, slide: Slide, cells: int) -> Line:
        look = wording.LINK.get(slide.state, wording.LINK["paused"])
        words = "the end" if slide.state == "ended" else look.word
        speed = f"{slide.speed:g}x"
        left = [Span(f" {look.glyph} {words} {speed}", f"bold {look.role}")]
        left.append(Span(f"  {wording.day(slide.at) if cells < NARROW else _exact(slide.at)}", "bold"))
        if slide.trouble:
            return spread((*left, Span(f"  ✗ {slide.trouble}", "bold bad")), line(" "), cells)
        if cells >= NARROW and slide.position:
            left.append(Span(f"  after {slide.position}", "muted"))
        keys: list[Span] = []
        for key, what in (*KEYS, *((("t", slide.leaves),) if slide.leaves else ())):
            keys += [Span(f" {key}", "bold accent"), Span(f" {what}" if cells >= NARROW else "", "muted")]
        if cells < NARROW:
            keys = _short(slide)
        if width(tuple(left)) + width(tuple(keys)) + 2 > cells:
            keys = []
        return spread(tuple(left), (*keys, Span(" ")), cells)

    def on_click(self, event: events.Click) -> None:
        """Go where the bar was clicked."""
        begin, cells = self._bar
        if event.y == 0 and begin <= event.x < begin + cells:
            self.post_message(self.Asked((event.x - begin) / max(cells - 1, 1)))


def share(slide: Slide) -> float:
    """How far the moment is from the first event to now, from 0 to 1."""
    if slide.first is None or slide.now is None or slide.at is None or slide.now <= slide.first:
        return 1.0
    return min(max((slide.at - slide.first) / (slide.now - slide.first), 0.0), 1.0)


def _short(slide: Slide) -> list[Span]:
    found: list[Span] = []
    shown = (("←→", "step"), ("space", "play"), ("@", "go to"), *((("t", slide.leaves),) if slide.leaves else ()))
    for key, what in shown:
        found += [Span(f" {key}", "bold accent"), Span(f" {what}", "muted")]
    return found


def _exact(at: datetime | None) -> str:
    return f"{wording.day(at)}.{at.microsecond // 1000:03d} UTC" if at else wording.NONE
