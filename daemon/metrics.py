"""What Prometheus may ask: plain numbers kept while following the log, put into families when asked.

No label names an endpoint or a message: those are as many as customers make them.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from daemon.dispatcher import Dispatcher
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


class _Spread:
    """Counts by upper bound, and a sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float, times: int = 1) -> None:
        self._counts[bisect_left(self._bounds, value)] += times
        self._sum += value * times

    def family(self, name: str, text: str) -> HistogramMetricFamily:
        total, buckets = 0, []
        for bound, number in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += number
            buckets.append((bound, float(total)))
        return HistogramMetricFamily(name, text, buckets=buckets, sum_value=self._sum)


class Metrics(Collector):
    """The numbers of one daemon, kept up to date by following the log."""

    def __init__(
        self, recorder: Recorder, dispatcher: Dispatcher, transport: Transport, payloads: Payloads, vitals: Vitals
    ) -> None:
        self._messages = 0
        self._born = 0
        self._opened = 0
        self._ended: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._durations = _Spread(DURATIONS_S)
        self._batches = _Spread(BATCHES)
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "hookd_attempts_in_flight": ("Attempts under way.", lambda: dispatcher.in_flight),
            "hookd_recorder_queue": ("Commands waiting to be recorded.", lambda: len(recorder)),
            "hookd_database_up": ("1 while the database answers.", lambda: recorder.available),
            "hookd_targets": ("Endpoints with something to do.", lambda: len(list(dispatcher.targets()))),
            "hookd_payload_cache_bytes": ("Payloads in memory.", lambda: payloads.size),
            "hookd_oldest_due_seconds": ("Age of the oldest due delivery.", lambda: vitals.oldest_due_s or 0.0),
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

    def follow(self, committed: Committed) -> None:
        """Count what was committed."""
        self._batches.add(len(committed.events))
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
                self._durations.add(event.duration_ms / 1000)
            elif isinstance(event, DeliveryExhausted | DeliveryGone | DeliveryCancelled | DeliveryExpired):
                self._ended[type(event).__name__.removeprefix("Delivery").lower()] += 1
            elif isinstance(event, AttemptAbandoned):
                self._failed["abandoned"] += 1
            elif isinstance(event, BreakerOpened):
                self._opened += 1
        for duration_ms, times in succeeded.items():
            self._ended["delivered"] += times
            self._durations.add(duration_ms / 1000, times)

    def collect(self) -> Iterator[Metric]:
        """The families, as they stand."""
        for name, (text, read) in self._gauges.items():
            yield GaugeMetricFamily(name, text, value=float(read()))
        for name, (text, read) in self._counters.items():
            yield CounterMetricFamily(name, text, value=float(read()))
        ended = CounterMetricFamily("hookd_deliveries_ended", "Deliveries that ended.", labels=["state"])
        for state, number in self._ended.items():
            ended.add_metric([state], number)
        failed = CounterMetricFamily("hookd_attempts_failed", "Failed attempts.", labels=["fault"])
        for fault, number in self._failed.items():
            failed.add_metric([fault], number)
        yield from (ended, failed)
        yield self._durations.family("hookd_attempt_duration_seconds", "Duration of attempts.")
        yield self._batches.family("hookd_append_events", "Events committed together.")
