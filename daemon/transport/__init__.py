"""The outgoing side: HTTP/1.1 requests to endpoints chosen by users, and what became of them."""

from daemon.transport.client import Transport, TransportStats
from daemon.transport.destination import Destination
from daemon.transport.guard import Guard
from daemon.transport.resolver import Resolver
from daemon.transport.tls import TlsContext, client_tls

__all__ = ["Destination", "Guard", "Resolver", "TlsContext", "Transport", "TransportStats", "client_tls"]
