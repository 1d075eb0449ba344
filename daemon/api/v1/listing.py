"""From what a list is asked for to the rows to read, and back to a page."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Final, TypeVar

from pydantic import AwareDatetime, BeforeValidator
from pydantic_core import PydanticCustomError

from daemon.api.errors import Invalid, Issue
from daemon.api.lists import ListQuery, Order, Page
from daemon.api.v1.fields import Label
from events.views import END, EPOCH, Found, Slice

S = TypeVar("S")
T = TypeVar("T")

WINDOW: Final = timedelta(days=90)
"""How far a list reaches that is limited in time."""
AHEAD: Final = timedelta(hours=1)

_NAME: Final = re.compile(r"[a-zA-Z0-9\-_.]{1,256}")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_ID_CHARS: Final = "[0-9A-Za-z]{27}"


def slice_by_id(query: ListQuery, prefix: str, *, descending: bool) -> Slice:
    """Read which page is asked for. Raises Invalid (422) for an iterator that is no id of this kind."""
    if query.cursor is not None and not re.fullmatch(f"{prefix}_{_ID_CHARS}", query.cursor):
        raise bad_iterator(f"must be the id of an entry, {prefix}_ and 27 letters and digits, with - for backwards")
    return Slice(query.limit, query.cursor, query.backwards, descending)


def slice_by_name(query: ListQuery) -> Slice:
    """Read which page is asked for. Raises Invalid (422) for an iterator that is no name."""
    if query.cursor is not None and not _NAME.fullmatch(query.cursor):
        raise bad_iterator("must be the name of an entry, with - for backwards")
    return Slice(query.limit, query.cursor, query.backwards)


def is_descending(query: ListQuery, *, usually: bool) -> bool:
    """Say which way a list goes that can go both."""
    return usually if query.order is None else query.order is Order.DESCENDING


def bad_iterator(why: str) -> Invalid:
    """Make the answer to an iterator that does not belong to the list."""
    return Invalid([Issue("query", ("iterator",), why, "value_error")])


def page_of(found: Found[S], write: Callable[[S], T], key: Callable[[T], str]) -> Page[T]:
    """Write a page."""
    return Page[T].of([write(item) for item in found.items], key, done=found.done)


def _moment(value: object) -> object:
    """Take the spellings of RFC 3339 that clients use: blanks for the T and before UTC, a plus lost in a query."""
    if not isinstance(value, str):
        return value
    text = value.strip().replace(" UTC", "Z", 1)
    if not _DATE.match(text):
        raise PydanticCustomError("datetime_parsing", "Input should be a date and time with its offset (RFC 3339)")
    day, separator, rest = text[:10], text[10:11], text[11:].strip()
    return f"{day}{separator}{re.sub(r' +(?=[0-9][0-9]:?[0-9][0-9]$)', '+', rest)}"


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]


class TimedQuery(ListQuery):
    """A list that reaches over 90 days: back from `before`, on from `after`, around the iterator, or until now."""

    before: Moment | None = None
    after: Moment | None = None
    channel: Label | None = None
    event_types: list[Label] | None = None
    with_content: bool = True


def window(query: TimedQuery, now: datetime, iterator_at: datetime | None) -> tuple[datetime, datetime]:
    """Give the moments between which entries are wanted, both exclusive."""
    latest = now + AHEAD
    after, before = query.after, query.before
    if iterator_at is not None:
        around = (None, iterator_at + WINDOW) if query.backwards else (iterator_at - WINDOW, None)
        lower, upper = around
    elif before is not None:
        lower, upper = _clamped(before) - WINDOW, None
    elif after is not None:
        lower, upper = None, _clamped(after) + WINDOW
    else:
        lower, upper = now - WINDOW, None
    starts = [_clamped(moment) for moment in (after, lower) if moment is not None]
    ends = [_clamped(moment) for moment in (before, upper, latest) if moment is not None]
    return max(starts, default=EPOCH), min(ends)


def oldest_first(query: TimedQuery) -> bool:
    """Say whether the page at the far end is wanted: with `after` alone, the entries that follow it."""
    return query.after is not None and query.before is None and query.cursor is None


def _clamped(moment: datetime) -> datetime:
    """Keep clear of the ends of the calendar."""
    return min(max(moment, EPOCH), END)
