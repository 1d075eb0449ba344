"""Frames: what a feed says, whether it is the daemon's live stream or a recording. Pure values.

The field names are the stream's own in snake_case. Whatever a release leaves out or adds does no harm: fields have
defaults, and unknown ones are passed over.
"""

from datetime import datetime
from typing import Any, Literal

import msgspec

LinkState = Literal["connecting", "live", "lost", "refused", "playing", "paused", "ended"]


class Struct(msgspec.Struct, frozen=True, rename="camel"):
    """Base of what is read from the daemon."""


class Happened(msgspec.Struct, frozen=True, gc=False):
    """An event, with its envelope. `body` is as it stands in the log."""

    partition: int
    seq: int
    at: datetime
    stream: str
    type: str
    version: int = 0
    actor: str = ""
    body: dict[str, Any] = {}
    endpoint: str | None = None
    request: str | None = None

    @property
    def position(self) -> str:
        """Where it stands in the log."""
        return f"{self.partition}/{self.seq}"


class Quantiles(Struct, frozen=True):
    """Milliseconds."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class TargetStats(Struct, frozen=True):
    """One endpoint: what happened to it within the interval, and how it stands. Pages of targets say more."""

    endpoint: str
    application: str = ""
    url: str = ""
    attempts: int = 0
    delivered: int = 0
    failed: int = 0
    duration_ms: Quantiles | None = None
    in_flight: int = 0
    backlog: int = 0
    backlog_more: bool = False
    counted: bool = True  # whether the backlog is known
    breaker: str = "closed"
    breaker_until: datetime | None = None
    breaker_reason: str | None = None
    disabled: str | None = None
    batch_size: int | None = None
    throttle_rate: int | None = None
    pending: int | None = None
    oldest_due: datetime | None = None
    failing_since: datetime | None = None
    created_at: datetime | None = None
    description: str = ""
    uid: str | None = None


class PartitionStats(Struct, frozen=True):
    """One partition of the log: who owns it, its last event, how far it is sealed."""

    partition: int
    owner: str | None = None
    epoch: int = 0
    seq: int = 0
    sealed: int | None = None


class ProcessStats(Struct, frozen=True):
    """A process of the daemon, and for how many partitions it delivers. None: it has not told."""

    name: str
    partitions: int = 0
    in_flight: int | None = None
    queue: int | None = None
    oldest_due_s: float | None = None
    loop_lag_ms: float | None = None


class CheckpointStats(Struct, frozen=True):
    """The newest signed checkpoint: events under it, and events not yet."""

    at: datetime
    sealed: int = 0
    unsealed: int = 0


class Hello(Struct, frozen=True):
    """The stream begins."""

    process: str = ""
    version: str = ""
    now: datetime | None = None
    partitions: int = 0
    positions: str = ""
    resumed: bool = False


class Events(msgspec.Struct, frozen=True):
    """What happened, in commit order within each partition."""

    events: tuple[Happened, ...]
    positions: str = ""


class Skipped(Struct, frozen=True):
    """More happened than was sent."""

    count: int = 0
    positions: str = ""


class Stats(Struct, frozen=True):
    """The daemon's second, of all its processes; `process` is the one that tells of them."""

    at: datetime
    process: str = ""
    processes: tuple[ProcessStats, ...] = ()
    interval_s: float = 1.0
    accepted: int = 0
    attempts: int = 0
    delivered: int = 0
    failed: int = 0
    duration_ms: Quantiles | None = None
    delay_ms: Quantiles | None = None
    in_flight: int = 0
    queue: int = 0
    oldest_due_s: float | None = None
    loop_lag_ms: float | None = None
    batch_rows: float | None = None
    appends: int | None = None
    pending: int | None = None
    database: bool = True
    standing_by: bool = False
    partitions: tuple[PartitionStats, ...] = ()
    checkpoint: CheckpointStats | None = None
    targets: tuple[TargetStats, ...] = ()
    past: bool = False  # made from events alone: of the processes nothing is known

    @property
    def orphans(self) -> int:
        """Partitions that nobody delivers for just now."""
        alive = {each.name for each in self.processes} or {each.owner for each in self.partitions} - {None}
        return sum(each.owner not in alive for each in self.partitions)


class Targets(msgspec.Struct, frozen=True):
    """Targets as a page of the API lists them: also those that nothing happens to."""

    targets: tuple[TargetStats, ...]


class Link(msgspec.Struct, frozen=True):
    """How the feed stands with its daemon or file. `retry_at` is a moment of the console's own monotonic clock."""

    state: LinkState
    detail: str = ""
    retry_at: float | None = None
    tries: int = 0


class Clock(msgspec.Struct, frozen=True):
    """A recording's time from now on: `at`, going on at `speed` recorded seconds a second (0: standing)."""

    at: datetime
    speed: float


class Reset(msgspec.Struct, frozen=True):
    """What follows has nothing to do with what came: begin with an empty board."""


Frame = Hello | Events | Skipped | Stats | Targets | Link | Clock | Reset
