"""One target's queue: which deliveries are at hand, which are out, when there is more. Pure.

A lane holds states of deliveries, not bodies, and never more than `capacity` of them: what does not fit stays in
the table, and `more` says that it does. Everything taken in is *held* until its outcome is in the log, so a read of
the table can never bring in a delivery twice: neither one that is out, nor one whose row was read just before its
outcome was committed.
"""

from collections import deque
from collections.abc import Sequence
from datetime import datetime

from events.delivery import Delivery


class Lane:
    """The pending deliveries of one endpoint, as far as they are in memory."""

    __slots__ = ("_held", "_missed", "_pulled", "_reading", "_settled", "capacity", "more", "ready", "wake_at")

    def __init__(self, capacity: int, *, more: bool = False) -> None:
        self.capacity = capacity
        self.more = more  # the table may hold due deliveries that are not here
        self.wake_at: datetime | None = None  # when the soonest of the others is due, as far as known
        self.ready: deque[Delivery] = deque()  # to go, the next first
        self._held: dict[str, int] = {}  # message → version: ready, out, or on the way into the log
        self._pulled: set[str] = set()  # of those: neither ready nor out
        self._reading = False
        self._missed = False
        self._settled: set[str] = set()  # messages settled while a read was under way

    def __len__(self) -> int:
        """Deliveries ready to go."""
        return len(self.ready)

    @property
    def held(self) -> int:
        """Deliveries in memory: ready, out, or on the way into the log."""
        return len(self._held)

    def head(self) -> Delivery | None:
        """The next to go."""
        return self.ready[0] if self.ready else None

    def offer(self, delivery: Delivery) -> bool:
        """A delivery was born. Kept if there is room and nothing older waits in the table, else it needs a row."""
        held, message = self._held, delivery.message
        if message in held:
            return True  # its row was read before its birth was heard of
        if self._reading:
            self._missed = True  # the read may or may not see it: read once more
        elif self.more or len(held) >= self.capacity:
            self.more = True
        else:
            held[message] = delivery.version
            self.ready.append(delivery)
            return True
        return False

    def take(self) -> Delivery:
        """The next goes out. It stays held."""
        return self.ready.popleft()

    def peek(self, count: int) -> list[Delivery]:
        """The next `count`, left where they are."""
        return [self.ready[n] for n in range(min(count, len(self.ready)))]

    def settle(self, message: str, version: int, next_at: datetime | None) -> None:
        """A delivery reached `version`, and the log has it; `next_at` says when it is due again, if it is."""
        held = self._held.pop(message, None)
        if held is not None and held >= version:  # heard late: what is held has come after it
            self._held[message] = held
            return
        if self._pulled:
            self._pulled.discard(message)
        if self._reading:
            self._settled.add(message)
        if next_at is not None and (self.wake_at is None or next_at < self.wake_at):
            self.wake_at = next_at

    def ended(self, message: str, version: int) -> None:
        """A delivery ended, and not by an attempt. One that is out stays held until its attempt has ended too."""
        if message not in self._held or message in self._pulled or self._withdraw(message):
            self.settle(message, version, None)

    def look(self) -> None:
        """The table may hold due deliveries that nothing here tells of."""
        if self._reading:
            self._missed = True
        else:
            self.more = True

    def resent(self, message: str) -> None:
        """A delivery is to go now, whatever became of it. One that is held goes, or has gone, as it is."""
        if message not in self._held:
            self.look()

    def pull(self, message: str) -> None:
        """The delivery is not to go after all. It stays held until what became of it is in the log."""
        if self._withdraw(message):
            self._pulled.add(message)

    def _withdraw(self, message: str) -> bool:
        """Take it out of those that are ready; whether it was."""
        if self.ready and self.ready[0].message == message:
            self.ready.popleft()
            return True
        before = len(self.ready)
        self.ready = deque(each for each in self.ready if each.message != message)
        return len(self.ready) < before

    def wants(self, now: datetime) -> bool:
        """Whether it is time to read the table: something there is due, and half the lane is free."""
        if self._reading or len(self._held) * 2 > self.capacity:
            return False
        return self.more or (self.wake_at is not None and self.wake_at <= now)

    def reading(self) -> int:
        """A read of the table begins: answers how many rows to ask for."""
        self._reading = True
        self._missed = False
        self._settled.clear()
        self.wake_at = None
        return 2 * self.capacity

    def read(self, rows: Sequence[Delivery], asked: int, now: datetime) -> None:
        """The read is over: `rows` are the pending deliveries of the table, soonest first, at most `asked`."""
        self._reading = False
        self.more = self._missed
        for row in rows:
            if row.message in self._held or row.message in self._settled:
                continue
            assert row.next_at is not None
            if row.next_at > now:
                self.wake_by(row.next_at)
                break
            if len(self._held) >= self.capacity:
                self.more = True
                break
            self._held[row.message] = row.version
            self.ready.append(row)
        else:
            self.more = self.more or len(rows) >= asked
        self._settled.clear()

    def read_failed(self) -> None:
        """The table could not be read: try again."""
        self._reading = False
        self.more = True
        self._settled.clear()

    def rests(self) -> bool:
        """Nothing is ready, and the table is not known to hold more: something must happen first."""
        return not self.ready and not self.more and self.wake_at is None

    def idle(self) -> bool:
        """Nothing here and nothing known to come: the target may be forgotten."""
        return not self._held and self.rests() and not self._reading

    def wake_by(self, moment: datetime) -> None:
        """Something in the table is due then."""
        if self.wake_at is None or moment < self.wake_at:
            self.wake_at = moment
