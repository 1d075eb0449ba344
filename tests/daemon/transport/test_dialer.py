import asyncio
import socket
import threading
from ipaddress import ip_network

import pytest

from events.outcome import Fault
from tests.support.receiver import Receiver, hang


@pytest.fixture
def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]  # bound, but nobody listens


@pytest.fixture
def full_port():
    """A port whose queue is full: connecting to it hangs."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_a_name_that_does_not_resolve(sender_of):
    def lookup(name):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    outcome = await sender_of(lookup=lookup).post("http://nowhere.test/")
    assert (outcome.fault, outcome.detail) == (Fault.DNS, "nowhere.test: Name or service not known")


@pytest.mark.parametrize(("timeout_s", "fault"), [(5.0, Fault.DNS), (0.05, Fault.TIMEOUT)], ids=["connect", "total"])
async def test_resolving_counts_towards_the_deadlines(sender_of, timeout_s, fault):
    release = threading.Event()

    def lookup(name):
        release.wait(10)
        return []

    sender = sender_of(lookup=lookup, connect_timeout_s=0.1)
    outcome = await sender.post("http://slow.test/", timeout_s=timeout_s)
    release.set()
    assert outcome.fault is fault
    assert outcome.duration_ms < 2000


async def test_all_addresses_blocked(sender_of):
    sender = sender_of(lookup=lambda _: ["10.0.0.1", "169.254.169.254"])
    outcome = await sender.post("http://inside.test/")
    assert outcome.fault is Fault.BLOCKED
    assert "10.0.0.1 is private; ALLOW_NETWORKS would allow it" in outcome.detail
    assert "169.254.169.254" in outcome.detail


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[::ffff:127.0.0.1]:1/", "https://[::1]/"])
async def test_literals_are_blocked_too(sender_of, url):
    assert (await sender_of(allow=()).post(url)).fault is Fault.BLOCKED


async def test_one_allowed_address_is_enough(sender_of):
    sender = sender_of(lookup=lambda _: ["10.0.0.1", "127.0.0.1"], allow=[ip_network("127.0.0.1/32")])
    async with Receiver() as receiver:
        assert (await sender.post(receiver.url_for("mixed.test"))).fault is None
        assert receiver.requests[0].headers["host"] == f"mixed.test:{receiver.port}"


async def test_ipv6_literal(sender):
    async with Receiver(host="::1") as receiver:
        assert (await sender.post(receiver.url)).fault is None
        assert receiver.requests[0].headers["host"] == f"[::1]:{receiver.port}"


async def test_refused(sender, closed_port):
    outcome = await sender.post(f"http://127.0.0.1:{closed_port}/")
    assert outcome.fault is Fault.CONNECT
    assert f"127.0.0.1 port {closed_port}" in outcome.detail


async def test_the_next_address_is_tried(sender_of):
    sender = sender_of(lookup=lambda _: ["127.0.0.2", "127.0.0.1"])
    async with Receiver() as receiver:
        assert (await sender.post(receiver.url_for("two.test"))).fault is None


@pytest.mark.parametrize(
    ("timeout_s", "fault"), [(5.0, Fault.CONNECT), (0.05, Fault.TIMEOUT)], ids=["connect", "total"]
)
async def test_no_answer_to_connecting(sender_of, full_port, timeout_s, fault):
    sender = sender_of(connect_timeout_s=0.1)
    assert (await sender.post(f"http://127.0.0.1:{full_port}/", timeout_s=timeout_s)).fault is fault


async def test_running_out_of_descriptors_is_our_fault(sender, monkeypatch):
    def refuse(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("daemon.transport.dialer._connect", refuse)
    assert (await sender.post("http://127.0.0.1:9/")).fault is Fault.INTERNAL


@pytest.mark.parametrize("name", ["hook.test", "127.0.0.1"])
async def test_tls(sender_of, authority, name):
    async with Receiver(tls=authority.server(name)) as receiver:
        sender = sender_of(ca_file=authority.ca_file)
        for _ in range(2):
            assert (await sender.post(receiver.url_for(name))).fault is None
        assert receiver.accepted == 1


@pytest.mark.parametrize("name", ["other.test", "127.0.0.1"])
async def test_a_certificate_for_another_name(sender_of, authority, name):
    async with Receiver(tls=authority.server("hook.test")) as receiver:
        outcome = await sender_of(ca_file=authority.ca_file).post(receiver.url_for(name))
        assert outcome.fault is Fault.TLS
        assert name in outcome.detail
        assert not receiver.requests


async def test_a_certificate_nobody_trusts(sender, authority):
    async with Receiver(tls=authority.server("127.0.0.1")) as receiver:
        outcome = await sender.post(receiver.url)
        assert outcome.fault is Fault.TLS
        assert "certificate" in outcome.detail


async def test_no_tls_on_the_other_side(sender):
    async with Receiver(greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n") as receiver:
        outcome = await sender.post(receiver.url.replace("http:", "https:"))
        assert outcome.fault is Fault.TLS


@pytest.mark.parametrize(("timeout_s", "fault"), [(5.0, Fault.TLS), (0.05, Fault.TIMEOUT)], ids=["connect", "total"])
async def test_a_handshake_without_end(sender_of, timeout_s, fault):
    sender = sender_of(connect_timeout_s=0.1)
    async with Receiver(hang) as receiver:
        outcome = await sender.post(receiver.url.replace("http:", "https:"), timeout_s=timeout_s)
        assert outcome.fault is fault
        await receiver.until(lambda: receiver.ended == 1)


async def test_many_tls_connections_at_once(sender_of, authority):
    async with Receiver(tls=authority.server("127.0.0.1")) as receiver:
        sender = sender_of(ca_file=authority.ca_file, connect_timeout_s=20.0)
        outcomes = await asyncio.gather(*(sender.begin(receiver.url, timeout_s=20.0) for _ in range(30)))
        assert {outcome.fault for outcome in outcomes} == {None}
