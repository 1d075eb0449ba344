"""Opens connections: resolve, guard, connect, shake hands, each step with its own fault."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from ipaddress import IPv4Address

from daemon.transport.connection import Connection
from daemon.transport.destination import Destination
from daemon.transport.guard import Address, Guard
from daemon.transport.resolver import ResolutionError, Resolver
from daemon.transport.secure import SecureLayer
from daemon.transport.tls import TlsContext
from events.outcome import Fault

ADDRESSES_MAX = 8  # per attempt: every address tried takes its share of the same deadline

# This machine ran out of something: not the endpoint's doing.
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL})


class DialError(Exception):
    """No connection came about; `fault` says at which step, the text why."""

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault


class Dialer:
    """Connects to the very addresses that the guard saw, so a name cannot change its mind in between."""

    def __init__(self, *, guard: Guard, resolver: Resolver, tls: TlsContext) -> None:
        self._guard = guard
        self._resolver = resolver
        self._tls = tls

    async def dial(self, destination: Destination, by: float, make: Callable[[], Connection]) -> Connection:
        """Open a connection before the loop's time `by`.

        Raises DialError with DNS, BLOCKED, CONNECT, TLS or INTERNAL.
        """
        addresses = await self._addresses(destination.host, by)
        sock = await _connect_any(addresses, destination.port, by)
        if destination.is_tls:
            return await self._secure(sock, destination, by, make)
        _, connection = await asyncio.get_running_loop().create_connection(make, sock=sock)
        return connection

    async def _addresses(self, host: str, by: float) -> list[Address]:
        try:
            found = await self._resolver.resolve(host, within_s=_left_s(by))
        except ResolutionError as error:
            raise DialError(Fault.DNS, str(error)) from error
        refusals = {ip: self._guard.refusal(ip) for ip in found}
        allowed = [ip for ip, refusal in refusals.items() if refusal is None]
        if not allowed:
            raise DialError(Fault.BLOCKED, "; ".join(filter(None, refusals.values())))
        return allowed[:ADDRESSES_MAX]

    async def _secure(
        self, sock: socket.socket, destination: Destination, by: float, make: Callable[[], Connection]
    ) -> Connection:
        name = destination.tls_name
        try:
            layer = SecureLayer(self._tls, name, make())
        except ValueError as error:  # no certificate can bear such a name
            sock.close()
            raise DialError(Fault.TLS, str(error)) from error
        try:
            async with asyncio.timeout_at(by):
                await asyncio.get_running_loop().create_connection(lambda: layer, sock=sock)
                return await layer.shaken()
        except TimeoutError as error:
            raise DialError(Fault.TLS, "the TLS handshake took too long") from error
        except (OSError, ValueError) as error:  # SSLError is an OSError, a wrong name in it a ValueError
            self._tls.forget(name)
            raise DialError(Fault.TLS, str(error) or repr(error)) from error


async def _connect_any(addresses: list[Address], port: int, by: float) -> socket.socket:
    """Try each in turn; one that never answers must leave time for the rest."""
    problems: list[str] = []
    for tried, ip in enumerate(addresses):
        share_s = _left_s(by) / (len(addresses) - tried)
        try:
            async with asyncio.timeout(share_s):
                return await _connect(ip, port)
        except TimeoutError:
            problems.append(f"{ip} port {port}: no answer within {share_s:.3g} s")
        except OSError as error:
            if error.errno in _OURS:
                raise DialError(Fault.INTERNAL, repr(error)) from error
            problems.append(f"{ip} port {port}: {_reason(error)}")
    raise DialError(Fault.CONNECT, "; ".join(problems))


def _reason(error: OSError) -> str:
    """The system's own words: asyncio hides them behind the address, which is said already."""
    return os.strerror(error.errno) if error.errno else repr(error)


async def _connect(ip: Address, port: int) -> socket.socket:
    family = socket.AF_INET if isinstance(ip, IPv4Address) else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (str(ip), port))
    except BaseException:
        sock.close()
        raise
    return sock


def _left_s(by: float) -> float:
    return max(0.0, by - asyncio.get_running_loop().time())
