"""Those who watch the same things at the same pace: what they want, how much they get, one chunk for all of them."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from daemon.live import frames
from events.catalogue import (
    AttemptAbandoned,
    AttemptFailed,
    AttemptSucceeded,
    BreakerClosed,
    BreakerOpened,
    BreakerReset,
    DeliveryCancelled,
    DeliveryExhausted,
    DeliveryExpired,
    DeliveryGone,
    DeliveryResent,
    Event,
    MessageAccepted,
)
from events.envelope import Recorded
from events.shown import show

TICKS: Final = 10  # a second
BURST: Final = 0.2
"""This part of the rate may go at once after a silence; else it flows evenly."""
CHUNK_BYTES_MAX: Final = 256 << 10

OK: Final[frozenset[type[Event]]] = frozenset({AttemptSucceeded, BreakerClosed, BreakerReset})
FAILED: Final[frozenset[type[Event]]] = frozenset(
    {
        AttemptFailed,
        AttemptAbandoned,
        DeliveryExhausted,
        DeliveryGone,
        DeliveryCancelled,
        DeliveryExpired,
        BreakerOpened,
    }
)
NOT_CONFIG: Final = OK | FAILED | frozenset[type[Event]]({MessageAccepted, DeliveryResent})

Owner = tuple[str, str] | None
"""The application and the organization that something belongs to; None: to nobody, as a partition."""
OwnerOf = Callable[[Recorded], Owner]


class Wanted(msgspec.Struct, frozen=True):
    """Which events, and how many a second at most. `status`: ok, failed or config; None is all."""

    rate: int
    org: str | None = None
    application: str | None = None
    endpoint: str | None = None
    status: str | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is left out but for the rate."""
        return not (self.status or self.endpoint or self.owned)

    @property
    def owned(self) -> bool:
        """Whether it matters whose an event is."""
        return bool(self.org or self.application)

    def of(self, events: Sequence[Recorded], owner_of: OwnerOf) -> Sequence[Recorded]:
        """Those of `events` that are wanted."""
        if self.everything:
            return events
        return [each for each in events if self._is(each, owner_of)]

    def _is(self, recorded: Recorded, owner_of: OwnerOf) -> bool:
        kind = type(recorded.event)
        if self.status and not _has_status(kind, self.status):
            return False
        if self.endpoint and self.endpoint not in (recorded.endpoint, recorded.stream):
            event = recorded.event
            if not isinstance(event, MessageAccepted) or self.endpoint not in event.endpoints:
                return False
        if not self.owned:
            return True
        application, org = owner_of(recorded) or ("", "")
        return self.application in (None, application) and self.org in (None, org)


class Group:
    """Subscribers with the same wishes. In no second more than `rate` events are sent."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self._sent: deque[int] = deque([0] * (TICKS - 1), TICKS - 1)  # in the last ticks
        self._saved = self._saved_max = max(wanted.rate * BURST, 1.0)
        self.allowed = 0  # at this tick

    def chunk(self, matching: Sequence[Recorded], position: str) -> bytes:
        """What to send at this tick; `position` is where the log is after it. To be called at every tick."""
        rate = self.wanted.rate
        self._saved = min(self._saved + rate / TICKS, self._saved_max)
        self.allowed = min(int(self._saved), rate - sum(self._sent))
        shown = encode(matching, self.allowed)
        self._saved -= len(shown)
        self._sent.append(len(shown))
        return chunk(shown, len(matching), position)


def encode(events: Sequence[Recorded], count_max: int) -> list[bytes]:
    """The first of them, as many as are allowed and as are not too large."""
    shown: list[bytes] = []
    size = 0
    for recorded in events[:count_max]:
        if size >= CHUNK_BYTES_MAX:
            break
        shown.append(show(recorded))
        size += len(shown[-1])
    return shown


def chunk(shown: list[bytes], matching: int, position: str) -> bytes:
    """The frames that show these, and say how many of the matching ones are left out."""
    parts = []
    if shown:
        parts.append(frames.events(shown, position))
    if matching > len(shown):
        parts.append(frames.skipped(matching - len(shown), position))
    return b"".join(parts)


def _has_status(kind: type[Event], status: str) -> bool:
    match status:
        case "ok":
            return kind in OK
        case "failed":
            return kind in FAILED
    return kind not in NOT_CONFIG
