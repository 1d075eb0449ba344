import asyncio

import pytest

from daemon.transport import Destination
from daemon.transport.answer import RESPONSE_BYTES_DROP
from events.outcome import RESPONSE_BYTES_MAX, Fault
from tests.support.receiver import Receiver, drip, hang, hang_up, raw, reply, reset, when

HEAD_OF_TEN = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


async def test_a_request_arrives_byte_for_byte(sender):
    async with Receiver(reply(202, b"thanks")) as receiver:
        outcome = await sender.post(receiver.url, body=b'{"a":1}')
    assert (outcome.fault, outcome.status, outcome.body, outcome.body_bytes) == (None, 202, b"thanks", 6)
    [request] = receiver.requests
    assert request.head == (
        f"POST /hook HTTP/1.1\r\nHost: 127.0.0.1:{receiver.port}\r\nContent-Length: 7\r\n\r\n".encode()
    )
    assert request.body == b'{"a":1}'


async def test_one_connection_serves_requests_in_turn(sender):
    async with Receiver() as receiver:
        for _ in range(5):
            assert (await sender.post(receiver.url)).fault is None
        assert receiver.accepted == 1
    stats = sender.transport.stats
    assert (stats.opened, stats.reused, stats.retried_stale) == (1, 4, 0)


async def test_posting_from_within_done_reuses_the_connection(sender):
    async with Receiver() as receiver:
        destination = Destination.of(receiver.url)
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        statuses = []
        finished = asyncio.Event()

        def again(outcome):
            statuses.append(outcome.status)
            if len(statuses) == 10:
                finished.set()
            else:
                sender.transport.post(destination, head, b"", 5.0, again)

        sender.transport.post(destination, head, b"", 5.0, again)
        await finished.wait()
        assert statuses == [200] * 10
        assert receiver.accepted == 1


async def test_a_callback_that_raises_harms_nobody(sender):
    async with Receiver() as receiver:

        def bad(outcome):
            raise RuntimeError

        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        sender.transport.post(Destination.of(receiver.url), head, b"", 5.0, bad)
        await receiver.until(lambda: len(receiver.requests) == 1)
        assert (await sender.post(receiver.url)).fault is None
        assert sender.transport.in_flight == 0


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", b"1\r\nc\r\n0\r\n\r\n"), b"abc"),
        (raw(b"HTTP/1.1 200 OK\r\n\r\nab", b"c", then=hang_up), b"abc"),
        (raw(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc"), b"abc"),
        (raw(b"HTTP/1.1 204 No Content\r\n\r\n"), b""),
        (raw(b"HTTP/1.1 200 \xff\r\nX-Odd: \xe9\xff\x01\r\nContent-Length: 3\r\n\r\nabc"), b"abc"),
        (
            raw(
                b"HTTP/1.1 100 Continue\r\n\r\n",
                b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + HEAD_OF_TEN + b"0123456789",
            ),
            b"0123456789",
        ),
        (raw(HEAD_OF_TEN + b"0123456789surplus"), b"0123456789"),
        (raw(HEAD_OF_TEN + b"0123456789", then=reset), b"0123456789"),
        (raw(*(bytes([byte]) for byte in HEAD_OF_TEN + b"0123456789")), b"0123456789"),
    ],
    ids=["chunked", "until-close", "http-1.0", "no-content", "odd-header", "interim", "surplus", "reset", "bytes"],
)
async def test_answers_that_count_as_success(sender, answer, body):
    async with Receiver(answer) as receiver:
        outcome = await sender.post(receiver.url)
        assert (outcome.fault, outcome.body, outcome.body_bytes) == (None, body, len(body))
        again = await sender.post(receiver.url)
        assert (again.fault, again.body) == (None, body)


@pytest.mark.parametrize(
    ("answer", "fault", "status"),
    [
        (reply(500), Fault.STATUS, 500),
        (reply(410), Fault.STATUS, 410),
        (reply(302, headers="Location: /elsewhere\r\n"), Fault.STATUS, 302),
        (hang_up, Fault.RESET, None),
        (reset, Fault.RESET, None),
        (raw(b"HTTP/1.1 200 OK\r\nContent-", then=hang_up), Fault.RESET, None),
        (raw(HEAD_OF_TEN + b"012", then=hang_up), Fault.RESET, 200),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", then=hang_up), Fault.RESET, 200),
        (raw(b"220 mail.example ESMTP\r\n"), Fault.PROTOCOL, None),
        (raw(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), Fault.PROTOCOL, None),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), Fault.PROTOCOL, None),
        (raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000, then=hang), Fault.PROTOCOL, None),
        (raw(b"HTTP/1.1 103 Early\r\n\r\n" * 20_000, then=hang), Fault.PROTOCOL, None),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), Fault.PROTOCOL, 200),
    ],
    ids=[
        "500", "410", "redirect", "closed", "reset", "cut-head", "cut-body", "cut-chunks", "mail", "101",
        "two-lengths", "huge-head", "interim-flood", "bad-chunk",
    ],
)  # fmt: skip
async def test_answers_that_count_as_failure(sender, answer, fault, status):
    async with Receiver(answer) as receiver:
        outcome = await sender.post(receiver.url)
        assert (outcome.fault, outcome.status) == (fault, status)
        assert outcome.detail
        assert len(receiver.requests) == 1
        assert sender.transport.stats.idle == (1 if fault is Fault.STATUS else 0)


async def test_retry_after_is_passed_on(sender):
    async with Receiver(reply(503, headers="RETRY-AFTER: 120\r\n"), reply()) as receiver:
        assert (await sender.post(receiver.url)).retry_after == "120"
        assert (await sender.post(receiver.url)).retry_after is None


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (hang, None),
        (raw(HEAD_OF_TEN + b"0", then=hang), 200),
        (drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x", 0.005), 200),
        (drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.005), None),
    ],
    ids=["silent", "half-body", "dripping-body", "dripping-head"],
)
async def test_no_whole_answer_within_the_deadline(sender, answer, status):
    async with Receiver(answer) as receiver:
        outcome = await sender.post(receiver.url, timeout_s=0.05)
        assert (outcome.fault, outcome.status) == (Fault.TIMEOUT, status)
        assert 40 <= outcome.duration_ms < 2000
        await receiver.until(lambda: receiver.ended == 1)
        assert sender.transport.stats.open == 0


async def test_a_long_body_is_cut_but_counted(sender):
    async with Receiver(reply(200, b"x" * 100_000)) as receiver:
        outcome = await sender.post(receiver.url)
    assert (outcome.fault, outcome.body, outcome.body_bytes) == (None, b"x" * RESPONSE_BYTES_MAX, 100_000)


@pytest.mark.parametrize(("status", "fault"), [(200, None), (500, Fault.STATUS)])
async def test_an_endless_body_is_dropped_and_judged_by_its_status(sender, status, fault):
    endless = drip(f"HTTP/1.1 {status} OK\r\nContent-Length: 999999999999\r\n\r\n".encode(), b"x" * 65536, 0)
    async with Receiver(endless) as receiver:
        outcome = await sender.post(receiver.url)
        assert (outcome.fault, outcome.status, len(outcome.body)) == (fault, status, RESPONSE_BYTES_MAX)
        assert RESPONSE_BYTES_DROP // 2 < outcome.body_bytes < 4 * RESPONSE_BYTES_DROP
        assert sender.transport.stats.open == 0


async def test_a_stale_connection_is_retried_on_a_fresh_one(sender):
    async with Receiver(reply(), hang_up, reply(201)) as receiver:
        await sender.post(receiver.url)
        assert (await sender.post(receiver.url)).status == 201
        assert [request.connection for request in receiver.requests] == [0, 0, 1]
    assert sender.transport.stats.retried_stale == 1


async def test_a_stale_connection_is_retried_only_once(sender):
    async with Receiver(reply(), reset) as receiver:
        await sender.post(receiver.url)
        assert (await sender.post(receiver.url)).fault is Fault.RESET
        assert len(receiver.requests) == 3


async def test_an_answer_begun_is_no_stale_connection(sender):
    async with Receiver(reply(), raw(b"H", then=hang_up)) as receiver:
        await sender.post(receiver.url)
        assert (await sender.post(receiver.url)).fault is Fault.RESET
        assert len(receiver.requests) == 2


async def test_a_retry_keeps_the_deadline(sender):
    async with Receiver(reply(), hang_up, hang) as receiver:
        await sender.post(receiver.url)
        outcome = await sender.post(receiver.url, timeout_s=0.05)
        assert outcome.fault is Fault.TIMEOUT
        assert len(receiver.requests) == 3


async def test_bytes_nobody_asked_for_close_an_idle_connection(sender):
    gate = asyncio.Event()
    late = raw(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    async with Receiver(raw(HEAD_OF_TEN + b"0123456789", then=when(gate, late)), reply()) as receiver:
        await sender.post(receiver.url)
        gate.set()
        await receiver.until(lambda: receiver.ended == 1)
        assert sender.transport.stats.open == 0
        assert (await sender.post(receiver.url)).fault is None
        assert [request.connection for request in receiver.requests] == [0, 1]


async def test_a_greeting_is_not_http(sender):
    async with Receiver(hang, greeting=b"SSH-2.0-OpenSSH_9.9\r\n") as receiver:
        assert (await sender.post(receiver.url)).fault is Fault.PROTOCOL


async def test_connection_close_is_honoured(sender):
    async with Receiver(reply(headers="Connection: close\r\n")) as receiver:
        await sender.post(receiver.url)
        await sender.post(receiver.url)
        assert receiver.accepted == 2


async def test_idle_connections_expire(sender_of):
    sender = sender_of(idle_s=0.02)
    async with Receiver() as receiver:
        await sender.post(receiver.url)
        await receiver.until(lambda: receiver.ended == 1)
        assert sender.transport.stats.open == 0


@pytest.mark.parametrize(("bounds", "kept"), [({"idle_max_per_origin": 2}, 2), ({"idle_max_total": 3}, 3), ({}, 5)])
async def test_idle_connections_are_bounded(sender_of, bounds, kept):
    sender = sender_of(**bounds)
    gate = asyncio.Event()
    async with Receiver(when(gate, reply())) as receiver:
        posts = [sender.begin(receiver.url) for _ in range(5)]
        await receiver.until(lambda: len(receiver.requests) == 5)
        gate.set()
        await asyncio.gather(*posts)
        assert sender.transport.stats.idle == kept
        await receiver.until(lambda: receiver.ended == 5 - kept)


async def test_five_hundred_at_once(sender_of):
    sender = sender_of(idle_max_per_origin=500)
    async with Receiver() as receiver:
        for _ in range(2):
            outcomes = await asyncio.gather(*(sender.begin(receiver.url) for _ in range(500)))
            assert {outcome.fault for outcome in outcomes} == {None}
        assert sender.transport.stats.reused == 500
        assert len(receiver.requests) == 1000


async def test_close_waits_for_what_is_under_way(sender):
    gate = asyncio.Event()
    async with Receiver(when(gate, reply())) as receiver:
        post = sender.begin(receiver.url)
        await receiver.until(lambda: len(receiver.requests) == 1)
        asyncio.get_running_loop().call_soon(gate.set)
        await sender.transport.close(5.0)
        assert post.done()
        assert post.result().fault is None


async def test_close_ends_what_takes_too_long(sender):
    async with Receiver(hang) as receiver:
        sent = sender.begin(receiver.url)
        await receiver.until(lambda: len(receiver.requests) == 1)
        dialing = sender.begin(receiver.url)
        await sender.transport.close(0.01)
        for post in (sent, dialing):
            outcome = await post
            assert (outcome.fault, outcome.detail) == (Fault.INTERNAL, "shut down")
        assert (await sender.post(receiver.url)).fault is Fault.INTERNAL


async def test_a_cancelled_dial_is_reported(sender_of):
    started = asyncio.Event()

    class Slow:
        async def resolve(self, host, within_s=None):
            started.set()
            await asyncio.Event().wait()

    sender = sender_of()
    sender.transport._dialer._resolver = Slow()
    post = sender.begin("http://slow.test/")
    await started.wait()
    for task in sender.tasks:
        task.cancel()
    assert (await post).fault is Fault.INTERNAL


async def test_a_bug_while_dialing_is_ours(sender_of):
    sender = sender_of()
    sender.transport._dialer._guard = None
    outcome = await sender.post("http://127.0.0.1:9/")
    assert outcome.fault is Fault.INTERNAL
    assert "AttributeError" in outcome.detail
