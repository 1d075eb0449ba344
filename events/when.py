"""When: a moment or a position of the log, as people and programs write it. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

PARTITION_MAX: Final = 2**15 - 1
SEQ_MAX: Final = 2**63 - 1

_POSITION: Final = re.compile(r"(\d{1,5})/(\d{1,19})", re.ASCII)
_MOMENT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt_ ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?([Zz]|UTC|[+\- ]\d\d:?\d\d)?)?", re.ASCII
)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN: Final = re.compile(
    r"(\d{1,9}) ?(s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:ours?)?|d(?:ays?)?|w(?:eeks?)?)", re.ASCII
)
_HELP: Final = (
    "give a moment (2026-01-31T12:00:00Z, 2026-01-31, now), how long ago (2h ago, -90m), or a position "
    "(partition/number, as in 3/17)"
)


class BadWhen(ValueError):
    """The text names no moment and no position; the words say what does."""


class Position(msgspec.Struct, frozen=True):
    """A place in the log: right after event `seq` of a partition; 0 is before its first."""

    partition: int
    seq: int

    def __str__(self) -> str:
        return f"{self.partition}/{self.seq}"


When = datetime | Position


def parse(text: str, now: datetime) -> When:
    """A position, or a moment, which may be told as how long before `now`. BadWhen."""
    text = text.strip()
    if found := _POSITION.fullmatch(text):
        return _position(text, int(found[1]), int(found[2]))
    return moment(text, now)


def moment(text: str, now: datetime) -> datetime:
    """A moment: RFC 3339, a day (its first moment, UTC), `now`, or how long before `now`. BadWhen."""
    text = text.strip()
    if text.lower() == "now":
        return now
    if found := _MOMENT.fullmatch(text):
        return _moment(text, found[1], found[2], found[3])
    try:
        return now - _span(text)
    except OverflowError:
        raise BadWhen(f"{text[:40]} is before the calendar begins") from None


def iso(at: datetime) -> str:
    """A moment to the microsecond, UTC: what `moment` reads back to the same one."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _position(text: str, partition: int, seq: int) -> Position:
    if partition > PARTITION_MAX or seq > SEQ_MAX:
        raise BadWhen(f"{text} is beyond any position")
    return Position(partition, seq)


def _moment(text: str, day: str, time: str | None, offset: str | None) -> datetime:
    if time is not None and offset is None:
        raise BadWhen(f"{text} lacks its offset: end it in Z for UTC, or in one like +02:00")
    # A plus that was not escaped in a query string arrives as a blank.
    zone = {"Z": "+00:00", "UTC": "+00:00"}.get((offset or "Z").upper(), (offset or "").replace(" ", "+"))
    whole, _, fraction = (time or "00:00").partition(".")
    try:
        at = datetime.fromisoformat(f"{day}T{whole}{'.' if fraction else ''}{fraction[:6]}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadWhen(f"{text} is not on the calendar or the clock") from None
    return at


def _span(text: str) -> timedelta:
    """How long ago: `2h ago`, `-2h`, `1d 12h ago`."""
    lower = text.lower()
    amount = lower.removeprefix("-").removesuffix("ago").strip()
    if not (lower.startswith("-") or lower.endswith("ago")) or not re.fullmatch(f"(?:{_SPAN.pattern} ?)+", amount):
        raise BadWhen(f"{text[:40] or 'nothing'!r} is no moment and no position: {_HELP}")
    return timedelta(seconds=sum(int(number) * _UNITS[unit[0]] for number, unit in _SPAN.findall(amount)))
