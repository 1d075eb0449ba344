"""The receiver on real sockets: what it takes, refuses, and remembers."""

import asyncio
import time

import pytest

from benchmarks import receiver
from benchmarks.receiver import Ledger, Manner, listen


@pytest.fixture
async def servers():
    yield
    for server in receiver._SERVERS:
        server.close()
        await server.wait_closed()
    receiver._SERVERS.clear()


def request(identity, due_ns=0, path="/g/0/0"):
    body = b'{"at":"%019d"}' % (due_ns or time.monotonic_ns())
    return b"POST %b HTTP/1.1\r\nhost: x\r\nwebhook-id: %b\r\ncontent-length: %d\r\n\r\n%b" % (
        path.encode(), identity, len(body), body,
    )  # fmt: skip


async def answers(port, *requests):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = []
    for each in requests:
        writer.write(each[:30])
        writer.write(each[30:])
        found.append(int((await reader.readuntil(b"\r\n\r\n"))[9:12]))
    writer.close()
    await writer.wait_closed()
    return found


async def test_it_remembers_what_it_took_and_how_old_that_was(servers, tmp_path):
    ledger = Ledger()
    port = await listen(ledger, Manner())
    assert await answers(port, request(b"msg_1"), request(b"msg_2"), request(b"msg_2")) == [200] * 3
    report = ledger.report(str(tmp_path / "taken"))
    assert (tmp_path / "taken").read_bytes().split() == [b"msg_1/g/0/0", b"msg_2/g/0/0", b"msg_2/g/0/0"]
    assert report["count"] == report["ages"]["count"] == 3
    assert report["connections"] == 1


async def test_what_it_refuses_it_takes_in_the_end(servers):
    ledger = Ledger()
    port = await listen(ledger, Manner(refused=0.3))
    first = {b"msg_%d" % number: 0 for number in range(200)}
    refused = 0
    for identity in first:
        said = []
        while 200 not in said:
            said += await answers(port, request(identity))
        refused += len(said) > 1
        assert said in ([200], [500, 200], [500, 500, 200])
    assert 40 <= refused <= 80
    assert ledger.ages_ns.count == len(ledger.taken) == 200
    assert ledger.refused == sum(ledger.refusals.values())


async def test_a_closing_one_takes_one_request(servers):
    port = await listen(Ledger(), Manner(closing=True))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(b"msg_1"))
    assert b"connection: close" in await reader.read()
    writer.close()
    await writer.wait_closed()
