"""What is told once a second: counts of the interval, and how things stand."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from heapq import nlargest
from itertools import islice
from typing import Any, Final, Protocol

from pydantic import AliasGenerator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from daemon.live.tally import Row, Tally, percentile
from daemon.live.told import Counts, TargetTold, Told
from daemon.target import Target
from events.endpoint import Endpoint
from events.log_views import Head

_NO_ROW: Final = Row(None, 0)
TARGETS_SEEN: Final = 10_000  # of those in memory that nothing was sent to: looked at for their backlog


def absent(value: object) -> bool:
    """Say that None is left out instead of written as null."""
    return value is None


def _zone(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=AliasGenerator(serialization_alias=to_camel))


class Spread(_Out):
    """Percentiles, in milliseconds; null when there was nothing."""

    p50: float | None
    p95: float | None
    p99: float | None = Field(default=None, exclude_if=absent)


class TargetOut(_Out):
    """An endpoint and what was tried there within the interval.

    Without `counted`, the process that delivers there has not told of it: the numbers are left out.
    """

    endpoint: str
    application: str
    url: str
    counted: bool = True
    attempts: int | None = Field(default=0, exclude_if=absent)
    delivered: int | None = Field(default=0, exclude_if=absent)
    failed: int | None = Field(default=0, exclude_if=absent)
    duration_ms: Spread
    in_flight: int | None = Field(default=0, exclude_if=absent, description="attempts under way")
    backlog: int | None = Field(
        default=0, exclude_if=absent, description="deliveries in memory that are not recorded as ended"
    )
    backlog_more: bool = Field(default=False, description="the table may hold further ones that are due")
    breaker: str = Field(description="closed, open, probing (its time is up, one attempt goes) or ramp")
    breaker_until: datetime | None = Field(default=None, exclude_if=absent)
    breaker_reason: str | None = Field(default=None, exclude_if=absent)
    disabled: str | None = Field(default=None, exclude_if=absent, description="why")
    batch_size: int
    throttle_rate: int | None = Field(default=None, exclude_if=absent)


class PartitionOut(_Out):
    """A partition: how far it is, who owns it, how much of it is sealed."""

    partition: int
    owner: str | None
    epoch: int
    seq: int
    sealed: int | None


class CheckpointOut(_Out):
    """When the log was last signed, how many events that covers, and how many came since."""

    at: datetime
    sealed: int
    unsealed: int


class ProcessOut(_Out):
    """A process of the daemon. null: it has not told (yet)."""

    name: str
    partitions: int = Field(description="those it delivers for")
    in_flight: int | None = None
    queue: int | None = None
    oldest_due_s: float | None = None
    loop_lag_ms: float | None = None


class Figures(_Out):
    """All processes of the daemon together. Counts are those of the last `intervalS` seconds."""

    at: datetime
    process: str = Field(description="the one that answers")
    processes: list[ProcessOut]
    interval_s: float
    accepted: int
    attempts: int
    delivered: int
    failed: int
    duration_ms: Spread
    delay_ms: Spread = Field(description="from the arrival of a message to its delivery")
    in_flight: int
    queue: int
    oldest_due_s: float | None
    loop_lag_ms: float = Field(description="the worst of all processes")
    batch_rows: float
    appends: int
    pending: int | None = Field(description="undelivered, in memory")
    standing_by: bool = Field(description="the process that answers owns no partition")
    partitions: list[PartitionOut]
    checkpoint: CheckpointOut | None
    targets: list[TargetOut]


class StatsOut(Figures):
    """The figures as they are told once a second."""

    database: bool = Field(description="whether the database answers")


class Vitals(Protocol):
    """How the daemon is doing."""

    @property
    def database_ok(self) -> bool:
        """Whether the database answers."""

    @property
    def oldest_due_s(self) -> float | None:
        """Age of the delivery that has waited longest for its turn, in seconds."""

    @property
    def loop_lag_s(self) -> float:
        """The worst delay of the event loop lately, in seconds."""

    @property
    def in_flight(self) -> int:
        """Attempts under way."""

    @property
    def queue(self) -> int:
        """Commands that wait to be recorded."""


class Targets(Protocol):
    """Who is delivered to."""

    def targets(self) -> Iterable[Target]:
        """Those in memory."""

    def target(self, endpoint_id: str) -> Target | None:
        """The target of an endpoint, while there is one."""


def spread(buckets: Sequence[int], *, p99: bool = False) -> Spread:
    """The percentiles of a row of buckets."""
    return Spread(
        p50=percentile(buckets, 0.5), p95=percentile(buckets, 0.95), p99=percentile(buckets, 0.99) if p99 else None
    )


def counted(counts: Counts, interval_s: float) -> dict[str, Any]:
    """The fields that are counts of the interval."""
    return {
        "interval_s": round(interval_s, 3),
        "accepted": counts.accepted,
        "attempts": counts.delivered + counts.failed,
        "delivered": counts.delivered,
        "failed": counts.failed,
        "duration_ms": spread(counts.durations, p99=True),
        "delay_ms": spread(counts.delays, p99=True),
        "batch_rows": round(counts.rows / counts.appends, 1) if counts.appends else 0.0,
        "appends": counts.appends,
    }


def told_by(vitals: Vitals, began_ms: int, counts: Counts, pending: int, targets: Iterable[TargetTold] = ()) -> Told:
    """What a process tells of itself."""
    oldest, lag_ms = _zone(vitals.oldest_due_s), round(vitals.loop_lag_s * 1000, 3)
    return Told(began_ms, counts, vitals.in_flight, vitals.queue, oldest, lag_ms, pending, tuple(targets))


def standing(told: Sequence[Told]) -> dict[str, Any]:
    """The fields that say how all these processes are doing."""
    return {
        "in_flight": sum(each.in_flight for each in told),
        "queue": sum(each.queue for each in told),
        "oldest_due_s": max((each.oldest_due_s for each in told if each.oldest_due_s is not None), default=None),
        "loop_lag_ms": max(each.loop_lag_ms for each in told),
        "pending": sum(each.pending for each in told),
    }


def processes(names: Iterable[str], told: Mapping[str, Told | None], heads: Sequence[Head]) -> list[ProcessOut]:
    """One by one, whether they told or not."""
    owned = Counter(head.owner for head in heads)
    shown = []
    for name in names:
        made = ProcessOut(name=name, partitions=owned[name])
        if (each := told.get(name)) is not None:
            known = ("in_flight", "queue", "oldest_due_s", "loop_lag_ms")
            made = made.model_copy(update={field: getattr(each, field) for field in known})
        shown.append(made)
    return shown


def sealed(heads: Sequence[Head]) -> dict[str, Any]:
    """The fields about partitions."""
    moments = [head.sealed_at for head in heads if head.sealed_at is not None]
    covered = sum(head.sealed or 0 for head in heads)
    unsealed = sum(head.seq for head in heads) - covered
    return {
        "partitions": [
            PartitionOut(
                partition=each.partition, owner=each.owner, epoch=each.epoch, seq=each.seq, sealed=each.sealed
            )
            for each in heads
        ],
        "checkpoint": CheckpointOut(at=max(moments), sealed=covered, unsealed=unsealed) if moments else None,
    }


def busiest(tally: Tally, targets: Targets, count: int) -> tuple[list[tuple[str, Target | None]], int]:
    """The endpoints with the most attempts, then with the longest backlog; and how much is undelivered in memory."""
    attempts = tally.attempts()
    pending, held = 0, {}
    for target in islice(targets.targets(), TARGETS_SEEN):
        waiting = target.lane.held
        pending += waiting
        held[target.endpoint.id] = waiting
    found = nlargest(count, attempts.keys() | held.keys(), key=lambda key: (attempts.get(key, 0), held.get(key, 0)))
    return [(key, targets.target(key)) for key in found], pending


def target_out(
    endpoint: Endpoint, target: Target | None, row: Row, now: datetime, batch_size: int, why: str | None = None
) -> TargetOut:
    """One target; `batch_size` is the daemon's default, `why` the breaker opened."""
    is_open = endpoint.breaker_until is not None
    return TargetOut(
        endpoint=endpoint.id,
        application=endpoint.application,
        url=endpoint.url,
        attempts=row.attempts,
        delivered=row.delivered,
        failed=row.failed,
        duration_ms=spread(row.durations),
        in_flight=target.flying if target else 0,
        backlog=target.lane.held if target else 0,
        backlog_more=target.lane.more if target else False,
        breaker=_breaker(endpoint, target, now),
        breaker_until=endpoint.breaker_until,
        breaker_reason=why if is_open else None,
        disabled=endpoint.disabled,
        batch_size=endpoint.batch_size or batch_size,
        throttle_rate=endpoint.throttle_rate,
    )


def target_told(endpoint: str, target: Target | None, row: Row, why: str | None) -> TargetTold:
    """One target, for another process to show."""
    found = spread(row.durations)
    return TargetTold(
        endpoint,
        row.attempts,
        row.delivered,
        row.failed,
        found.p50,
        found.p95,
        in_flight=target.flying if target else 0,
        backlog=target.lane.held if target else 0,
        backlog_more=target.lane.more if target else False,
        ramp=_ramps(target),
        reason=why,
    )


def target_of_another(endpoint: Endpoint, told: TargetTold | None, now: datetime, batch_size: int) -> TargetOut:
    """A target that another process delivers to, which has told this of it, or nothing."""
    out = target_out(endpoint, None, _NO_ROW, now, batch_size, told.reason if told else None)
    if told is None:
        numbers = ("attempts", "delivered", "failed", "in_flight", "backlog")
        return out.model_copy(update={"counted": False} | dict.fromkeys(numbers))
    known = ("attempts", "delivered", "failed", "in_flight", "backlog", "backlog_more")
    update: dict[str, Any] = {name: getattr(told, name) for name in known}
    update["duration_ms"] = Spread(p50=told.p50, p95=told.p95)
    if told.ramp and out.breaker == "closed":
        update["breaker"] = "ramp"
    return out.model_copy(update=update)


def _breaker(endpoint: Endpoint, target: Target | None, now: datetime) -> str:
    if endpoint.breaker_until is not None:
        return "open" if now < endpoint.breaker_until else "probing"
    return "ramp" if _ramps(target) else "closed"


def _ramps(target: Target | None) -> bool:
    return target is not None and target.window < target.batch_size
