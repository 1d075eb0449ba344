"""The log in pages, over all partitions: forwards from a place, backwards from one, or up to a moment."""

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from pydantic import Field

from daemon.api.auth import Operator, Tokens
from daemon.api.context import LOG
from daemon.api.errors import Invalid, Issue
from daemon.api.layer import Surface
from daemon.api.models import CamelOut, Strict, absent
from daemon.api.operation import Call
from daemon.api.reply import Reply
from daemon.api.v1.listing import Moment
from events.envelope import Recorded
from events.positions import BadPositions, Positions, parse, spell
from events.shown import show

TAG: Final = "Live"
LIMIT: Final = 100
LIMIT_MAX: Final = 1000
POSITIONS_CHARS_MAX: Final = 4096


class LogQuery(Strict):
    """Which page; of `from`, `before` and `at` one at most. Without any, the last events there are."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT
    since: str | None = Field(
        default=None, alias="from", max_length=POSITIONS_CHARS_MAX, description="what follows these positions"
    )
    before: str | None = Field(
        default=None, max_length=POSITIONS_CHARS_MAX, description="the last ones up to these positions"
    )
    at: Moment | None = Field(default=None, description="the last ones up to this moment")


class EventOut(CamelOut):
    """One event, its body as it stands in the log."""

    partition: int
    seq: int
    at: datetime
    stream: str
    endpoint: str | None = Field(default=None, exclude_if=absent)
    version: int
    type: str
    actor: str
    request: str | None = Field(default=None, exclude_if=absent)
    body: dict[str, Any]


class LogPage(CamelOut):
    """Events by moment, in each partition by position, the oldest first.

    `from` is the place before the first of them, `to` that after the last; `first` and `last` are when the first and
    the last event of the whole log were recorded.
    """

    data: list[EventOut]
    since: str = Field(serialization_alias="from")
    to: str
    first: datetime | None
    last: datetime | None


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]
    since: str = msgspec.field(name="from")
    to: str
    first: datetime | None
    last: datetime | None


def declare(surface: Surface, tokens: Tokens) -> None:
    """Declare the routes."""
    surface.op("GET", "/log", query=LogQuery, out=LogPage, errors=(503,), auth=tokens.operator, tag=TAG)(read_log)


async def read_log(call: Call[Operator], query: LogQuery) -> Reply:
    """Read the log: every organization's events, in the order in which they were recorded."""
    if sum(each is not None for each in (query.since, query.before, query.at)) > 1:
        raise _invalid("from", "goes with neither `before` nor `at`: name one place")
    views = call.state(LOG)
    heads = tuple(head.seq for head in await views.heads())
    if query.since is not None:
        low = _positions("from", query.since, len(heads))
        events = await views.after(low, heads, query.limit)
        high = _after(low, events)
    else:
        high = heads
        if query.before is not None:
            high = tuple(map(min, _positions("before", query.before, len(heads)), heads))
        elif query.at is not None:
            high = await views.at(query.at)
        events = await views.before(high, query.limit)
        low = _before(high, events)
    first, last = await views.edges()
    raw = [msgspec.Raw(show(each)) for each in events]
    return Reply(body=msgspec.json.encode(_Page(raw, spell(low), spell(high), first, last)))


def event_out(recorded: Recorded) -> EventOut:
    """Write an event as part of another answer."""
    return EventOut(
        partition=recorded.partition,
        seq=recorded.seq,
        at=recorded.at,
        stream=recorded.stream,
        endpoint=recorded.endpoint,
        version=recorded.version,
        type=type(recorded.event).__name__,
        actor=recorded.actor,
        request=recorded.request,
        body=msgspec.to_builtins(recorded.event),
    )


def _positions(field: str, text: str, partitions: int) -> Positions:
    try:
        return parse(text, partitions)
    except BadPositions as bad:
        raise _invalid(field, str(bad)) from None


def _invalid(field: str, why: str) -> Invalid:
    return Invalid([Issue("query", (field,), why, "value_error")])


def _after(low: Positions, events: list[Recorded]) -> Positions:
    seqs = list(low)
    for each in events:
        seqs[each.partition] = each.seq
    return tuple(seqs)


def _before(high: Positions, events: list[Recorded]) -> Positions:
    seqs = list(high)
    for each in reversed(events):
        seqs[each.partition] = each.seq - 1
    return tuple(seqs)
