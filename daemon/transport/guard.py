"""Which addresses a request may reach: global unicast only, unless the operator allowed more.

Endpoints are chosen by users, so a name may point into the network the daemon runs in (server-side request
forgery). The tables are our own: the standard library's `is_global` changed between Python releases.
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Never allowable: what answers here hands out the machine's own credentials.
_NEVER: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(cidr), kind)
    for cidr, kind in (
        ("169.254.0.0/16", "link-local, where cloud metadata lives"),
        ("fe80::/10", "link-local"),
        ("fd00:ec2::/32", "cloud metadata"),
        ("fd20:ce::254/128", "cloud metadata"),
        ("100.100.100.200/32", "cloud metadata"),
        ("192.0.0.192/32", "cloud metadata"),
        ("168.63.129.16/32", "cloud metadata"),
    )
)

# The IANA special-purpose registries (RFC 6890 and its successors), what is not globally reachable.
_SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(cidr), kind)
    for cidr, kind in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::/96", "IPv4-compatible"),
        ("64:ff9b:1::/48", "local NAT64"),
        ("100::/64", "discard-only"),
        ("2001::/32", "Teredo"),
        ("2001:2::/48", "benchmarking"),
        ("2001::/23", "reserved for protocols"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
        ("fc00::/7", "private"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)

_GLOBAL_V6 = IPv6Network("2000::/3")  # all that IANA has given out as global unicast
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")  # RFC 8215
_COMPATIBLE = IPv6Network("::/96")  # RFC 4291 §2.5.5.1
_LOWEST_EMBEDDING = 2  # `::` and `::1` are addresses of their own


class Guard:
    """The rule, with the networks the operator allowed beside the public internet."""

    def __init__(self, allow: Sequence[Network] = ()) -> None:
        self._allow = tuple(allow)

    def refusal(self, ip: Address) -> str | None:
        """Say why `ip` must not be reached, or None if it may be.

        An address that carries another one inside is refused unless both may be reached.
        """
        if isinstance(ip, IPv6Address) and ip.scope_id is not None:
            return f"{ip} is scoped to a link, which can never be allowed"
        faces = tuple(_faces(ip))
        return next(filter(None, (*map(_never, faces), *map(self._unallowed, faces))), None)

    def _unallowed(self, face: Address) -> str | None:
        kind = _kind(face)
        if kind is None or any(face in network for network in self._allow):
            return None
        return f"{face} is {kind}; ALLOW_NETWORKS would allow it"


def _never(face: Address) -> str | None:
    kind = next((kind for network, kind in _NEVER if face in network), None)
    return kind and f"{face} is {kind}, which can never be allowed"


def _kind(face: Address) -> str | None:
    """Name the special purpose of an address, None if it is global unicast."""
    special = next((kind for network, kind in _SPECIAL if face in network), None)
    if special or isinstance(face, IPv4Address) or face in _GLOBAL_V6:
        return special
    return "not global unicast"


def _faces(ip: Address) -> Iterator[Address]:
    """Yield every address that a packet to `ip` may really arrive at.

    Mapped (RFC 4291 §2.5.5.2) and well-known NAT64 addresses are only another way to write an IPv4 address;
    the other forms are judged as themselves too.
    """
    if isinstance(ip, IPv4Address):
        yield ip
    elif ip.ipv4_mapped is not None:
        yield ip.ipv4_mapped
    elif ip in _NAT64:
        yield _low32(ip)
    else:
        yield ip
        yield from _embedded(ip)


def _embedded(ip: IPv6Address) -> Iterator[IPv4Address]:
    if ip.sixtofour is not None:
        yield ip.sixtofour
    elif ip.teredo is not None:
        yield from ip.teredo
    elif ip in _COMPATIBLE and int(ip) >= _LOWEST_EMBEDDING:
        yield _low32(ip)
    elif ip in _NAT64_LOCAL:
        # The operator of a local prefix picks the layout, so both are read; an all-zero one is unused.
        yield from (v4 for v4 in (_low32(ip), _rfc6052_48(ip)) if int(v4))


def _low32(ip: IPv6Address) -> IPv4Address:
    return IPv4Address(int(ip) & 0xFFFF_FFFF)


def _rfc6052_48(ip: IPv6Address) -> IPv4Address:
    """Read the layout for a /48 prefix: bits 48-63 and, past the zero octet, 72-87 (RFC 6052 §2.2)."""
    high = (int(ip) >> 64) & 0xFFFF
    low = (int(ip) >> 40) & 0xFFFF
    return IPv4Address(high << 16 | low)
