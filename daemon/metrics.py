"""What Prometheus may ask: plain numbers kept while following the log, put into families when asked.

Workers share one address, and whichever is asked answers for all that live there: each tells the others its numbers
once a second, and they are told apart by the label `process`, the worker's number. A sum would fall when one ends. Of
processes that have addresses of their own each answers for itself, without the label: Prometheus tells them apart.

No label names an endpoint or a message: those are as many as customers make them.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import accumulate
from types import MappingProxyType
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from daemon.dispatcher import Dispatcher
from daemon.live.neighbours import Neighbours
from daemon.naming import crew_of
from daemon.payloads import Payloads
from daemon.recorder import Committed, Recorder
from daemon.transport import Transport
from daemon.vitals import Vitals
from events.catalogue import (
    AttemptAbandoned,
    AttemptFailed,
    AttemptSucceeded,
    BreakerOpened,
    DeliveryCancelled,
    DeliveryExhausted,
    DeliveryExpired,
    DeliveryGone,
    MessageAccepted,
)

DURATIONS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BATCHES: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000)


OLDEST_DUE: Final = "hookd_oldest_due_seconds"
OLDEST_TURNS: Final = 10


class Spread(msgspec.Struct):
    """Counts by upper bound, those beyond the last at the end, and a sum."""

    counts: list[int]
    sum: float = 0.0

    def add(self, value: float, bounds: tuple[float, ...], times: int = 1) -> None:
        """Count it, so many times."""
        self.counts[bisect_left(bounds, value)] += times
        self.sum += value * times


class Numbers(msgspec.Struct, frozen=True):
    """Those of one process, by the names of their families."""

    gauges: dict[str, float]
    counters: dict[str, float]
    ended: dict[str, int]
    failed: dict[str, int]
    durations: Spread
    batches: Spread


class Metrics(Collector):
    """The numbers of one daemon, kept up to date by following the log."""

    def __init__(
        self,
        recorder: Recorder,
        dispatcher: Dispatcher,
        transport: Transport,
        payloads: Payloads,
        vitals: Vitals,
        neighbours: Neighbours,
    ) -> None:
        self._neighbours = neighbours
        self._others: dict[str, Numbers] = {}  # by the number of the process
        self._turn = 0
        self._oldest = 0.0
        self._messages = 0
        self._born = 0
        self._opened = 0
        self._ended: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._durations = Spread([0] * (len(DURATIONS_S) + 1))
        self._batches = Spread([0] * (len(BATCHES) + 1))
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "hookd_attempts_in_flight": ("Attempts under way.", lambda: dispatcher.in_flight),
            "hookd_recorder_queue": ("Commands waiting to be recorded.", lambda: len(recorder)),
            "hookd_database_up": ("1 while the database answers.", lambda: recorder.available),
            "hookd_targets": ("Endpoints with something to do.", lambda: len(list(dispatcher.targets()))),
            "hookd_payload_cache_bytes": ("Payloads in memory.", lambda: payloads.size),
            OLDEST_DUE: ("Age of the oldest due delivery.", lambda: vitals.oldest_due_s or 0.0),
            "hookd_loop_lag_seconds": ("Worst lag of the event loop lately.", lambda: vitals.loop_lag_s),
            "hookd_partitions_owned": ("Partitions this process delivers for.", lambda: vitals.owned_partitions),
            "hookd_log_unsealed_events": ("Events that no checkpoint covers yet.", lambda: vitals.unsealed),
            "hookd_log_sealed_age_seconds": (
                "Time since the whole log was sealed; -1 before.",
                lambda: -1.0 if vitals.sealed_age_s is None else vitals.sealed_age_s,
            ),
            "hookd_log_barred_partitions": (
                "Partitions whose log disagrees with what was signed: it was tampered with.",
                lambda: vitals.barred_trees,
            ),
            "hookd_connections_open": ("Connections to endpoints.", lambda: transport.stats.open),
        }
        self._counters: dict[str, tuple[str, Callable[[], float]]] = {
            "hookd_messages_accepted": ("Messages accepted.", lambda: self._messages),
            "hookd_deliveries_created": ("Deliveries created.", lambda: self._born),
            "hookd_breakers_opened": ("Openings of breakers.", lambda: self._opened),
            "hookd_connections_opened": ("Connections made.", lambda: transport.stats.opened),
            "hookd_connections_reused": ("Requests on a kept connection.", lambda: transport.stats.reused),
        }
        self.registry = CollectorRegistry()
        self.registry.register(self)
        recorder.followers.append(self.follow)
        if crew_of(neighbours.name):
            neighbours.numbers = self._told

    def follow(self, committed: Committed) -> None:
        """Count what was committed."""
        self._batches.add(len(committed.events), BATCHES)
        succeeded: dict[int, int] = {}  # milliseconds → how many took so long: many of a commit do
        for recorded in committed.events:
            event = recorded.event
            if isinstance(event, AttemptSucceeded):
                succeeded[event.duration_ms] = succeeded.get(event.duration_ms, 0) + 1
            elif isinstance(event, MessageAccepted):
                self._messages += 1
                self._born += len(event.endpoints)
            elif isinstance(event, AttemptFailed):
                self._failed[event.fault.value] += 1
                self._durations.add(event.duration_ms / 1000, DURATIONS_S)
            elif isinstance(event, DeliveryExhausted | DeliveryGone | DeliveryCancelled | DeliveryExpired):
                self._ended[type(event).__name__.removeprefix("Delivery").lower()] += 1
            elif isinstance(event, AttemptAbandoned):
                self._failed["abandoned"] += 1
            elif isinstance(event, BreakerOpened):
                self._opened += 1
        for duration_ms, times in succeeded.items():
            self._ended["delivered"] += times
            self._durations.add(duration_ms / 1000, DURATIONS_S, times)

    def _told(self) -> bytes:
        """For the other workers. The oldest is looked for among all targets: that is not done each time."""
        self._turn += 1
        known = {} if self._turn % OLDEST_TURNS == 1 else {OLDEST_DUE: self._oldest}
        numbers = self.numbers(known)
        self._oldest = numbers.gauges[OLDEST_DUE]
        return msgspec.json.encode(numbers)

    def numbers(self, known: Mapping[str, float] = MappingProxyType({})) -> Numbers:
        """Those of this process; gauges that are `known` are not asked for."""
        return Numbers(
            {name: known[name] if name in known else float(read()) for name, (_, read) in self._gauges.items()},
            {name: float(read()) for name, (_, read) in self._counters.items()},
            self._ended,
            self._failed,
            self._durations,
            self._batches,
        )

    async def hear(self) -> None:
        """Take what the other workers behind this address tell; what cannot be read is left out."""
        mine = crew_of(self._neighbours.name)
        if mine is None:
            return
        self._others = {}
        for name, report in (await self._neighbours.told()).items():
            crew = crew_of(name)
            if crew is not None and crew[0] == mine[0]:
                with suppress(msgspec.DecodeError):
                    self._others[crew[1]] = msgspec.json.decode(report.numbers, type=Numbers)

    def collect(self) -> Iterator[Metric]:
        """The families, as they stand."""
        mine = crew_of(self._neighbours.name)
        labels = ["process"] if mine else []
        every = [([number], each) for number, each in self._others.items()]
        every.append(([mine[1]] if mine else [], self.numbers()))
        for name, (text, _) in self._gauges.items():
            yield _filled(GaugeMetricFamily(name, text, labels=labels), [(label, n.gauges) for label, n in every])
        for name, (text, _) in self._counters.items():
            yield _filled(CounterMetricFamily(name, text, labels=labels), [(label, n.counters) for label, n in every])
        ended = CounterMetricFamily("hookd_deliveries_ended", "Deliveries that ended.", labels=[*labels, "state"])
        failed = CounterMetricFamily("hookd_attempts_failed", "Failed attempts.", labels=[*labels, "fault"])
        durations = HistogramMetricFamily("hookd_attempt_duration_seconds", "Duration of attempts.", labels=labels)
        batches = HistogramMetricFamily("hookd_append_events", "Events committed together.", labels=labels)
        for label, each in every:
            for family, counts in ((ended, each.ended), (failed, each.failed)):
                for kind, number in counts.items():
                    family.add_metric([*label, kind], number)
            durations.add_metric(label, _buckets(each.durations, DURATIONS_S), each.durations.sum)
            batches.add_metric(label, _buckets(each.batches, BATCHES), each.batches.sum)
        yield from (ended, failed, durations, batches)


def _filled(
    family: GaugeMetricFamily | CounterMetricFamily, every: Iterable[tuple[list[str], Mapping[str, float]]]
) -> Metric:
    """With the number of each process that has one of this name."""
    for label, numbers in every:
        if family.name in numbers:
            family.add_metric(label, numbers[family.name])
    return family


def _buckets(spread: Spread, bounds: tuple[float, ...]) -> list[tuple[str, float]]:
    """As Prometheus has them: each with all below it. What another release counted by other bounds is left out."""
    if len(spread.counts) != len(bounds) + 1:
        return []
    return list(zip((*map(str, bounds), "+Inf"), map(float, accumulate(spread.counts)), strict=True))
