"""What the far side did with one attempt: a value, never an exception."""

from enum import StrEnum

import msgspec

RESPONSE_BYTES_MAX = 16 * 1024


class Fault(StrEnum):
    """Why an attempt failed. Closed: every failed attempt has exactly one of these."""

    STATUS = "status"  # an answer came, and it was not 2xx
    DNS = "dns"  # the name did not resolve
    BLOCKED = "blocked"  # the address guard refused every address of the name
    CONNECT = "connect"  # no address took the connection
    TLS = "tls"  # the handshake or the certificate failed
    TIMEOUT = "timeout"  # no whole answer within the deadline
    RESET = "reset"  # the connection ended before a whole answer
    PROTOCOL = "protocol"  # what came is not HTTP/1.1
    INTERNAL = "internal"  # our own fault, never the endpoint's: spends no attempt


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """One HTTP request, as it ended.

    `fault` is None on a 2xx answer only. `status` stands whenever an answer's head came, so also beside
    TIMEOUT or RESET in the middle of a body. `body` holds at most RESPONSE_BYTES_MAX bytes.
    """

    fault: Fault | None
    duration_ms: int
    status: int | None = None
    body: bytes = b""
    body_bytes: int = 0  # as received, before the cut
    retry_after: str | None = None  # of a failure, the header as it came (RFC 9110 §10.2.3)
    detail: str = ""  # for people: what exactly went wrong
