"""Random histories: commands decided one after the other, as the recorder does it, into the events of a log.

Some events share their moment, things are deleted and revived, attempts come late.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random

import asyncpg
from hypothesis import strategies as st

from daemon.postgres.database import Database
from events.append import Append
from events.application import CreateApplication, DeleteApplication, UpdateApplication
from events.catalogue import DeliveryCancelled, EndpointConfig, MessageAccepted
from events.decide import Command, decide
from events.delivery import Delivery, EndDelivery, RecordAttempt, ResendDelivery, evolve
from events.endpoint import DeleteEndpoint, RegisterEndpoint, ResetBreaker, RotateSecret, UpdateEndpoint
from events.envelope import Fact, Recorded
from events.event_type import CreateEventType
from events.message import AcceptMessage, born
from events.outcome import Fault, Outcome
from events.postgres import PostgresLog
from events.refusal import Refusal
from events.world import World
from tests.support.builders import NOW
from tests.support.databases import Server
from tests.support.given import EXACT

PARTITIONS = 2
_APPS = ("app_1", "app_2", "app_3")
_ENDPOINTS = ("ep_1", "ep_2", "ep_3")
_MESSAGES = ("msg_1", "msg_2", "msg_3")
_OUTCOMES = (
    Outcome(None, 5, 200),
    Outcome(Fault.STATUS, 5, 500),
    Outcome(Fault.STATUS, 5, 410),
    Outcome(Fault.DNS, 5),
    Outcome(Fault.INTERNAL, 5),
)

AGAIN = "again"
_app, _endpoint, _message = st.sampled_from(_APPS), st.sampled_from(_ENDPOINTS), st.sampled_from(_MESSAGES)
_attempt = st.tuples(_message, _endpoint, st.sampled_from(_OUTCOMES))
_COMMANDS = st.one_of(
    st.builds(CreateApplication, _app, st.just("org_1"), st.just("A")),
    st.builds(UpdateApplication, _app, st.fixed_dictionaries({"name": st.sampled_from("BC")})),
    st.builds(DeleteApplication, _app),
    st.builds(
        RegisterEndpoint, _endpoint, _app, st.just(EndpointConfig("http://e.test/")), st.just("sec_1"), st.just(b"")
    ),
    st.builds(
        UpdateEndpoint,
        _endpoint,
        _app,
        st.fixed_dictionaries({}, optional={"description": st.sampled_from("xy"), "disabled": st.booleans()}),
    ),
    st.builds(DeleteEndpoint, _endpoint, _app),
    st.builds(
        CreateEventType, st.just("evtype_1"), st.just("org_1"), st.just("t"), st.sampled_from("de"), st.booleans()
    ),
    st.builds(AcceptMessage, _message, _app, st.just("t"), st.just(b"{}"), st.just("d")),
    _attempt,
    st.tuples(_message, _endpoint, st.none()),
    st.tuples(_message, _endpoint, st.just(AGAIN)),
    st.builds(ResetBreaker, _endpoint, _app),
    st.builds(RotateSecret, _endpoint, _app, st.sampled_from(("sec_2", "sec_3")), st.just(b""), st.just(60.0)),
)
Asked = Command | tuple[str, str, Outcome | str | None]
Step = tuple[Asked, int]


class Historian:
    """A recorder without a database."""

    def __init__(self) -> None:
        self.world = World(PARTITIONS)
        self.known: set[str] = set()  # ids are given once
        self.deliveries: dict[tuple[str, str], Delivery] = {}
        self.appends: list[Append] = []
        self.events: list[Recorded] = []
        self._now = NOW
        self._random = Random(1)
        self._heads = dict.fromkeys(range(PARTITIONS), 0)

    def step(self, asked: Asked, later: int) -> None:
        """Decide one command, `later` microseconds after the one before."""
        command = self._spelt(asked)
        if command is None or (
            isinstance(command, AcceptMessage | CreateApplication | RegisterEndpoint) and command.id in self.known
        ):
            return
        self._now += timedelta(microseconds=later)
        facts = decide(self.world, command, EXACT, self._now, self._random)
        if isinstance(facts, Refusal) or not facts:
            return
        append = Append(self._now)
        for nth, fact in enumerate(facts):
            self._fold(append, fact)
            append.add(fact, f"actor:{nth}", None)
        self.events += append.recorded(self._heads)
        for partition, count in append.heads().items():
            self._heads[partition] += count
        self.appends.append(append)

    def _spelt(self, asked: Asked) -> Command | None:
        if not isinstance(asked, tuple):
            return asked
        message, endpoint, outcome = asked
        delivery = self.deliveries.get((message, endpoint))
        if delivery is None:
            return None
        if isinstance(outcome, str):
            return ResendDelivery(delivery)
        if outcome is not None:
            known = self.world.endpoint(endpoint)
            return RecordAttempt(delivery, outcome, 1, known.version if known else 1)
        return EndDelivery(delivery, DeliveryCancelled("test")) if delivery.next_at is not None else None

    def _fold(self, append: Append, fact: Fact) -> None:
        self.known.add(fact.stream)
        if isinstance(fact.event, MessageAccepted):
            message, deliveries = born(fact, fact.event, self._now)
            append.accept(message, b"{}")
            self.deliveries |= {(each.message, each.endpoint): each for each in deliveries}
        elif fact.endpoint is not None:
            before = self.deliveries[fact.stream, fact.endpoint]
            after = self.deliveries[fact.stream, fact.endpoint] = evolve(before, fact.event)
            append.move(before, after)
        else:
            append.change(*self.world.apply(fact, self._now))


def _told(steps: Iterable[Step]) -> Historian:
    historian = Historian()
    for asked, later in steps:
        historian.step(asked, later)
    return historian


BEGINNING: list[Step] = [
    (CreateApplication("app_1", "org_1", "A"), 0),
    (RegisterEndpoint("ep_1", "app_1", EndpointConfig("http://e.test/"), "sec_1", b""), 0),
    (RegisterEndpoint("ep_2", "app_1", EndpointConfig("http://e.test/"), "sec_1", b""), 1),
    (AcceptMessage("msg_1", "app_1", "t", b"{}", "d"), 1),
]
HISTORIES = st.lists(st.tuples(_COMMANDS, st.sampled_from((0, 0, 1, 1_000_000))), max_size=30).map(
    lambda steps: _told([*BEGINNING, *steps])
)


@asynccontextmanager
async def written(server: Server, template: str, told: Historian) -> AsyncIterator[asyncpg.Connection]:
    """A history in a database of its own."""
    async with server.fresh(template) as dsn:
        opened = await Database.open(dsn, readers=1)
        log = PostgresLog(opened.dedicated, opened.reading)
        try:
            for append in told.appends:
                await log.append(append)
            async with opened.reading() as connection:
                yield connection
        finally:
            await log.close()
            await opened.close()
