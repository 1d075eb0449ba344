"""hookd's own routes: whether it lives, whether it is ready, and its numbers."""

import gzip
from dataclasses import dataclass
from typing import Protocol

from aiohttp import hdrs
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from pydantic import BaseModel

from daemon.api.answer import Answer
from daemon.api.dialect import ProblemDialect
from daemon.api.layer import Surface
from daemon.api.operation import Call
from daemon.api.reply import Reply
from daemon.api.request import Request

TAG = "Health"


class Vitals(Protocol):
    """How the daemon is doing."""

    @property
    def stopping(self) -> bool:
        """Whether it is on its way out."""

    @property
    def database_ok(self) -> bool:
        """Whether the database answers."""

    @property
    def oldest_due_s(self) -> float | None:
        """Age of the delivery that has waited longest for its turn, in seconds; None when none waits."""

    @property
    def loop_lag_s(self) -> float:
        """The worst delay of the event loop lately, in seconds."""

    @property
    def in_flight(self) -> int:
        """Attempts under way."""

    @property
    def queue(self) -> int:
        """Commands that wait to be recorded."""

    @property
    def served_partitions(self) -> int:
        """Partitions that some living process delivers for."""

    @property
    def barred_trees(self) -> int:
        """Partitions whose log disagrees with what was signed."""


class Metrics(Protocol):
    """The numbers of all processes behind this address."""

    @property
    def registry(self) -> CollectorRegistry:
        """Where they are read."""

    async def hear(self) -> None:
        """Take what the other processes tell, before they are read."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on the daemon is not ready, in seconds."""

    oldest_due_max_s: float = 60.0
    loop_lag_max_s: float = 1.0


class Check(BaseModel):
    """One thing that must be well. `value` and `max` are seconds where they are numbers of time."""

    ok: bool
    value: float | None = None
    max: float | None = None


class Readiness(BaseModel):
    """Whether requests should come here, and why not: of the process that answers, one of several perhaps.

    The check `partitions` counts those that any living process delivers for.
    The check `log` is for people: a log that was tampered with stays so wherever requests go, so it does not count.
    """

    ready: bool
    checks: dict[str, Check]
    in_flight: int
    queue: int


class Alive(BaseModel):
    """The process answers."""

    status: str = "alive"


def readiness(vitals: Vitals, thresholds: Thresholds) -> Readiness:
    """Judge how the daemon is doing. Backlogs are judged by age: a long queue that moves is no fault."""
    oldest, lag = vitals.oldest_due_s, vitals.loop_lag_s
    due_max, lag_max = thresholds.oldest_due_max_s, thresholds.loop_lag_max_s
    checks = {
        "running": Check(ok=not vitals.stopping),
        "database": Check(ok=vitals.database_ok),
        "deliveries": Check(ok=oldest is None or oldest <= due_max, value=_seconds(oldest), max=due_max),
        "loop": Check(ok=lag <= lag_max, value=_seconds(lag), max=lag_max),
        "partitions": Check(ok=vitals.served_partitions > 0, value=vitals.served_partitions),
    }
    return Readiness(
        ready=all(check.ok for check in checks.values()),
        checks=checks | {"log": Check(ok=vitals.barred_trees == 0, value=vitals.barred_trees, max=0)},
        in_flight=vitals.in_flight,
        queue=vitals.queue,
    )


def surface(vitals: Vitals, metrics: Metrics, thresholds: Thresholds) -> Surface:
    """Declare the routes."""
    made = Surface("", ProblemDialect(), title="hookd", version="1")

    @made.op("GET", "/healthz", out=Alive, tag=TAG)
    async def healthz(_call: Call[None]) -> Alive:
        """Whether the process answers.

        Says nothing about the database: a restart would not bring that back.
        """
        return Alive()

    @made.op("GET", "/readyz", out=Readiness, also=(503,), tag=TAG)
    async def readyz(_call: Call[None]) -> Reply:
        """Whether requests should come here."""
        found = readiness(vitals, thresholds)
        return Reply(status=200 if found.ready else 503, body=found)

    @made.op("GET", "/metrics", media="text/plain", tag=TAG)
    async def numbers(call: Call[None]) -> Answer:
        """The numbers, for Prometheus: of all processes behind this address, each with its label `process`."""
        await metrics.hear()
        return _numbers(metrics.registry, call.request)

    return made


def _numbers(registry: CollectorRegistry, request: Request) -> Answer:
    """Write the numbers, or those that are asked for (`name[]`), in the format that is wanted."""
    encode, media = choose_encoder(request.header(b"accept"))
    names = [value for name, value in request.query.items() if name == "name[]"]
    body = encode(registry.restricted_registry(names) if names else registry)
    if "gzip" not in request.header(b"accept-encoding").lower():
        return Answer(200, body, media)
    return Answer(200, gzip.compress(body), media, {hdrs.CONTENT_ENCODING: "gzip"})


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
