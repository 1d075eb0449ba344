from daemon.transport import Destination
from daemon.transport.exchange import Exchange
from events.outcome import Fault


def test_the_caller_hears_of_the_first_end_only():
    heard = []
    exchange = Exchange(Destination.of("http://a.test/"), b"", 1.0, 2.0, heard.append)
    assert not exchange.ended
    assert exchange.end(exchange.failure(Fault.RESET, 1.25, "first"))
    assert not exchange.end(exchange.failure(Fault.TIMEOUT, 1.5, "second"))
    assert exchange.ended
    assert [(outcome.detail, outcome.duration_ms) for outcome in heard] == [("first", 250)]


def test_it_has_ended_when_the_caller_hears_of_it():
    seen = []
    exchange = Exchange(Destination.of("http://a.test/"), b"", 0.0, 1.0, lambda _: seen.append(exchange.ended))
    exchange.end(exchange.failure(Fault.RESET, 0.0, ""))
    assert seen == [True]
