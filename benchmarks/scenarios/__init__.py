"""The scenarios: what each does, and which of them the quick run has.

A scenario is given a Bench and answers rows. Those that share a home run one after the other on one daemon; the
others begin with a home of their own. One that cannot be measured here raises bench.Skipped.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.bench import Bench
from benchmarks.figures import Result
from benchmarks.scenarios import receivers, replaying, scaling, secure, starting, traffic

Run = Callable[[Bench], Awaitable[list[Result]]]


@dataclass(frozen=True)
class Scenario:
    """One of them."""

    run: Run
    shared: bool = False
    quick: bool = False

    @property
    def about(self) -> str:
        """Its docstring's first sentence."""
        return " ".join((self.run.__doc__ or "").split()).partition(". ")[0].rstrip(".")


SCENARIOS: Final[dict[str, Scenario]] = {
    "single": Scenario(traffic.single, shared=True, quick=True),
    "fanout_1": Scenario(traffic.fanout_1, shared=True, quick=True),
    "fanout_10": Scenario(traffic.fanout_10, shared=True),
    "fanout_100": Scenario(traffic.fanout_100, shared=True, quick=True),
    "fanout_1000": Scenario(traffic.fanout_1000, shared=True, quick=True),
    "pipelined": Scenario(traffic.pipelined, shared=True),
    "batch": Scenario(traffic.batch, shared=True),
    "watched": Scenario(traffic.watched, shared=True),
    "slow": Scenario(receivers.slow),
    "failing": Scenario(receivers.failing),
    "blackhole": Scenario(receivers.blackhole),
    "tls": Scenario(secure.tls),
    "start": Scenario(starting.start),
    "endpoints": Scenario(starting.endpoints),
    "backlog": Scenario(starting.backlog),
    "replay": Scenario(replaying.replay),
    "scaling": Scenario(scaling.scaling),
}
