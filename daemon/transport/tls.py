"""TLS towards endpoints: always verified, and resumed where the endpoint offers it.

A full handshake costs as much CPU as dozens of requests on a kept connection, a resumed one far less.
"""

import ssl
from collections import OrderedDict
from pathlib import Path

SESSIONS_MAX = 4096


class TlsContext(ssl.SSLContext):
    """A client context that offers the last session of a name again (RFC 8446 §2.2).

    A session is kept only under the name it was verified for, so resuming skips no check.
    """

    _sessions: OrderedDict[str, ssl.SSLSession]

    def begin(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, host: str) -> ssl.SSLObject:
        """Begin a connection, with the session kept for this name if there is one."""
        known = self._sessions.get(host)
        if known is not None:
            self._sessions.move_to_end(host)
        return self.wrap_bio(incoming, outgoing, server_hostname=host, session=known)

    def remember(self, host: str, connection: ssl.SSLObject) -> None:
        """Keep the session of a verified connection to `host`. Call it after the first answer.

        In TLS 1.3 the ticket comes after the handshake, so it is not there earlier (RFC 8446 §4.6.1). A session that
        was resumed serves again until the peer takes it no more: to copy another one out costs half a handshake.
        """
        if connection.session_reused:
            return
        session = connection.session
        if session is None or not session.has_ticket:
            return
        self._sessions[host] = session
        if len(self._sessions) > SESSIONS_MAX:
            self._sessions.popitem(last=False)

    def forget(self, host: str) -> None:
        """Do not offer the session again: the last handshake failed."""
        self._sessions.pop(host, None)


def client_tls(ca_file: Path | None = None) -> TlsContext:
    """Trust the system's authorities, and those in `ca_file` (PEM).

    Raises OSError (ssl.SSLError among them) when the file cannot be read.
    """
    context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)  # which checks certificate and name
    context._sessions = OrderedDict()  # noqa: SLF001  # SSLContext is built in __new__, not in __init__
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.load_default_certs()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context
