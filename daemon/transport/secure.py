"""The TLS layer between a socket and a connection, driven by hand: a request is one encryption and one write.

The event loops have layers of their own, which bring buffers, flow control and timers that one request at a time has
no use for, and cost more than the encryption. This one stands on plain TCP: towards the loop it is the protocol,
towards the connection it is the transport.
"""

import asyncio
import contextlib
import ssl
from typing import Any, cast

from daemon.transport.connection import Connection
from daemon.transport.tls import TlsContext

_RECORD_BYTES_MAX = 16 * 1024  # RFC 8446 §5.1: no read gives more at once
_FAREWELL_S = 1.0


class SecureLayer(asyncio.Protocol):
    """One TLS session. The connection hears of it once the handshake is over, and then of what was decrypted."""

    __slots__ = ("_connection", "_incoming", "_open", "_outgoing", "_shaken", "_tls", "_transport")

    def __init__(self, context: TlsContext, name: str, connection: Connection) -> None:
        self._connection = connection
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.begin(self._incoming, self._outgoing, name)
        self._shaken: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._open = False  # from the end of the handshake until the end of the connection
        self._transport: asyncio.Transport

    async def shaken(self) -> Connection:
        """Wait for the handshake. OSError (SSLError among them) or ValueError when it failed.

        Whoever gives up waiting ends the connection.
        """
        try:
            return await self._shaken
        except BaseException:
            self._transport.abort()
            raise

    # What the connection calls.

    def write(self, data: bytes) -> None:
        """Encrypt and send. SSLError when the session is over."""
        sent = self._tls.write(data)
        if sent < len(data):  # a record at a time
            view = memoryview(data)
            while sent < len(data):
                sent += self._tls.write(view[sent:])
        self._flush()

    def abort(self) -> None:
        """Close at once; a peer that still listens is told that it is no accident (RFC 8446 §6.1)."""
        transport = self._transport
        was_open, self._open = self._open, False
        if not was_open or transport.is_closing() or transport.get_write_buffer_size():
            transport.abort()
            return
        with contextlib.suppress(ssl.SSLError):  # which says that the peer has not answered: nobody waits for that
            self._tls.unwrap()
        self._flush()
        transport.close()
        asyncio.get_running_loop().call_later(_FAREWELL_S, transport.abort)  # nobody takes it

    def get_write_buffer_size(self) -> int:
        """Bytes of records that are not sent yet."""
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """The TLS object, or whatever the transport below knows."""
        return self._tls if name == "ssl_object" else self._transport.get_extra_info(name, default)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._shake()

    def data_received(self, data: bytes) -> None:
        """Decrypt, record by record, as long as there are whole ones."""
        self._incoming.write(data)
        if not self._open:
            self._shake()
        try:
            self._read()
        except ssl.SSLWantReadError:
            pass  # the rest of a record, or nothing but a ticket
        except ssl.SSLError as error:
            self._connection.connection_lost(error)
        if self._outgoing.pending:  # an answer to a change of keys, or an alert
            self._flush()

    def eof_received(self) -> bool:
        """Take the peer's end of sending as the end, with or without its farewell."""
        if self._open:
            self._connection.eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is still under way."""
        self._fail(exc or ConnectionResetError("closed during the TLS handshake"))
        if self._open:
            self._open = False
            self._connection.connection_lost(exc)

    def _shake(self) -> None:
        if self._shaken.done():
            return
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except (OSError, ValueError) as error:  # SSLError is an OSError, a wrong name a ValueError
            self._flush()  # the alert
            self._fail(error)
        else:
            self._flush()
            self._open = True
            self._connection.connection_made(cast("asyncio.Transport", self))
            self._shaken.set_result(self._connection)

    def _read(self) -> None:
        while self._open:
            data = self._tls.read(_RECORD_BYTES_MAX)
            if not data:  # the peer said farewell
                self._connection.eof_received()
                return
            self._connection.data_received(data)
            if not self._incoming.pending and len(data) < _RECORD_BYTES_MAX:
                return

    def _fail(self, error: Exception) -> None:
        if not self._shaken.done():
            self._shaken.set_exception(error)

    def _flush(self) -> None:
        self._transport.write(self._outgoing.read())
