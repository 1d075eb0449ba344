"""The TLS layer, against a server in memory: what goes over the wire is in the test's hands."""

import asyncio
import contextlib
import ssl

import pytest

from daemon.transport import client_tls
from daemon.transport.connection import Connection
from daemon.transport.secure import SecureLayer

HOST = "hook.test"


class Wire:
    """The socket's transport: keeps what is sent until the server takes it."""

    def __init__(self):
        self.sent = bytearray()
        self.unsent = 0
        self.ended = ""

    def write(self, data):
        assert not self.ended
        self.sent += data

    def close(self):
        self.ended = self.ended or "closed"

    def abort(self):
        self.ended = self.ended or "aborted"

    def is_closing(self):
        return bool(self.ended)

    def get_write_buffer_size(self):
        return self.unsent

    def get_extra_info(self, name, default=None):
        return {"peername": ("127.0.0.1", 443)}.get(name, default)

    def take(self):
        taken = bytes(self.sent)
        self.sent.clear()
        return taken


class Heard(Connection):
    """The connection above: writes down what it hears."""

    __slots__ = ("calls", "data", "errors")

    def __init__(self):
        self.calls = []
        self.data = bytearray()
        self.errors = []

    def connection_made(self, transport):
        self._transport = transport
        self.calls.append("made")

    def data_received(self, data):
        self.data += data

    def eof_received(self):
        self.calls.append("eof")
        self._transport.abort()
        return False

    def connection_lost(self, exc):
        self.calls.append("lost")
        self.errors.append(exc)
        self._transport.abort()


class Pair:
    """Both ends, and the bytes between them."""

    def __init__(self, client, server, host=HOST):
        self.heard = Heard()
        self.wire = Wire()
        self.layer = SecureLayer(client, host, self.heard)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = server.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.layer.connection_made(self.wire)

    def shake(self):
        for _ in range(3):
            self.incoming.write(self.wire.take())
            try:
                self.server.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                break
            self.deliver()

    def deliver(self, step=0):
        """Bring the client what the server wrote, `step` bytes at a time (0: all at once)."""
        data = self.outgoing.read()
        for start in range(0, len(data), step or len(data) or 1):
            self.layer.data_received(data[start : start + (step or len(data))])

    def read(self):
        """What the server reads."""
        self.incoming.write(self.wire.take())
        read = bytearray()
        while True:
            try:
                data = self.server.read(1 << 16)
            except ssl.SSLWantReadError:
                return bytes(read)
            if not data:
                return bytes(read)
            read += data


@pytest.fixture(scope="module")
def client(authority):
    return client_tls(authority.ca_file)


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def server(request, authority):
    context = authority.server(HOST)
    context.minimum_version = context.maximum_version = request.param
    return context


@pytest.fixture
async def pair(client, server):
    pair = Pair(client, server)
    pair.shake()
    assert await pair.layer.shaken() is pair.heard
    return pair


async def test_the_connection_hears_of_it_once_the_handshake_is_over(client, server):
    pair = Pair(client, server)
    assert pair.heard.calls == []
    pair.shake()
    assert pair.heard.calls == ["made"]
    await pair.layer.shaken()


async def test_a_handshake_that_comes_byte_by_byte(client, server):
    pair = Pair(client, server)
    for _ in range(3):
        pair.incoming.write(pair.wire.take())
        with contextlib.suppress(ssl.SSLWantReadError):
            pair.server.do_handshake()
        pair.deliver(step=1)
    assert await pair.layer.shaken() is pair.heard


@pytest.mark.parametrize("size", [1, 16_384, 16_385, 1_000_000])
async def test_requests_of_any_size(pair, size):
    pair.layer.write(b"r" * size)
    assert pair.read() == b"r" * size


@pytest.mark.parametrize("step", [0, 1, 7, 16_384])
@pytest.mark.parametrize("size", [1, 16_384, 16_385, 100_000])
async def test_answers_however_they_are_cut(pair, size, step):
    sent = 0
    while sent < size:
        sent += pair.server.write(b"a" * (size - sent))
    pair.deliver(step=step)
    assert bytes(pair.heard.data) == b"a" * size
    assert pair.heard.calls == ["made"]


async def test_several_records_in_one_read(pair):
    for part in (b"one", b"two", b"three"):
        pair.server.write(part)
    pair.deliver()
    assert bytes(pair.heard.data) == b"onetwothree"


async def test_nothing_is_read_once_the_connection_has_had_enough(pair):
    pair.server.write(b"one")
    pair.layer.abort()
    pair.deliver()
    assert not pair.heard.data


async def test_the_farewell_of_the_peer(pair):
    with pytest.raises(ssl.SSLWantReadError):
        pair.server.unwrap()
    pair.deliver()
    assert pair.heard.calls == ["made", "eof"]


async def test_an_end_without_a_farewell(pair):
    assert pair.layer.eof_received() is False
    assert pair.heard.calls == ["made", "eof"]


async def test_our_farewell(pair):
    pair.layer.abort()
    assert pair.wire.ended == "closed"
    pair.incoming.write(pair.wire.take())
    assert pair.server.read(10) == b""  # told, not cut off


async def test_no_farewell_behind_bytes_that_do_not_go(pair):
    pair.wire.unsent = 10
    pair.layer.abort()
    assert pair.wire.ended == "aborted"
    assert not pair.wire.sent


async def test_a_farewell_is_said_once(pair):
    pair.layer.abort()
    said = pair.wire.take()
    pair.layer.abort()
    assert said
    assert not pair.wire.sent


async def test_garbage_instead_of_a_record(pair):
    pair.layer.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert pair.heard.calls == ["made", "lost"]
    assert isinstance(pair.heard.errors[0], ssl.SSLError)
    assert pair.wire.ended


async def test_the_connection_is_lost(pair):
    pair.wire.abort()
    pair.layer.connection_lost(ConnectionResetError())
    pair.layer.connection_lost(None)
    assert pair.heard.calls == ["made", "lost"]


async def test_garbage_instead_of_a_handshake(client, server):
    pair = Pair(client, server)
    pair.layer.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(ssl.SSLError):
        await pair.layer.shaken()
    assert pair.wire.ended == "aborted"
    assert pair.heard.calls == []


async def test_a_connection_lost_in_the_handshake(client, server):
    pair = Pair(client, server)
    pair.layer.connection_lost(None)
    with pytest.raises(ConnectionResetError):
        await pair.layer.shaken()


async def test_an_end_of_file_in_the_handshake_lets_the_loop_close(client, server):
    assert Pair(client, server).layer.eof_received() is False


async def test_another_name_in_the_certificate(client, server):
    pair = Pair(client, server, host="other.test")
    pair.shake()
    with pytest.raises(ssl.SSLCertVerificationError):
        await pair.layer.shaken()
    pair.incoming.write(pair.wire.take())
    with pytest.raises(ssl.SSLError):  # the server is told why
        pair.server.read(10) if pair.server.version() == "TLSv1.3" else pair.server.do_handshake()


async def test_an_authority_nobody_trusts(public_tls, server):
    pair = Pair(public_tls, server)
    pair.shake()
    with pytest.raises(ssl.SSLCertVerificationError):
        await pair.layer.shaken()


async def test_whoever_gives_up_ends_the_connection(client, server):
    pair = Pair(client, server)
    waiting = asyncio.ensure_future(pair.layer.shaken())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert pair.wire.ended == "aborted"
    pair.layer.connection_lost(None)
    assert pair.heard.calls == []


async def test_a_name_no_certificate_can_bear(client):
    with pytest.raises(ValueError):
        SecureLayer(client, ".test", Heard())


async def test_what_lies_below(pair):
    assert pair.layer.get_extra_info("ssl_object").version() in {"TLSv1.2", "TLSv1.3"}
    assert pair.layer.get_extra_info("peername") == ("127.0.0.1", 443)
    pair.wire.unsent = 3
    assert pair.layer.get_write_buffer_size() == 3
