"""The board: frames folded into all that the screens show. Pure, bounded, and without a clock of its own.

`now` is a moment of the console's monotonic clock, in seconds; moments of the daemon are datetimes. The board knows
how the two lie to each other (the daemon's frames say its time), so the clock of the operator's machine is not asked.

A board is made from frames alone: whoever wants another moment, or a recording, makes another board.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from tui.fields import moment, number, text
from tui.frames import (
    Clock,
    Events,
    Frame,
    Happened,
    Hello,
    Link,
    Reset,
    Skipped,
    Stats,
    Targets,
    TargetStats,
)

DELIVERIES_MAX: Final = 5_000
LOG_MAX: Final = 5_000
NOTABLE_MAX: Final = 200
TARGETS_MAX: Final = 10_000
TYPES_MAX: Final = 20_000
FANOUT_SHOWN_MAX: Final = 200
HISTORY_S: Final = 600
MARKS_MAX: Final = 60
SILENT_AFTER_S: Final = 3.0


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One message on its way to one endpoint, as its last event left it."""

    key: str  # <message>/<endpoint>
    message: str
    endpoint: str
    at: datetime
    state: str
    attempt: int = 0
    status: int | None = None
    duration_ms: int | None = None
    what: str = ""  # the fault and its detail, the reason
    event_type: str | None = None
    next_at: datetime | None = None


class Second(msgspec.Struct, frozen=True, gc=False):
    """A second of the daemon, for charts. Rates are per second."""

    at: datetime
    accepted: float
    attempts: float
    delivered: float
    failed: float
    duration_p95: float | None
    delay_p95: float | None
    in_flight: int
    pending: int | None
    loop_lag_ms: float | None


class Target:
    """One endpoint: its last statistics, and its last minute."""

    __slots__ = ("_marks", "seen", "stats")

    def __init__(self, stats: TargetStats, seen: int) -> None:
        self.stats = stats
        self.seen = seen  # number of the statistics frame that last told of it
        self._marks: deque[tuple[int, int, int, int]] = deque(maxlen=MARKS_MAX)

    def take(self, stats: TargetStats, second: int) -> None:
        """Note a second in which it was among the busiest."""
        listed, spent = self.stats, stats.duration_ms
        self.stats = msgspec.structs.replace(
            stats,
            url=stats.url or listed.url,
            application=stats.application or listed.application,
            description=stats.description or listed.description,
            created_at=stats.created_at or listed.created_at,
            duration_ms=stats.duration_ms if spent and spent.p50 is not None else listed.duration_ms,
            failing_since=stats.failing_since or (listed.failing_since if stats.failed else None),
        )
        self.seen = second
        self._marks.append((second, stats.attempts, stats.delivered, stats.failed))

    def series(self, second: int, seconds: int = MARKS_MAX) -> list[float]:
        """Attempts in each of the last seconds, the newest last."""
        values = [0.0] * seconds
        for at, attempts, _, _ in self._marks:
            if 0 <= second - at < seconds:
                values[seconds - 1 - (second - at)] = float(attempts)
        return values

    def rate(self, second: int) -> float:
        """Attempts a second, over the last five."""
        return sum(self.series(second, 5)) / 5

    def totals(self, second: int) -> tuple[int, int]:
        """Attempts that delivered, and that failed, within the last minute."""
        recent = [mark for mark in self._marks if second - mark[0] < MARKS_MAX]
        return sum(mark[2] for mark in recent), sum(mark[3] for mark in recent)


class Trust(msgspec.Struct, frozen=True):
    """Whether what is shown can be relied on."""

    state: str  # of wording.LINK
    age_s: float | None  # since the last frame
    retry_in_s: float | None
    detail: str
    tries: int

    @property
    def current(self) -> bool:
        """Whether the data is that of now, or of the recording's moment."""
        return self.state in {"live", "playing", "paused", "ended"}


class Board:
    """See the module. `changes` counts what was taken: who paints compares it with what was painted."""

    def __init__(self) -> None:
        self.changes = 0
        self.link = Link("connecting")
        self.heard_at: float | None = None
        self.hello: Hello | None = None
        self.stats: Stats | None = None
        self.second = 0
        self.history: deque[Second] = deque(maxlen=HISTORY_S)
        self.deliveries: OrderedDict[str, Delivery] = OrderedDict()
        self.delivery_changes = 0
        self.targets: dict[str, Target] = {}
        self.log: deque[Happened] = deque(maxlen=LOG_MAX)
        self.log_count = 0
        self.notable: deque[Happened] = deque(maxlen=NOTABLE_MAX)
        self.skipped = 0
        self.skipped_now = 0  # within the last second
        self._skipped_before = 0
        self._types: OrderedDict[str, str] = OrderedDict()
        self._anchor: tuple[datetime, float, float] | None = None

    def take(self, frame: Frame, now: float) -> None:
        """Fold one frame in."""
        self.changes += 1
        if not isinstance(frame, Link):
            self.heard_at = now
        match frame:
            case Events():
                for each in frame.events:
                    self._happened(each)
            case Stats():
                self._stats(frame, now)
            case Link():
                self.link = frame
            case Hello():
                self.hello = frame
                if frame.now is not None:
                    self._anchor = (frame.now, now, 1.0)
            case Skipped():
                self.skipped += frame.count
            case Targets():
                self._listed(frame)
            case Clock():
                self._anchor = (frame.at, now, frame.speed)
            case Reset():
                raise AssertionError("a board is not reset: make another")

    # --- reading

    def clock(self, now: float) -> datetime | None:
        """The daemon's time, or the recording's."""
        if self._anchor is None:
            return None
        at, since, speed = self._anchor
        return at + timedelta(seconds=(now - since) * speed)

    def trust(self, now: float) -> Trust:
        """How the feed stands. A live stream that says nothing is not called live."""
        link = self.link
        age = None if self.heard_at is None else now - self.heard_at
        silent = link.state == "live" and (age is None or age > SILENT_AFTER_S)
        return Trust(
            "silent" if silent else link.state,
            age,
            None if link.retry_at is None else max(link.retry_at - now, 0.0),
            link.detail,
            link.tries,
        )

    def url(self, endpoint: str) -> str:
        """The URL of an endpoint, if it is known; else its id."""
        target = self.targets.get(endpoint)
        return (target.stats.url if target else "") or endpoint

    def event_type(self, message: str) -> str | None:
        """The type of a message that was accepted lately."""
        return self._types.get(message)

    # --- folding

    def _stats(self, stats: Stats, now: float) -> None:
        self.stats = stats
        self.second += 1
        self.skipped_now, self._skipped_before = self.skipped - self._skipped_before, self.skipped
        if self._anchor is None or self._anchor[2] == 1.0:
            self._anchor = (stats.at, now, 1.0)
        per = stats.interval_s or 1.0
        self.history.append(
            Second(
                stats.at,
                stats.accepted / per,
                stats.attempts / per,
                stats.delivered / per,
                stats.failed / per,
                stats.duration_ms.p95 if stats.duration_ms else None,
                stats.delay_ms.p95 if stats.delay_ms else None,
                stats.in_flight,
                stats.pending,
                stats.loop_lag_ms,
            )
        )
        for each in stats.targets:
            self._target(each).take(each, self.second)

    def _target(self, stats: TargetStats) -> Target:
        known = self.targets.get(stats.endpoint)
        if known is None:
            if len(self.targets) >= TARGETS_MAX:
                idlest = min(self.targets, key=lambda each: self.targets[each].seen)
                del self.targets[idlest]
            known = self.targets[stats.endpoint] = Target(stats, self.second)
        return known

    def _listed(self, page: Targets) -> None:
        for each in page.targets:
            target = self._target(each)
            if target.seen == self.second and target.stats.attempts:
                continue  # the stream knows better
            target.stats = each

    def _happened(self, event: Happened) -> None:
        self.log.append(event)
        self.log_count += 1
        if (fold := _DELIVERY.get(event.type)) is not None and event.endpoint is not None:
            self._put(fold(self, event, event.endpoint))
        elif event.type == "MessageAccepted":
            self._accepted(event)
        else:
            if event.type == "PartitionTaken" and self.notable and self.notable[-1].type == event.type:
                self.notable.pop()  # a process takes many at once: one line says it
            self.notable.append(event)
            if event.type in _CONFIG:
                self._configured(event)

    def _put(self, row: Delivery) -> None:
        self.deliveries[row.key] = row
        self.deliveries.move_to_end(row.key)
        self.delivery_changes += 1
        if len(self.deliveries) > DELIVERIES_MAX:
            self.deliveries.popitem(last=False)

    def _accepted(self, event: Happened) -> None:
        type_ = text(event.body, "event_type")
        self._types[event.stream] = type_
        if len(self._types) > TYPES_MAX:
            self._types.popitem(last=False)
        endpoints = event.body.get("endpoints")
        if not isinstance(endpoints, list):
            return
        for endpoint in endpoints[:FANOUT_SHOWN_MAX]:
            key = f"{event.stream}/{endpoint}"
            self._put(
                Delivery(key, event.stream, str(endpoint), event.at, "waiting", event_type=type_, next_at=event.at)
            )

    def _configured(self, event: Happened) -> None:
        if event.type == "EndpointDeleted":
            self.targets.pop(event.stream, None)
            return
        config = event.body.get("config")
        known = self.targets.get(event.stream)
        if event.type in _BREAKER:
            if known is not None:
                known.stats = _broken(known.stats, event)
            return
        url = text(config, "url") if isinstance(config, dict) else ""
        if known is not None:
            stats = known.stats
            known.stats = msgspec.structs.replace(
                stats,
                url=url or stats.url,
                disabled={"EndpointDisabled": text(event.body, "reason"), "EndpointEnabled": None}.get(
                    event.type, stats.disabled
                ),
            )
        elif url:
            self._target(TargetStats(event.stream, text(event.body, "application"), url))


_BREAKER: Final = frozenset({"BreakerOpened", "BreakerClosed", "BreakerReset"})
_CONFIG: Final = (
    frozenset({"EndpointRegistered", "EndpointUpdated", "EndpointDisabled", "EndpointEnabled", "EndpointDeleted"})
    | _BREAKER
)


def _broken(stats: TargetStats, event: Happened) -> TargetStats:
    """The statistics say more, of the busiest: the log says it of all, and at once."""
    opened = event.type == "BreakerOpened"
    return msgspec.structs.replace(
        stats,
        breaker="open" if opened else "closed",
        breaker_until=moment(event.body, "until") if opened else None,
        breaker_reason=(stats.breaker_reason or text(event.body, "fault")) if opened else None,
    )


def _succeeded(board: Board, event: Happened, endpoint: str) -> Delivery:
    body, message = event.body, event.stream
    return Delivery(
        f"{message}/{endpoint}",
        message,
        endpoint,
        event.at,
        "delivered",
        number(body, "attempt") or 0,
        number(body, "status"),
        number(body, "duration_ms"),
        "",
        board.event_type(message),
    )


def _failed(board: Board, event: Happened, endpoint: str) -> Delivery:
    body, message = event.body, event.stream
    fault, detail = text(body, "fault"), text(body, "detail")
    return Delivery(
        f"{message}/{endpoint}",
        message,
        endpoint,
        event.at,
        "retrying" if "next_at" in body else "exhausted",
        number(body, "attempt") or 0,
        number(body, "status"),
        number(body, "duration_ms"),
        f"{fault}: {detail}" if detail else fault,
        board.event_type(message),
        moment(body, "next_at"),
    )


def _abandoned(board: Board, event: Happened, endpoint: str) -> Delivery:
    body, message = event.body, event.stream
    return Delivery(
        f"{message}/{endpoint}",
        message,
        endpoint,
        event.at,
        "retrying",
        number(body, "attempt") or 0,
        what=f"abandoned by hookd: {text(body, 'detail')}",
        event_type=board.event_type(message),
        next_at=moment(body, "next_at"),
    )


def _resent(board: Board, event: Happened, endpoint: str) -> Delivery:
    """Its attempts start over."""
    type_ = board.event_type(event.stream)
    at = moment(event.body, "next_at") or event.at
    key, what = f"{event.stream}/{endpoint}", f"sent again by {event.actor}"
    return Delivery(key, event.stream, endpoint, event.at, "waiting", what=what, event_type=type_, next_at=at)


def _ended(state: str) -> Callable[[Board, Happened, str], Delivery]:
    def fold(board: Board, event: Happened, endpoint: str) -> Delivery:
        key = f"{event.stream}/{endpoint}"
        reason = text(event.body, "reason")
        known = board.deliveries.get(key)
        if known is None:
            type_ = board.event_type(event.stream)
            return Delivery(key, event.stream, endpoint, event.at, state, what=reason, event_type=type_)
        return msgspec.structs.replace(known, at=event.at, state=state, what=reason or known.what, next_at=None)

    return fold


_DELIVERY: Final[dict[str, Callable[[Board, Happened, str], Delivery]]] = {
    "AttemptSucceeded": _succeeded,
    "AttemptFailed": _failed,
    "AttemptAbandoned": _abandoned,
    "DeliveryExhausted": _ended("exhausted"),
    "DeliveryGone": _ended("gone"),
    "DeliveryCancelled": _ended("cancelled"),
    "DeliveryExpired": _ended("expired"),
    "DeliveryResent": _resent,
}
