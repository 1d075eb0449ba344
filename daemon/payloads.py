"""Payloads lately accepted or fetched, bounded in bytes: most deliveries never read theirs from the table."""

from collections import OrderedDict

from events.catalogue import ContentExpired, ContentExpunged, Event, PayloadExpunged


class Payloads:
    """Least recently used go first; the newest always stays, whatever its size."""

    def __init__(self, bytes_max: int) -> None:
        self.size_max = bytes_max
        self._bytes = 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self.forgotten = 0  # rises whenever something is gone: what was read from the table before may be it

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

    def heed(self, stream: str, event: Event) -> None:
        """Forget what this event says is gone, at once."""
        if isinstance(event, PayloadExpunged):
            self._forget([stream])
        elif isinstance(event, ContentExpunged):  # ids rise with time; what others lose by it they read again
            self._forget([message for message in self._kept if message <= event.until])
        elif isinstance(event, ContentExpired):  # which those are is not known here; once a day
            self.clear()

    def clear(self) -> None:
        """Forget everything: what became of it is no longer heard of."""
        self._forget(list(self._kept))

    def _forget(self, messages: list[str]) -> None:
        self.forgotten += 1
        for message in messages:
            self._bytes -= len(self._kept.pop(message, b""))
