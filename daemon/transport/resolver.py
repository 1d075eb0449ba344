"""Names into addresses: with a cache, one lookup per name at a time, and threads of its own.

The loop's default executor is shared with everything and has few threads: one dead name server would stall
deliveries to every other name, and what else runs there.
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import msgspec

from daemon.transport.guard import Address

Lookup = Callable[[str], list[str]]
"""A name into address texts. Blocks; raises OSError or UnicodeError when there is no answer."""


class ResolutionError(Exception):
    """The name gave no address; the text says why."""


class _Resolution(msgspec.Struct, frozen=True):
    """What one lookup ended with, failures included: they are kept too, only shorter."""

    addresses: tuple[Address, ...] = ()
    error: str = ""


def system_lookup(name: str) -> list[str]:
    """Ask the operating system, which also orders the addresses (RFC 6724)."""
    answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in answers]


class Resolver:
    """Resolves names for one event loop."""

    def __init__(
        self,
        *,
        lookup: Lookup = system_lookup,
        ttl_s: float = 30.0,
        failure_ttl_s: float = 1.0,
        timeout_s: float = 5.0,
        names_max: int = 10_000,
        threads: int = 8,
    ) -> None:
        self._lookup = lookup
        self._ttl_s = ttl_s
        self._failure_ttl_s = failure_ttl_s
        self._timeout_s = timeout_s
        self._names_max = names_max
        self._kept: OrderedDict[str, tuple[float, _Resolution]] = OrderedDict()
        self._running: dict[str, asyncio.Future[_Resolution]] = {}
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolver")

    async def resolve(self, host: str, within_s: float | None = None) -> tuple[Address, ...]:
        """Return the addresses of `host` in the order to try, at least one.

        Raises ResolutionError when there is none, or none came in time. Whoever gives up leaves the lookup
        running for the next one to ask: a thread in getaddrinfo cannot be stopped.
        """
        literal = _literal(host)
        if literal is not None:
            return (literal,)
        resolution = self._fresh(host) or await self._join(host, within_s)
        if not resolution.addresses:
            raise ResolutionError(f"{host}: {resolution.error}")
        return resolution.addresses

    def close(self) -> None:
        """Let the threads go. Does not wait for a lookup that hangs."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _fresh(self, host: str) -> _Resolution | None:
        until, resolution = self._kept.get(host, (0.0, _Resolution()))
        return resolution if until > asyncio.get_running_loop().time() else None

    async def _join(self, host: str, within_s: float | None) -> _Resolution:
        limit_s = self._timeout_s if within_s is None else min(within_s, self._timeout_s)
        running = self._running.get(host) or self._begin(host)
        await asyncio.wait([running], timeout=limit_s)
        if not running.done():
            raise ResolutionError(f"{host}: no answer within {limit_s:.3g} s")
        if running.cancelled():
            raise ResolutionError(f"{host}: the resolver is closed")
        return running.result()

    def _begin(self, host: str) -> asyncio.Future[_Resolution]:
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._threads, _resolution, self._lookup, host)
        self._running[host] = running
        running.add_done_callback(lambda done: self._keep(host, done, loop.time()))
        return running

    def _keep(self, host: str, done: asyncio.Future[_Resolution], now: float) -> None:
        self._running.pop(host, None)
        if done.cancelled() or done.exception() is not None:
            return
        resolution = done.result()
        ttl_s = self._ttl_s if resolution.addresses else self._failure_ttl_s
        self._kept[host] = (now + ttl_s, resolution)
        self._kept.move_to_end(host)
        if len(self._kept) > self._names_max:
            self._kept.popitem(last=False)


def _resolution(lookup: Lookup, host: str) -> _Resolution:
    """Run in a thread: turn every answer, and every failure the world can cause, into a value."""
    try:
        found = dict.fromkeys(ip_address(text) for text in lookup(host))
    except (OSError, UnicodeError, ValueError) as error:
        return _Resolution(error=getattr(error, "strerror", None) or repr(error))
    return _Resolution(addresses=tuple(found), error="" if found else "no addresses")


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
