"""Payloads lately accepted or fetched, bounded in bytes: most deliveries never read theirs from the table."""

from collections import OrderedDict


class Payloads:
    """Least recently used go first; the newest always stays, whatever its size."""

    def __init__(self, bytes_max: int) -> None:
        self.size_max = bytes_max
        self._bytes = 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes of payload in memory."""
        return self._bytes

    def get(self, message: str) -> bytes | None:
        """The payload, if it is here."""
        payload = self._kept.get(message)
        if payload is not None:
            self._kept.move_to_end(message)
        return payload

    def put(self, message: str, payload: bytes) -> None:
        """Keep it for a while."""
        if message in self._kept:
            return
        self._kept[message] = payload
        self._bytes += len(payload)
        while self._bytes > self.size_max and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= len(gone)
