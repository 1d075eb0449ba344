from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.transport.answer import HEAD_BYTES_MAX, RESPONSE_BYTES_DROP, AnswerReader, Progress
from events.outcome import RESPONSE_BYTES_MAX, Fault

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRetry-After: 7\r\n\r\nok"
REFUSED = PLAIN.replace(b"200 OK", b"429 No")
CHUNKED = b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nRetry-After: 9\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "reusable"),
    [
        (PLAIN, True),
        (CHUNKED, True),
        (PLAIN + b"H", False),
        (PLAIN + b"garbage", False),
        (PLAIN + PLAIN, False),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\nmore", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", True),
    ],
)
def test_reuse(data, reusable):
    reader = AnswerReader()
    assert reader.feed(data) is Progress.WHOLE
    assert reader.reusable is reusable


def test_what_follows_an_answer_does_not_change_it():
    reader = AnswerReader()
    reader.feed(REFUSED + b"HTTP/1.1 500 No\r\nRetry-After: 8\r\nContent-Length: 3\r\n\r\nbad")
    outcome = reader.outcome(1)
    assert (outcome.fault, outcome.status, outcome.body, outcome.retry_after) == (Fault.STATUS, 429, b"ok", "7")


def test_only_of_what_failed_is_told_when_to_come_again():
    reader = AnswerReader()
    reader.feed(PLAIN)
    assert reader.outcome(1).retry_after is None
    interim = b"HTTP/1.1 103 Early\r\nRetry-After: 8\r\nContent-Length: 1\r\n\r\n"
    reader.reset()
    reader.feed(interim + REFUSED.replace(b"Retry-After: 7\r\n", b""))
    assert reader.outcome(1).retry_after is None


def test_one_reader_serves_answer_after_answer():
    reader = AnswerReader()
    for data, body, retry_after in ((REFUSED, b"ok", "7"), (CHUNKED, b"abc", None), (PLAIN, b"ok", None)) * 3:
        assert reader.feed(data) is Progress.WHOLE
        outcome = reader.outcome(3)
        assert (outcome.body, outcome.body_bytes, outcome.retry_after) == (body, len(body), retry_after)
        assert outcome.duration_ms == 3
        reader.reset()


@given(st.sampled_from([PLAIN, REFUSED, CHUNKED]), st.lists(st.integers(1, 60)))
def test_how_the_bytes_are_cut_makes_no_difference(data, cuts):
    whole, pieces = AnswerReader(), AnswerReader()
    whole.feed(data)
    edges = [0, *sorted({min(cut, len(data) - 1) for cut in cuts}), len(data)]
    progress = [pieces.feed(data[start:end]) for start, end in pairwise(edges)]
    assert progress == [Progress.WAITING] * (len(progress) - 1) + [Progress.WHOLE]
    assert pieces.outcome(0) == whole.outcome(0)
    assert pieces.reusable


@given(st.binary(max_size=200), st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", PLAIN[:-2]]))
def test_garbage_never_raises(data, before):
    reader = AnswerReader()
    reader.feed(before + data)
    reader.feed(data)
    reader.close()
    reader.failure(Fault.RESET, 0, "")


@pytest.mark.parametrize(
    ("data", "progress"),
    [
        (b"", Progress.WAITING),
        (b"HTTP/1.1 200 OK\r\n", Progress.WAITING),
        (b"HTTP/1.1 200 OK\r\n\r\nab", Progress.WHOLE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab", Progress.WHOLE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n2\r\nab", Progress.WAITING),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", Progress.WAITING),
        (b"HTTP/1.1 103 Early\r\n\r\n", Progress.WAITING),
    ],
)
def test_the_end_of_the_stream(data, progress):
    reader = AnswerReader()
    assert reader.feed(data) is Progress.WAITING
    assert reader.close() is progress


def test_the_head_is_bounded():
    reader = AnswerReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\n") is Progress.WAITING
    assert reader.feed(b"X: " + b"y" * HEAD_BYTES_MAX) is Progress.BROKEN
    assert "head" in reader.problem


def test_the_body_is_bounded():
    reader = AnswerReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * RESPONSE_BYTES_MAX) is Progress.WAITING
    assert reader.feed(b"y" * RESPONSE_BYTES_DROP) is Progress.DROPPED
    outcome = reader.outcome(0)
    assert outcome.body == b"x" * RESPONSE_BYTES_MAX
    assert outcome.body_bytes == RESPONSE_BYTES_MAX + RESPONSE_BYTES_DROP


def test_endless_trailers_are_dropped():
    reader = AnswerReader()
    reader.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ")
    assert reader.feed(b"y" * RESPONSE_BYTES_DROP) is Progress.DROPPED


def test_bare_line_feeds_are_read():
    reader = AnswerReader()
    assert reader.feed(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok") is Progress.WHOLE
