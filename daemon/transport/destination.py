"""Where a request goes, read once from a URL and then kept: nothing is parsed again per attempt."""

import re
from typing import Self
from urllib.parse import urlsplit

import msgspec
from yarl import URL

Origin = tuple[str, str, int]
"""Scheme, host and port: connections are shared within one origin (RFC 6454 §4)."""

_HOST = re.compile(r"[0-9a-z._-]+|[0-9a-f:.]+")  # a name, or an address; a scope id means nothing to others
# What may stand in a request line as it is (RFC 3986 §2, plus the few that every server takes).
_SENDABLE = re.compile(r"[!#-;=?-\[\]_a-z|~]*")


class Destination(msgspec.Struct, frozen=True):
    """One endpoint, in the pieces a request needs."""

    scheme: str
    host: str  # ASCII (punycode), or an address literal without brackets
    port: int
    target: str  # origin-form, path and query (RFC 9112 §3.2.1)
    authority: str  # the value of the Host header (RFC 9112 §3.2)
    origin: Origin

    @property
    def is_tls(self) -> bool:
        """Whether the request goes over TLS."""
        return self.scheme == "https"

    @property
    def tls_name(self) -> str:
        """The name a certificate must bear; one in DNS may end in a dot, this one not (RFC 6066 §3)."""
        return self.host.removesuffix(".")

    @classmethod
    def of(cls, url: str) -> Self:
        """Read an absolute http or https URL.

        Raises ValueError, with a text for people, when nothing can be sent there. User information is
        refused rather than dropped in silence; a fragment is never sent (RFC 9110 §4.2.4, §7.1).
        """
        parsed = URL(url)
        host = parsed.raw_host
        if parsed.scheme not in {"http", "https"} or not host or not _HOST.fullmatch(host):
            raise ValueError(f"not an absolute http or https URL: {url!r}")
        if parsed.user is not None or parsed.password is not None:
            raise ValueError("a URL with a user or a password is not accepted")
        port, authority = parsed.port, parsed.host_port_subcomponent
        if not port or authority is None:
            raise ValueError(f"no usable port in the URL: {url!r}")
        return cls(
            scheme=parsed.scheme,
            host=host,
            port=port,
            target=_target(url, parsed),
            authority=authority,
            origin=(parsed.scheme, host, port),
        )


def _target(url: str, parsed: URL) -> str:
    """Keep path and query byte for byte where they can be sent: a signed query must not be requoted."""
    raw = urlsplit(url)
    target = (raw.path or "/") + (f"?{raw.query}" if raw.query else "")
    return target if _SENDABLE.fullmatch(target) else parsed.raw_path_qs
