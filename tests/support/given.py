"""Given what happened, when somebody asks, then this happens: rules as sentences.

    given(EndpointRegistered(…)).when(DeleteEndpoint(EP, APP)).then(EndpointDeleted())

The world is folded from the facts given; what differs is the failure message.
"""

from datetime import datetime
from random import Random
from typing import Any

from events.catalogue import ApplicationCreated, EndpointConfig, EndpointRegistered, Event
from events.decide import Command, Rules, decide
from events.delivery import Delivery, RecordAttempt
from events.envelope import Fact
from events.refusal import Refusal
from events.retry import RetryPolicy
from events.world import World
from tests.support.builders import APP, EP, NOW, P

EXACT = Rules(retry=RetryPolicy(jitter=0.0))
Past = tuple[str, Event]
"""Whose history, and what happened."""

AN_APPLICATION: Past = (APP, ApplicationCreated("org_1", "A"))
AN_ENDPOINT: Past = (EP, EndpointRegistered(APP, EndpointConfig("http://e.test/hook"), "sec_1"))
HOUSE = (AN_APPLICATION, AN_ENDPOINT)


class Given:
    """A world with a past."""

    def __init__(self, past: tuple[Past, ...], rules: Rules = EXACT) -> None:
        self.world = World(1)
        self.rules = rules
        self.versions: dict[str, int] = {}
        for stream, event in past:
            version = self.versions[stream] = self.versions.get(stream, 0) + 1
            self.world.apply(Fact(P, stream, version, event), NOW)

    def under(self, rules: Rules) -> "Given":
        self.rules = rules
        return self

    def when(self, command: Command, now: datetime = NOW) -> "When":
        return When(decide(self.world, command, self.rules, now, Random(0)), command, self.versions)


class When:
    """What followed."""

    def __init__(self, outcome: list[Fact] | Refusal, command: Command, versions: dict[str, int]) -> None:
        self.outcome = outcome
        self.command = command
        self.versions = dict(versions)

    def then(self, *expected: Event) -> "When":
        assert not isinstance(self.outcome, Refusal), f"refused: {self.outcome}"
        assert [fact.event for fact in self.outcome] == list(expected)
        self._versions_go_on()
        return self

    def on(self, *streams: str) -> "When":
        assert not isinstance(self.outcome, Refusal)
        assert [fact.stream for fact in self.outcome] == list(streams)
        return self

    def refused(self, code: str, field: str | None = None) -> "When":
        assert isinstance(self.outcome, Refusal), f"not refused: {self.outcome}"
        assert (self.outcome.code, self.outcome.field) == (code, field)
        assert self.outcome.detail
        return self

    def _versions_go_on(self) -> None:
        delivery: Delivery | Any = getattr(self.command, "delivery", None)
        for fact in self.outcome:
            key = f"{fact.stream} {fact.endpoint}" if fact.endpoint else fact.stream
            known = delivery.version if fact.endpoint and isinstance(self.command, RecordAttempt) else 0
            before = self.versions.get(key, known)
            if fact.endpoint is None or isinstance(self.command, RecordAttempt):
                assert fact.version == before + 1, f"{fact} should follow version {before}"
            self.versions[key] = fact.version


def given(*past: Past) -> Given:
    return Given(past)
