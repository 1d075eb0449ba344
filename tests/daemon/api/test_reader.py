"""What is a request, and what is not: bytes in, requests out, each refusal by its status."""

import gzip
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.api import reader as module
from daemon.api.errors import ApiError
from daemon.api.reader import HEAD_BYTES_MAX, HEADERS_MAX, PIECE_BYTES_MAX, TARGET_BYTES_MAX, RequestReader

BODY_BYTES_MAX = 1000
GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def read(*parts):
    reader = RequestReader(BODY_BYTES_MAX)
    for part in parts:
        for start in range(0, len(part), PIECE_BYTES_MAX):
            reader.feed(part[start : start + PIECE_BYTES_MAX])
    return reader


def one(*parts):
    (request,) = read(*parts).whole
    return request


def test_all_of_a_request():
    request = one(
        b"PUT /a%20b?c=d HTTP/1.1\r\nHost: x\r\n"
        b"X-Odd: \xff \r\nX-Twice: 1\r\nx-twice: 2\r\nContent-Length: 3\r\n\r\nabc"
    )
    assert (request.method, request.target, request.body) == ("PUT", b"/a%20b?c=d", b"abc")
    assert (request.header(b"x-odd"), request.header(b"x-twice"), request.header(b"x-none", "-")) == (
        "\udcff",
        "1",
        "-",
    )
    assert (request.keep_alive, request.is_http_1_1, request.fault) == (True, True, None)


@pytest.mark.parametrize(
    ("head", "keep_alive", "is_http_1_1"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", False, True),
        (b"GET / HTTP/1.0\r\n\r\n", False, False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True, False),
    ],
)
def test_whether_the_connection_stays(head, keep_alive, is_http_1_1):
    reader = read(head, GET + b"\r\n")
    request = reader.whole[0]
    assert (request.keep_alive, request.is_http_1_1) == (keep_alive, is_http_1_1)
    assert len(reader.whole) == (2 if keep_alive else 1)
    assert reader.ended is not keep_alive


REFUSED = [
    # not to be understood in two ways (RFC 9112 §6.1 and §6.3)
    (POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
    (POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    (POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
    (POST + b"Content-Length: 3, 3\r\n\r\nabc", 400),
    (POST + b"Content-Length: +3\r\n\r\nabc", 400),
    (POST + b"Content-Length: -3\r\n\r\nabc", 400),
    (POST + b"Content-Length: 0x3\r\n\r\nabc", 400),
    (POST + b"Content-Length: \r\n\r\nabc", 400),
    (POST + b"Content-Length: 99999999999999999999999\r\n\r\nabc", 400),
    (POST + b"Transfer-Encoding: gzip\r\n\r\nabc", 501),
    (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
    (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    (POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n", 400),
    (CHUNKED + b"3\nabc\r\n0\r\n\r\n", 400),
    (CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n", 400),
    (CHUNKED + b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400),
    (GET + b"A: b\rC: d\r\n\r\n", 400),
    (GET + b"A: b\r\n c\r\n\r\n", 400),
    (GET + b"A: b\0c\r\n\r\n", 400),
    (GET + b": b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    # whose it is (RFC 9112 §3.2)
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (GET + b"host: y\r\n\r\n", 400),
    # what it speaks
    (b"GET /\r\n\r\n", 505),
    (b"GET / HTTP/0.9\r\n\r\n", 505),
    (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    (b"GET / HTTP/1.2\r\nHost: x\r\n\r\n", 400),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01", 400),
    (b"no request at all\r\n\r\n", 400),
    (b"GET a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\nabc", 501),
    # how much
    (b"GET /" + b"x" * TARGET_BYTES_MAX + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    (GET + b"A: " + b"x" * HEAD_BYTES_MAX + b"\r\n\r\n", 431),
    (GET + b"A: b\r\n" * (HEAD_BYTES_MAX // 6) + b"\r\n", 431),
    (GET + b"".join(b"A%d:\r\n" % nth for nth in range(HEADERS_MAX)) + b"\r\n", 431),
]


@pytest.mark.parametrize(
    ("sent", "status"), REFUSED, ids=[f"{nth}-{status}" for nth, (_, status) in enumerate(REFUSED)]
)
def test_refused(sent, status):
    for parts in ([sent], [sent[:9], sent[9:]], [sent[:-1], sent[-1:]]):
        reader = read(*parts, GET + b"\r\n")
        (request,) = reader.whole
        assert (request.fault.status, request.keep_alive, reader.ended) == (status, False, True)


def test_the_longest_that_pass():
    assert (
        len(one(b"GET /" + b"x" * (TARGET_BYTES_MAX - 1) + b" HTTP/1.1\r\nHost: x\r\n\r\n").target)
        == TARGET_BYTES_MAX
    )
    room = HEAD_BYTES_MAX - len(b"/Hostx") - 4 - len(b"A") - 4
    assert one(GET + b"A: " + b"x" * room + b"\r\n\r\n").fault is None
    assert one(GET + b"A: " + b"x" * (room + 1) + b"\r\n\r\n").fault.status == 431
    assert one(GET + b"".join(b"A%d:\r\n" % nth for nth in range(HEADERS_MAX - 1)) + b"\r\n").fault is None
    assert len(one(POST + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000).body) == 1000


@pytest.mark.parametrize("endless", [GET + b"A: ", b"GET /", CHUNKED + b"1;", CHUNKED + b"1\r\na\r\n0\r\nT: "])
def test_what_has_no_end_is_refused_while_it_comes(endless):
    reader = read(endless)
    for _ in range(3 * HEAD_BYTES_MAX // 1000):
        reader.feed(b"x" * 1000)
    (request,) = reader.whole
    assert (request.fault.status, reader.ended) == (414 if endless == b"GET /" else 431, True)


@pytest.mark.parametrize(
    "sent",
    [POST + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001, CHUNKED + b"3f2\r\n" + b"x" * 1010 + b"\r\n0\r\n\r\n"],
)
def test_too_long_a_body_is_refused_at_once_and_read_off(sent):
    reader = read(sent[:-10])
    (request,) = reader.whole
    assert (request.fault.status, request.keep_alive, reader.discarding, reader.ended) == (413, True, True, False)
    reader.feed(sent[-10:] + GET + b"\r\n")
    assert (len(reader.whole), reader.whole[1].fault, reader.discarding) == (2, None, False)


def test_nobody_hears_of_a_second_fault():
    reader = read(CHUNKED + b"3f2\r\n" + b"x" * 1010 + b"\nno chunk")
    assert [each.fault.status for each in reader.whole] == [413]
    assert reader.ended


def test_chunks_and_trailers():
    request = one(CHUNKED + b"2;a=b\r\nab\r\n3\r\ncde\r\n0\r\nHost: y\r\nX-Late: z\r\n\r\n")
    assert (request.body, request.header(b"x-late")) == (b"abcde", "")
    assert type(request.body) is bytes


def test_many_small_chunks_cost_what_they_hold():
    reader = RequestReader(100_000)
    reader.feed(CHUNKED)
    tracemalloc.start()
    for _ in range(1000):
        reader.feed(b"2\r\nab\r\n" * 50)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000


@pytest.mark.parametrize(
    ("expectation", "expects"),
    [(b"100-continue", True), (b"100-continue \t", True), (b"100-Continue", True), (b"x", False)],
)
def test_expectations(expectation, expects):
    head = POST + b"Expect: " + expectation + b"\r\nContent-Length: 3\r\n\r\n"
    reader = read(head)
    assert (reader.expects, len(reader.whole)) == (expects, 0)
    reader.feed(b"abc")
    assert (reader.expects, len(reader.whole)) == (False, 1)
    assert not read(head.replace(b" HTTP/1.1", b" HTTP/1.0")).expects
    assert not read(head.replace(b": 3", b": 3000")).expects


def test_what_is_not_asked_for_may_come_or_not_so_nothing_follows_it():
    refused = read(POST + b"Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n", GET + b"\r\n")
    (request,) = refused.whole
    assert (request.fault.status, request.keep_alive, refused.ended) == (413, False, True)


def test_a_trailer_may_end_the_connection():
    reader = read(CHUNKED + b"1\r\na\r\n0\r\nConnection: close\r\n\r\n" + GET + b"\r\n")
    (request,) = reader.whole
    assert (request.body, request.fault, request.keep_alive, reader.ended) == (b"a", None, False, True)


def test_the_end():
    reader = read(POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    reader.end()
    reader.feed(b"abc")
    assert (len(reader.whole), reader.receiving, reader.expects, reader.ended) == (0, False, False, True)


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n"


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (GET + UPGRADE + b"\r\n", b""),
        (POST + UPGRADE + b"Content-Length: 3\r\n\r\nabc", b"abc"),
        (POST + UPGRADE + b"Content-Length: 0\r\n\r\n", b""),
        (POST + UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"abc"),
    ],
)
def test_who_offers_another_protocol_is_answered_in_this_one(sent, body):
    for cut in range(1, len(sent), 7):
        reader = read(sent[:cut], sent[cut:] + GET + b"\r\n")
        first, second = reader.whole
        assert (first.body, first.fault, first.header(b"upgrade")) == (body, None, "h2c")
        assert (second.method, second.fault, second.header(b"upgrade")) == ("GET", None, "")


@pytest.mark.parametrize(
    "framed", [b"Content-Length: 3\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"]
)
def test_the_last_request_of_a_connection_may_offer_another_protocol(framed):
    for cut in range(len(framed)):
        reader = read(
            POST + b"Connection: upgrade, close\r\nUpgrade: h2c\r\n" + framed[: cut or None],
            framed[cut:] if cut else b"",
        )
        (request,) = reader.whole
        assert (request.body, request.fault, request.keep_alive, reader.ended) == (b"abc", None, False, True)


def test_many_who_offer_another_protocol():
    offers = (GET + UPGRADE + b"\r\n") * 200 + (POST + UPGRADE + b"Content-Length: 1\r\n\r\na") * 100
    partial = GET + b"A: " + b"x" * 20_000
    reader = RequestReader(BODY_BYTES_MAX)
    reader.feed(offers + partial)
    reader.feed(b"\r\n\r\n")
    assert (len(reader.whole), {each.fault for each in reader.whole}) == (301, {None})


def test_packed_bodies():
    packed = gzip.compress(b"abc" * 300)
    head = POST + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    request = one(head % len(packed) + packed)
    assert request.sent == packed  # it is unpacked for whom may send it
    assert (request.body, request.body) == (b"abc" * 300,) * 2
    assert one(head % 0).body == b""
    assert one(GET + b"Content-Encoding: gzip\r\n\r\n").body == b""
    refused = one(head % 3 + b"abc")
    assert (refused.fault, refused.keep_alive) == (None, True)
    with pytest.raises(ApiError) as raised:
        _ = refused.body
    assert raised.value.status == 400


def test_the_last_one():
    reader = read(POST + b"Content-Length: 3\r\n\r\na")
    reader.finish()
    reader.feed(b"bc" + GET + b"\r\n")
    assert (len(reader.whole), reader.ended, reader.receiving) == (1, True, False)
    idle = read(GET + b"\r\n")
    idle.finish()
    idle.feed(GET + b"\r\n")
    assert (len(idle.whole), idle.ended) == (1, True)


def test_giving_up():
    reader = read(POST + b"Content-Length: 3\r\n\r\na")
    reader.give_up()
    reader.feed(b"bc")
    (request,) = reader.whole
    assert (request.fault.status, request.method, reader.ended) == (408, "POST", True)


def shown(reader):
    return [
        (each.method, each.target, dict(each.headers), each.sent, each.fault and each.fault.status)
        for each in reader.whole
    ]


MIXED = b"".join(
    [
        GET + b"\r\n",
        POST + b"Content-Length: 3\r\n\r\nabc\r\n",
        CHUNKED + b"2\r\nab\r\n0\r\n\r\n",
        POST + UPGRADE + b"Content-Length: 3\r\n\r\nabc",
        POST + b"Content-Length: 2000\r\n\r\n" + b"x" * 2000,
        POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        b"HEAD /\r\n HTTP/1.1\r\n\r\n",
        GET + b"\r\n",
    ]
)


@given(st.lists(st.integers(0, len(MIXED)), max_size=20))
def test_it_does_not_matter_how_the_bytes_come(cuts):
    edges = sorted({0, *cuts, len(MIXED)})
    assert shown(read(*(MIXED[a:b] for a, b in pairwise(edges)))) == shown(read(MIXED))


@given(st.lists(st.sampled_from([*MIXED.split(b"\r\n"), b"\r\n", b"\n", b"0", b"x" * 3000, b"\0"]), max_size=40))
def test_whatever_comes_it_is_requests_or_one_refusal_at_the_end(parts):
    reader = read(b"".join(parts))
    faults = [each.fault.status for each in reader.whole if each.fault and each.fault.status != 413]
    assert len(faults) <= 1
    assert not faults or (reader.ended and reader.whole[-1].fault)
    assert all(len(each.sent) <= BODY_BYTES_MAX for each in reader.whole)


def test_pieces_are_not_longer_than_a_head():
    assert module.PIECE_BYTES_MAX <= module.HEAD_BYTES_MAX
