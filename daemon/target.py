"""The actor that delivers to one endpoint: a small object with a lane, not a task. Pure but for what it is given.

It says how many attempts may be out now and when it wants attention next; the dispatcher gives it its turns.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from daemon.lane import Lane
from daemon.signing import Sign
from daemon.throttle import Throttle
from daemon.transport.destination import Destination
from events.endpoint import Endpoint

USER_AGENT: Final = "hookd/0.1"
LANE_MIN: Final = 32
LANE_MAX: Final = 1024
LANE_PER_SLOT: Final = 4
MICROSECOND: Final = timedelta(microseconds=1)


def request_head(destination: Destination) -> bytes:
    """The lines that all requests to this destination begin with."""
    return (
        f"POST {destination.target} HTTP/1.1\r\nhost: {destination.authority}\r\n"
        f"accept: */*\r\naccept-encoding: identity\r\ncontent-type: application/json\r\n"
        f"user-agent: {USER_AGENT}\r\n"
    ).encode("ascii")


class Target:
    """One endpoint's deliveries: at most `batch_size` at once, none while held, one while probing."""

    __slots__ = (
        "batch_size",
        "destination",
        "endpoint",
        "flying",
        "head",
        "lane",
        "looking",
        "paused",
        "queued",
        "signers",
        "signers_until",
        "throttle",
        "timer_at",
        "touched",
        "window",
    )

    def __init__(self, endpoint: Endpoint, batch_size: int, *, more: bool = False) -> None:
        self.lane = Lane(LANE_MIN, more=more)
        self.flying = 0  # attempts under way
        self.looking = False  # will look into the table once more, soon
        self.paused = False  # and until then do nothing
        self.queued = False  # stands in the dispatcher's ready queue
        self.timer_at: datetime | None = None  # is called up then
        self.touched = True  # did something since the last sweep
        self.signers: Sequence[Sign] | None = None  # None: to be fetched
        self.signers_until: datetime | None = None  # when one of them is not good any more
        self.window = 0
        self.throttle: Throttle | None = None
        self.configure(endpoint, batch_size)

    def configure(self, endpoint: Endpoint, batch_size: int) -> None:
        """Take over the endpoint's new state; it holds from the next attempt on."""
        self.endpoint = endpoint
        self.batch_size = endpoint.batch_size or batch_size
        self.window = self.window or self.batch_size
        self.widen(self.lane.capacity)
        self.destination = Destination.of(endpoint.url)
        self.head = request_head(self.destination)
        rate = endpoint.throttle_rate
        if rate is None:
            self.throttle = None
        elif self.throttle is None or self.throttle.interval_s != 1 / rate:
            self.throttle = Throttle(rate)

    def widen(self, share: int) -> None:
        """Let the lane hold `share` deliveries, within reason: many a time enough for all slots, never a backlog."""
        self.lane.capacity = max(LANE_PER_SLOT * self.batch_size, min(max(share, LANE_MIN), LANE_MAX))

    def room(self, now: datetime) -> int:
        """How many attempts may start now."""
        endpoint = self.endpoint
        if endpoint.disabled is not None or (self.throttle and self.throttle.free_at() > now.timestamp()):
            return 0
        if endpoint.breaker_until is None:
            return min(self.batch_size, self.window) - self.flying
        # One probe, and nothing more until what came of it is in the log and has moved the breaker.
        return 1 - (self.lane.held - len(self.lane.ready)) if now >= endpoint.breaker_until else 0

    def attention_at(self, now: datetime) -> datetime | None:
        """When this target can do something next, by itself; None: only when something happens to it."""
        endpoint, lane = self.endpoint, self.lane
        if endpoint.disabled is not None or lane.rests():
            return None
        if lane.ready:
            if self.flying >= min(self.batch_size, self.window):
                return None  # an outcome will wake it
            if endpoint.breaker_until and lane.held > len(lane.ready):
                return None  # what comes of the probe will
            moment = now
        elif lane.wants(now):
            moment = now
        elif lane.wake_at is not None and lane.wake_at > now and not lane.more:
            moment = lane.wake_at
        else:
            return None  # too much is out to read more: an outcome will wake it
        if self.throttle is not None and (free_at := self.throttle.free_at()) > moment.timestamp():
            moment = datetime.fromtimestamp(free_at, UTC) + MICROSECOND  # never rounded down
        return max(moment, endpoint.breaker_until) if endpoint.breaker_until else moment

    def sign_anew(self) -> None:
        """The keys have changed, or the time of one is up: they are to be fetched."""
        self.signers = self.signers_until = None

    def succeeded(self) -> None:
        """An attempt was answered well: after an outage, twice as many may go."""
        self.window = min(self.window * 2, self.batch_size)

    def ramp(self) -> None:
        """The breaker moved: begin with one attempt at a time again."""
        self.window = 1

    def idle(self) -> bool:
        """Whether nothing is lost by forgetting this target."""
        return self.lane.idle() and not self.flying and self.window >= self.batch_size
