"""How facts and states look: in lines that fit the terminal, or as one JSON object a line."""

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from events import codec
from events.envelope import Recorded
from events.past import BY_ENDPOINT, Past
from events.when import Position, iso
from events.wording import describe, safe

INDENT = "    "
WIDTH_MIN = 40
DIM, RED, GREEN, BOLD = "2", "31", "32", "1"
_BAD = frozenset({"AttemptFailed", "AttemptAbandoned", "DeliveryExhausted", "DeliveryGone", "BreakerOpened"})
_GOOD = frozenset({"AttemptSucceeded", "BreakerClosed", "BreakerReset"})

Piece = tuple[str, str | None]
"""A text and its colour."""


class Page:
    """Where lines are written: as wide as the terminal, endless elsewhere (so that a fact is a line for `grep`)."""

    def __init__(self, *, width: int | None = None, colour: bool | None = None) -> None:
        from daemon.settings import wants_colour

        terminal = sys.stdout.isatty()
        columns = shutil.get_terminal_size().columns if terminal else 0
        self.width = width if width is not None else max(columns, WIDTH_MIN) if columns else 1 << 20
        self.colour = wants_colour(terminal=terminal) if colour is None else colour

    def fact(self, recorded: Recorded, asked: str) -> str:
        """A fact in a line, or in several when the page is narrow: moment, position, what, where, who, request."""
        kind = type(recorded.event).__name__
        what = RED if kind in _BAD else GREEN if kind in _GOOD else None
        pieces: list[Piece] = [
            (iso(recorded.at), DIM),
            (f"{recorded.partition}/{recorded.seq}", DIM),
            (describe(recorded.event), what),
        ]
        if where := _where(recorded, asked):
            pieces.append((where, None))
        pieces.append((f"by {safe(recorded.actor, 64)}", DIM))
        if recorded.request:
            pieces.append((f"request {safe(recorded.request, 64)}", DIM))
        return "\n".join(self._filled(pieces))

    def fields(self, state: Mapping[str, Any]) -> str:
        """`field: value`, the values one below the other; a message's deliveries come after, one a block."""
        inner = dict(state)
        deliveries = inner.pop(BY_ENDPOINT, {})
        lines = list(self._aligned(inner))
        for endpoint, fields in deliveries.items():
            lines.append(f"  to {safe(endpoint, 64)}")
            lines += self._aligned(fields, "    ")
        return "\n".join(lines)

    def title(self, text: str) -> str:
        """What follows is about this."""
        return "\n".join(self.paint(line, BOLD) for line in self.wrapped(text))

    def paint(self, text: str, colour: str | None) -> str:
        """A text in its colour, if there are any."""
        return f"\x1b[{colour}m{text}\x1b[0m" if colour and self.colour else text

    def wrapped(self, text: str, indent: str = INDENT) -> list[str]:
        """A text in lines that fit, all but the first indented."""
        return textwrap.wrap(text, self.width, subsequent_indent=indent, break_on_hyphens=False) or [""]

    def _aligned(self, fields: Mapping[str, Any], indent: str = "  ") -> Iterator[str]:
        widest = max(map(len, fields), default=0) + 2
        for name, value in fields.items():
            head, room = f"{indent}{f'{name}:':<{widest}}", self.width - len(indent) - widest
            first, *rest = textwrap.wrap(shown(value), max(room, WIDTH_MIN), break_on_hyphens=False) or [""]
            yield f"{self.paint(head, DIM)}{first}".rstrip()
            yield from (f"{' ' * len(head)}{line}" for line in rest)

    def _filled(self, pieces: Iterable[Piece]) -> Iterator[str]:
        """Pieces two blanks apart; one that does not fit begins a line; one that fits none is cut at its blanks."""
        line, used = "", 0
        for text, colour in pieces:
            if used and used + 2 + len(text) <= self.width:
                line, used = f"{line}  {self.paint(text, colour)}", used + 2 + len(text)
                continue
            if used:
                yield line
            indent = INDENT if used else ""
            parts = textwrap.wrap(text, self.width - len(indent), break_on_hyphens=False) or [""]
            for part in parts[:-1]:
                yield indent + self.paint(part, colour)
            line, used = indent + self.paint(parts[-1], colour), len(indent) + len(parts[-1])
        yield line


def shown(value: Any) -> str:
    """A value of a state, safe to print: text as it is, nothing as `-`, the rest as JSON."""
    if value is None:
        return "-"
    return safe(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def placed(recorded: Recorded) -> str:
    """Moment, position and actor of a fact."""
    return f"{iso(recorded.at)} ({recorded.partition}/{recorded.seq}) by {safe(recorded.actor, 64)}"


def fact_as_json(recorded: Recorded) -> dict[str, Any]:
    """A fact with all that stands in the log."""
    fields = {
        "partition": recorded.partition,
        "seq": recorded.seq,
        "at": recorded.at.isoformat(),
        "stream": recorded.stream,
        "endpoint": recorded.endpoint,
        "version": recorded.version,
        "type": type(recorded.event).__name__,
        "actor": recorded.actor,
        "request": recorded.request,
        "body": json.loads(codec.encode(recorded.event)),
    }
    return {name: value for name, value in fields.items() if value is not None}


def past_as_json(past: Past, position: Position) -> dict[str, Any]:
    """A thing at a position; `state` is null while it is not there yet."""
    return {
        "id": past.thing.id,
        "kind": past.kind,
        "position": str(position),
        "standing": past.standing,
        "last": None if past.last is None else fact_as_json(past.last),
        "state": past.state,
    }


def print_json(value: Mapping[str, Any]) -> None:
    """One object, one line, ASCII alone: nothing in it can reach a terminal's controls."""
    print(json.dumps(value, ensure_ascii=True))


def _where(recorded: Recorded, asked: str) -> str:
    """Whose fact it is, as far as that is not what was asked for."""
    asked_parts = asked.split("/")
    parts = [part for part in (recorded.stream, recorded.endpoint) if part]
    if all(part in asked_parts for part in parts):
        return ""
    if recorded.stream in asked_parts:
        return f"→ {safe(str(recorded.endpoint), 64)}"
    return safe(recorded.stream, 64)
