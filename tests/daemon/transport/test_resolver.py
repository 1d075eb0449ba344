import asyncio
import socket
import threading
from ipaddress import ip_address

import pytest

from daemon.transport import Resolver
from daemon.transport.resolver import ResolutionError, system_lookup


class Names:
    """A lookup that counts, and waits at a gate if there is one."""

    def __init__(self, *answers, gate=None):
        self.answers = answers
        self.gate = gate
        self.asked = []

    def __call__(self, name):
        self.asked.append(name)
        if self.gate is not None:
            self.gate.wait(10)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def resolver_of():
    made = []

    def make(lookup, **options):
        made.append(Resolver(lookup=lookup, **options))
        return made[-1]

    yield make
    for resolver in made:
        resolver.close()


async def test_addresses_come_in_order_and_once(resolver_of):
    resolver = resolver_of(Names(["2606:4700::1", "1.1.1.1", "1.1.1.1"]))
    assert await resolver.resolve("a.test") == (ip_address("2606:4700::1"), ip_address("1.1.1.1"))


@pytest.mark.parametrize("literal", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "fe80::1%1"])
async def test_literals_are_not_looked_up(resolver_of, literal):
    names = Names(["1.1.1.1"])
    assert await resolver_of(names).resolve(literal) == (ip_address(literal),)
    assert not names.asked


async def test_answers_are_kept(resolver_of):
    names = Names(["1.1.1.1"])
    resolver = resolver_of(names)
    assert await resolver.resolve("a.test") == await resolver.resolve("a.test")
    assert names.asked == ["a.test"]


async def test_answers_expire(resolver_of):
    names = Names(["1.1.1.1"], ["2.2.2.2"])
    resolver = resolver_of(names, ttl_s=0.0)
    await resolver.resolve("a.test")
    assert await resolver.resolve("a.test") == (ip_address("2.2.2.2"),)


@pytest.mark.parametrize(
    "failure",
    [socket.gaierror(socket.EAI_NONAME, "unknown"), UnicodeError("label too long"), [], ["not an address"]],
)
async def test_failures_are_kept_too(resolver_of, failure):
    names = Names(failure, ["1.1.1.1"])
    resolver = resolver_of(names)
    for _ in range(2):
        with pytest.raises(ResolutionError, match=r"a\.test: ."):
            await resolver.resolve("a.test")
    assert len(names.asked) == 1


async def test_failures_expire(resolver_of):
    resolver = resolver_of(Names(OSError("down"), ["1.1.1.1"]), failure_ttl_s=0.0)
    with pytest.raises(ResolutionError):
        await resolver.resolve("a.test")
    assert await resolver.resolve("a.test") == (ip_address("1.1.1.1"),)


async def test_one_lookup_serves_all_who_wait(resolver_of):
    gate = threading.Event()
    names = Names(["1.1.1.1"], gate=gate)
    resolver = resolver_of(names)
    asyncio.get_running_loop().call_later(0.01, gate.set)
    found = await asyncio.gather(*(resolver.resolve("a.test") for _ in range(50)))
    assert set(found) == {(ip_address("1.1.1.1"),)}
    assert names.asked == ["a.test"]


async def test_who_gives_up_does_not_end_the_lookup(resolver_of):
    gate = threading.Event()
    names = Names(["1.1.1.1"], gate=gate)
    resolver = resolver_of(names)
    with pytest.raises(ResolutionError, match="no answer within"):
        await resolver.resolve("a.test", within_s=0.01)
    gate.set()
    assert await resolver.resolve("a.test") == (ip_address("1.1.1.1"),)
    assert names.asked == ["a.test"]


async def test_the_deadline_of_its_own(resolver_of):
    gate = threading.Event()
    with pytest.raises(ResolutionError, match=r"no answer within 0\.01 s"):
        await resolver_of(Names(["1.1.1.1"], gate=gate), timeout_s=0.01).resolve("a.test")
    gate.set()


async def test_a_hanging_name_does_not_hold_up_others(resolver_of):
    gate = threading.Event()
    resolver = resolver_of(lambda name: gate.wait(10) and [] if name == "bad.test" else ["1.1.1.1"], threads=2)
    with pytest.raises(ResolutionError):
        await resolver.resolve("bad.test", within_s=0.01)
    assert await resolver.resolve("good.test") == (ip_address("1.1.1.1"),)
    gate.set()


async def test_the_cache_is_bounded(resolver_of):
    names = Names(["1.1.1.1"])
    resolver = resolver_of(names, names_max=2)
    for name in ("a", "b", "c", "c", "b", "a"):
        await resolver.resolve(name)
    assert names.asked == ["a", "b", "c", "a"]


async def test_a_bug_in_the_lookup_is_not_hidden(resolver_of):
    resolver = resolver_of(Names(ZeroDivisionError()))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await resolver.resolve("a.test")


async def test_closing_ends_those_who_wait(resolver_of):
    gate = threading.Event()
    resolver = resolver_of(Names(["1.1.1.1"], gate=gate), threads=1)
    asyncio.get_running_loop().call_later(0.01, resolver.close)
    with pytest.raises(ResolutionError, match="closed"):
        await asyncio.gather(resolver.resolve("a.test", 0.5), resolver.resolve("queued.test"))
    gate.set()


def test_the_system_knows_localhost():
    assert {"127.0.0.1", "::1"} & set(system_lookup("localhost"))
