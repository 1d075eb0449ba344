"""What a socket cannot show on demand: the order of the calls to the owner, and faults of our own."""

import pytest

from daemon.transport import Destination
from daemon.transport.connection import Connection
from daemon.transport.exchange import Exchange
from events.outcome import Fault

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Log:
    """Owner, loop and socket in one: writes down what it is told."""

    def __init__(self):
        self.calls = []
        self.outcomes = []
        self.unsent = 0
        self.now = 0.0

    def answered_first(self, connection):
        self.calls.append("answered_first")

    def released(self, connection):
        self.calls.append("released")

    def gone(self, connection):
        self.calls.append("gone")

    def stale(self, exchange):
        self.calls.append("stale")

    def ended(self, exchange, outcome):
        self.calls.append("ended")
        self.outcomes.append(outcome)

    def time(self):
        return self.now

    def write(self, data):
        self.calls.append("write")

    def abort(self):
        self.calls.append("abort")

    def get_write_buffer_size(self):
        return self.unsent


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def connection(log):
    connection = Connection(("http", "a.test", 80), "a.test", log, log)
    connection.connection_made(log)
    return connection


def exchange(**fields):
    return Exchange(Destination.of("http://a.test/"), b"POST", 0.0, 1.0, lambda _: None, **fields)


def test_the_connection_is_free_before_the_caller_hears(connection, log):
    connection.send(exchange())
    connection.data_received(OK)
    assert log.calls == ["write", "answered_first", "released", "ended"]
    assert not connection.busy


def test_an_answer_before_the_request_was_sent_ends_the_connection(connection, log):
    log.unsent = 10
    connection.send(exchange())
    connection.data_received(OK)
    assert log.calls == ["write", "answered_first", "gone", "abort", "ended"]
    assert log.outcomes[0].fault is None


def test_a_fresh_connection_closed_before_its_request(connection, log):
    connection.eof_received()
    connection.connection_lost(None)
    connection.send(exchange())
    assert log.outcomes[0].fault is Fault.RESET
    assert "write" not in log.calls


def test_a_write_that_raises_on_a_kept_connection_is_a_stale_one(connection, log):
    connection.served = 1
    log.write = lambda _: 1 / 0
    connection.send(exchange())
    assert log.calls == ["gone", "abort", "stale"]


def test_a_bug_of_ours_ends_the_request_as_internal(connection, log):
    log.answered_first = lambda _: 1 / 0
    moving = exchange()
    connection.send(moving)
    connection.data_received(OK)
    assert [outcome.fault for outcome in log.outcomes] == [Fault.INTERNAL]


def test_review(connection, log):
    connection.review(9.0, -1.0)
    assert not log.calls
    connection.send(exchange())
    connection.review(0.5, 9.0)
    assert log.calls == ["write"]
    connection.review(1.0, 9.0)
    assert [outcome.fault for outcome in log.outcomes] == [Fault.TIMEOUT]
    assert log.outcomes[0].detail == "no whole answer within 1 s"
