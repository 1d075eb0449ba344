"""The kept connections that wait for their next request, within bounds."""

from daemon.transport.connection import Connection
from daemon.transport.destination import Origin


class IdlePool:
    """Hands out the connection used last, which is the least likely to be stale; gives up the oldest."""

    def __init__(self, per_origin_max: int, total_max: int) -> None:
        self._per_origin_max = per_origin_max
        self._total_max = total_max
        self._by_origin: dict[Origin, dict[Connection, None]] = {}  # oldest first, as in `_all`
        self._all: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._all)

    def take(self, origin: Origin) -> Connection | None:
        """Take a connection out, None if there is none."""
        waiting = self._by_origin.get(origin)
        if not waiting:
            return None
        connection, _ = waiting.popitem()
        del self._all[connection]
        return connection

    def put(self, connection: Connection) -> Connection | None:
        """Keep a connection; return the one that has to go for it, if any."""
        waiting = self._by_origin.setdefault(connection.origin, {})
        waiting[connection] = None
        self._all[connection] = None
        if len(waiting) > self._per_origin_max:
            return self._out(next(iter(waiting)))
        if len(self._all) > self._total_max:
            return self._out(next(iter(self._all)))
        return None

    def discard(self, connection: Connection) -> None:
        """Forget a connection that is gone, idle or not."""
        self._all.pop(connection, None)
        waiting = self._by_origin.get(connection.origin)
        if waiting is not None:
            waiting.pop(connection, None)
            if not waiting:  # only here: a busy origin would make and drop its entry with every request
                del self._by_origin[connection.origin]

    def drain(self) -> list[Connection]:
        """Take all out."""
        drained = list(self._all)
        self._all.clear()
        self._by_origin.clear()
        return drained

    def _out(self, connection: Connection) -> Connection:
        self.discard(connection)
        return connection
