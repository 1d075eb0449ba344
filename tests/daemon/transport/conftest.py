"""Both event loops, and a sender that checks the one promise every test relies on: one outcome each."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import uvloop

from daemon.transport import Destination, Guard, Resolver, TlsContext, Transport, client_tls
from events.outcome import Outcome
from tests.daemon.transport.authority import Authority

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def pytest_asyncio_loop_factories(config, item):
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Sender:
    """A transport, the tasks it spawned, and every outcome it reported."""

    def __init__(self, tls: TlsContext, lookup=None, allow=LOOPBACK, **options) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self.outcomes: list[list[Outcome]] = []
        self.resolver = Resolver(lookup=lookup or (lambda _: ["127.0.0.1"]))
        self.transport = Transport(
            guard=Guard(allow),
            resolver=self.resolver,
            tls=tls,
            spawn=self.spawn,
            **{"sweep_s": 0.01, **options},
        )

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def begin(self, url: str, body: bytes = b"{}", timeout_s: float = 5.0) -> asyncio.Future[Outcome]:
        destination = Destination.of(url)
        head = f"POST {destination.target} HTTP/1.1\r\nHost: {destination.authority}\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        heard: list[Outcome] = []
        self.outcomes.append(heard)
        future = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            heard.append(outcome)
            if not future.done():
                future.set_result(outcome)

        self.transport.post(destination, head.encode(), body, timeout_s, done)
        assert not heard, "told from within post"
        return future

    async def post(self, url: str, body: bytes = b"{}", timeout_s: float = 5.0) -> Outcome:
        async with asyncio.timeout(20):
            return await self.begin(url, body, timeout_s)

    async def close(self) -> None:
        await self.transport.close(0)
        for task in tuple(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.resolver.close()
        assert [len(heard) for heard in self.outcomes] == [1] * len(self.outcomes)
        stats = self.transport.stats
        assert (stats.open, stats.idle, stats.in_flight) == (0, 0, 0)


@pytest.fixture(scope="session")
def public_tls() -> TlsContext:
    return client_tls()  # reads the system's authorities, which takes longer than most tests


@pytest.fixture
async def sender_of(public_tls) -> AsyncIterator[Callable[..., Sender]]:
    made: list[Sender] = []

    def make(ca_file: Path | None = None, **options) -> Sender:
        tls = client_tls(ca_file) if ca_file else public_tls
        made.append(Sender(tls, **options))
        return made[-1]

    yield make
    for sender in made:
        await sender.close()


@pytest.fixture
async def sender(sender_of) -> Sender:
    return sender_of()


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> Authority:
    return Authority.at(tmp_path_factory.mktemp("authority"))
