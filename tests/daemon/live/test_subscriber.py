import asyncio

from daemon.live import frames
from daemon.live.group import Wanted
from daemon.live.subscriber import BUFFER_BYTES_MAX, KEEP_ALIVE_S, RESUME_BYTES_MAX, Subscriber


class Connection:
    def __init__(self):
        self.written = []
        self.waiting = 0
        self.closing = False

    def write(self, data):
        self.written.append(data)

    def get_write_buffer_size(self):
        return self.waiting

    def is_closing(self):
        return self.closing


def made():
    connection = Connection()
    return Subscriber(connection, Wanted(1), None, 0.0), connection


async def test_one_who_does_not_take_is_skipped_forward_with_an_exact_count():
    subscriber, connection = made()
    subscriber.tell(b"one", 1, "0", 0)
    connection.waiting = BUFFER_BYTES_MAX + 1
    subscriber.tell(b"two", 2, "1", 0)
    subscriber.look("3", 100)
    subscriber.tell(b"three", 3, "3", 0)
    assert connection.written == [b"one"]
    connection.waiting = BUFFER_BYTES_MAX
    subscriber.tell(b"four", 4, "6", 0)
    assert connection.written == [b"one", frames.skipped(5, "6") + b"four"]


async def test_what_was_left_out_is_told_although_nothing_happens_any_more():
    subscriber, connection = made()
    connection.waiting = BUFFER_BYTES_MAX + 1
    subscriber.tell(b"one", 1, "0", 0)
    connection.waiting = 0
    subscriber.look("1", 0)
    subscriber.look("1", 0)
    assert connection.written == [frames.skipped(1, "1")]


async def test_a_silent_connection_is_kept_alive():
    subscriber, connection = made()
    subscriber.look("1", KEEP_ALIVE_S - 0.1)
    assert connection.written == []
    subscriber.look("1", KEEP_ALIVE_S)
    subscriber.look("1", KEEP_ALIVE_S + 1)
    assert connection.written == [frames.KEEP_ALIVE]


async def test_one_who_left_is_written_nothing_and_ends():
    subscriber, connection = made()
    connection.closing = True
    subscriber.tell(b"one", 1, "0", 0)
    subscriber.look("1", 100)
    assert connection.written == []
    assert subscriber.ended.is_set()


async def test_a_reader_of_the_past_is_waited_for():
    subscriber, connection = made()
    await subscriber.ready()
    connection.waiting = RESUME_BYTES_MAX + 1
    waiting = asyncio.create_task(subscriber.ready())
    await asyncio.sleep(0)
    subscriber.look("1", 0)
    await asyncio.sleep(0)
    assert not waiting.done()
    connection.waiting = RESUME_BYTES_MAX
    subscriber.look("1", 0)
    await waiting
    connection.waiting = RESUME_BYTES_MAX + 1
    waiting = asyncio.create_task(subscriber.ready())
    await asyncio.sleep(0)
    subscriber.end()
    await waiting
