"""Follows the recorder and the log, and tells those who watch.

Two loops. The *tick*, ten times a second, passes on what was committed, and once a second the stats. The *watch*,
once a second, asks the database how far the log is, and reads what the recorder did not tell: what another process
appended, or what was committed while the database's word of it was lost.

Both rest while nobody watches. While somebody asks another process, this one counts too, and tells that one.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from daemon.live import frames
from daemon.live.group import TICKS, Group, Wanted, chunk, encode
from daemon.live.neighbours import Neighbours
from daemon.live.owners import Owners
from daemon.live.reporter import Reporter
from daemon.live.subscriber import Subscriber
from daemon.live.tail import Tail
from daemon.recorder import Committed, Recorder
from events.envelope import Recorded
from events.log import Unavailable
from events.log_views import LogViews
from events.positions import Positions, spell
from events.when import SEQ_MAX
from events.world import World

TICK_S: Final = 1 / TICKS
STATS_S: Final = 1.0
LEARN_S: Final = 0.5
WATCH_S: Final = 1.0
LOOK_S: Final = 0.2
"""The same where several processes append, most of which this one does not hear of."""
PAGE: Final = 500
MISSED_MAX: Final = 5000
"""So many events are read from the log for one who was away; older ones are skipped."""
FRESH_MAX: Final = 50_000
WATCHERS_MAX: Final = 64
TENANTS_MAX: Final = 16
"""Who watches is sent what they want, and to look for that among all that happens takes time: so few at once."""


class Closed(Exception):
    """Nobody more is taken on: the daemon is on its way out, or too many watch already. The text says which."""


class Hub:
    """Everybody who watches this process."""

    def __init__(
        self, recorder: Recorder, world: World, views: LogViews, reporter: Reporter, neighbours: Neighbours
    ) -> None:
        self._recorder = recorder
        self._views = views
        self._loop = asyncio.get_running_loop()
        self._owners = Owners(world, views)
        self._subscribers: set[Subscriber] = set()
        self._groups: dict[Wanted, Group] = {}
        self._fresh: list[Sequence[Recorded]] = []  # committed since the last tick
        self._fresh_events = 0
        self._read: list[Sequence[Recorded]] = []  # from the log, since the last tick
        self._tail: Tail | None = None
        self._before = ""  # where everybody was before this tick
        self._attached = asyncio.Event()
        self._behind = asyncio.Event()
        self._stats_at = 0.0
        self._stats_next = 0.0
        self._last_heads: Positions = ()
        self._neighbours = neighbours
        self.reporter = reporter
        self.closed = False

    def __len__(self) -> int:
        """How many watch."""
        return len(self._subscribers)

    # --- coming and going

    async def join(self, subscriber: Subscriber) -> Positions:
        """Take somebody on; answers where the log is. Closed; Unavailable when the database does not tell."""
        if self.closed:
            raise Closed("hookd is stopping")
        others = [each for each in self._subscribers if not subscriber.wanted.org or each.wanted.org]
        if len(others) >= (TENANTS_MAX if subscriber.wanted.org else WATCHERS_MAX):
            raise Closed(f"{len(others)} watch already")
        self._subscribers.add(subscriber)
        self._attach()
        try:
            if self._tail is None:
                heads = await self._views.heads()
                self.reporter.looked(heads)
                if self._tail is None:
                    self._tail = Tail(tuple(head.seq for head in heads))
        except BaseException:
            self.leave(subscriber)
            raise
        return self._tail.positions

    async def reaches(self, positions: Positions) -> bool:
        """Whether the log is that far: after it was restored from a backup it may not be. Unavailable."""
        heads = await self._views.heads()
        return all(mine <= head.seq for mine, head in zip(positions, heads, strict=True))

    def begin(self, subscriber: Subscriber) -> None:
        """From now on it gets what everybody gets."""
        group = self._groups.get(subscriber.wanted)
        if group is None:
            self._groups[subscriber.wanted] = Group(subscriber.wanted)
        subscriber.live = True

    def leave(self, subscriber: Subscriber) -> None:
        """Somebody is gone."""
        self._subscribers.discard(subscriber)
        wanted = {each.wanted for each in self._subscribers}
        self._groups = {each: group for each, group in self._groups.items() if each in wanted}
        self._detach()

    def close(self) -> None:
        """End every stream; nobody new is taken on."""
        self.closed = True
        for subscriber in self._subscribers:
            subscriber.end()

    def look(self) -> None:
        """Have things counted for a while although nobody watches: somebody asks for the stats."""
        self.reporter.asked(self._loop.time())
        self._attach()

    # --- the other processes

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""
        return self._neighbours.alone

    def asks(self) -> bool:
        """Whether the others are to tell this one how they are doing."""
        return bool(self._subscribers) or self.reporter.asked_here(self._loop.time())

    def asked_elsewhere(self) -> None:
        """Have things counted for another process."""
        self.reporter.asked_elsewhere(self._loop.time())
        self._attach()

    def figures(self) -> bytes | None:
        """What is told to whoever asks another process; None: nobody does."""
        return self.reporter.figures() if self._attached.is_set() else None

    async def hear(self) -> None:
        """Take what the others tell."""
        told, known = await self._neighbours.told(), self._neighbours
        self.reporter.hear(known.names, known.owners, told)

    def _attach(self) -> None:
        if not self._attached.is_set():
            self._attached.set()
            self._stats_at = self._loop.time()
            self._stats_next = self._stats_at + STATS_S
            self.reporter.begin()
            self._recorder.followers.append(self._follow)

    def _detach(self) -> None:
        if self._subscribers:
            return
        self._tail = None
        if self._attached.is_set() and not self.reporter.wanted(self._loop.time()):
            self._attached.clear()
            self._recorder.followers.remove(self._follow)
            self._fresh, self._read, self._fresh_events = [], [], 0
            self._last_heads = ()

    # --- what a reader missed

    async def resume(self, subscriber: Subscriber, since: Positions) -> None:
        """Send what came after `since` from the log, then let it take part in what everybody gets. Unavailable."""
        if (missed := self._missed(since)) > MISSED_MAX:
            since = self._newest(since)
            subscriber.tell(frames.skipped(missed - MISSED_MAX, spell(since)), 0, "", self._loop.time())
        left = 2 * MISSED_MAX
        while not subscriber.ended.is_set():
            if all(mine >= told for mine, told in zip(since, self._positions(), strict=True)):
                subscriber.ahead = since
                return self.begin(subscriber)
            if left <= 0:  # it takes more slowly than things happen
                missed, since = self._missed(since), tuple(map(max, since, self._positions()))
                subscriber.tell(frames.skipped(missed, spell(since)), 0, "", self._loop.time())
                continue
            page = await self._views.after(since, (SEQ_MAX,) * len(since), PAGE)
            left -= len(page) or 1
            since = _beyond(since, page)
            await self._send(subscriber, page, since)
            await subscriber.ready()
        return None

    def _missed(self, since: Positions) -> int:
        return sum(max(told - mine, 0) for mine, told in zip(since, self._positions(), strict=True))

    def _newest(self, since: Positions) -> Positions:
        """Leave out so much, of each partition its share, that MISSED_MAX are left."""
        positions = self._positions()
        missed = [max(told - mine, 0) for mine, told in zip(since, positions, strict=True)]
        shares = [each * MISSED_MAX // sum(missed) for each in missed]
        shares[missed.index(max(missed))] += MISSED_MAX - sum(shares)
        return tuple(
            told - share if each else mine
            for mine, told, share, each in zip(since, positions, shares, missed, strict=True)
        )

    async def _send(self, subscriber: Subscriber, page: Sequence[Recorded], position: Positions) -> None:
        if subscriber.wanted.owned:
            await self._owners.learn(page)
        matching = subscriber.wanted.of(page, self._owners.owner_of)
        while matching:
            shown = encode(matching, len(matching))
            place = spell(position) if len(shown) == len(matching) else ""
            subscriber.tell(frames.events(shown, place), len(shown), "", self._loop.time())
            matching = matching[len(shown) :]

    def _positions(self) -> Positions:
        assert self._tail is not None, "somebody has joined"
        return self._tail.positions

    # --- the tick

    def _follow(self, committed: Committed) -> None:
        self._fresh.append(committed.events)
        self._fresh_events += len(committed.events)
        if self._fresh_events > FRESH_MAX:  # nobody takes them: they will be missed, and read or skipped later
            self._fresh, self._fresh_events = [], 0

    async def run(self) -> None:
        """Tick, for ever."""
        while True:
            await self._attached.wait()
            await asyncio.sleep(TICK_S)
            await self.tick()

    async def tick(self) -> None:
        """Pass on what is new."""
        if self._tail is None and self._subscribers:
            return  # somebody is just joining
        events = self._take()
        if events and any(group.wanted.owned for group in self._groups.values()) and not self._owners.knows(events):
            await self._learn(events)
        now_s = self._loop.time()
        if self._tail is not None:
            self._tell(events, now_s)
        if now_s >= self._stats_next:
            if self.asks():
                await self.hear()
            self._report(self._loop.time())
        self._detach()

    async def _learn(self, events: Sequence[Recorded]) -> None:
        """Nobody is shown what is not known to be theirs; and nobody waits long for it."""
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(LEARN_S):
                await self._owners.learn(events)

    def _take(self) -> Sequence[Recorded]:
        batches, self._fresh, self._fresh_events = self._fresh, [], 0
        read, self._read = self._read, []
        for batch in batches:
            self.reporter.tally.count(batch)
        if self._tail is None:
            return ()
        self._before = spell(self._tail.positions)
        taken = [self._tail.take(batch) for batch in (*read, *batches)]
        if self._tail.behind:
            self._behind.set()
        return taken[0] if len(taken) == 1 else [each for batch in taken for each in batch]

    def _tell(self, events: Sequence[Recorded], now_s: float) -> None:
        positions = self._positions()
        position = spell(positions)
        chunks: dict[Wanted, tuple[bytes, int]] = {}
        for wanted, group in self._groups.items():
            matching = wanted.of(events, self._owners.owner_of)
            chunks[wanted] = group.chunk(matching, position), len(matching)
        for subscriber in list(self._subscribers):
            if subscriber.live:
                if subscriber.ahead is None:
                    data, count = chunks[subscriber.wanted]
                else:
                    data, count = self._alone(subscriber, events, positions)
                subscriber.tell(data, count, self._before, now_s)
            subscriber.look(position, now_s)

    def _alone(self, subscriber: Subscriber, events: Sequence[Recorded], positions: Positions) -> tuple[bytes, int]:
        """For one who has read in the log some of what everybody is told only now."""
        ahead = subscriber.ahead
        assert ahead is not None
        mine = [each for each in events if each.seq > ahead[each.partition]]
        matching = subscriber.wanted.of(mine, self._owners.owner_of)
        shown = encode(matching, self._groups[subscriber.wanted].allowed)
        if all(told >= known for told, known in zip(positions, ahead, strict=True)):
            subscriber.ahead = None
        return chunk(shown, len(matching), spell(map(max, positions, ahead))), len(matching)

    def _report(self, now_s: float) -> None:
        self.reporter.finish(now_s - self._stats_at)
        self._stats_at = now_s
        self._stats_next = now_s + self._neighbours.pause_s()
        told: dict[int, bytes] = {}
        position = "" if self._tail is None else spell(self._tail.positions)
        for subscriber in self._subscribers:
            top = subscriber.top
            if top is None or not subscriber.live or subscriber.ahead is not None:
                continue
            if top not in told:
                told[top] = frames.frame("stats", self.reporter.told(top), position)
            subscriber.tell(told[top], 0, position, now_s)

    # --- the watch

    async def watch(self) -> None:
        """Look how far the log is, for ever."""
        while True:
            await self._attached.wait()
            self._behind.clear()
            if self.asks():
                with suppress(Unavailable):  # /readyz says so
                    await self.look_up()
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCH_S if self._neighbours.alone else LOOK_S):
                    await self._behind.wait()

    async def look_up(self) -> None:
        """Read what was missed. What is on its way from the recorder is given a second. Unavailable."""
        heads = await self._views.heads()
        self.reporter.looked(heads)
        tail = self._tail
        if tail is None:
            return
        found = tuple(head.seq for head in heads)
        owned, last = self._recorder.epochs, self._last_heads or tail.positions
        waited = tuple(last[n] if n in owned else found[n] for n in range(len(found)))
        lagging = (tail.lags(waited) | tail.behind) & tail.lags(found)
        tail.behind.clear()
        self._last_heads = found
        if not lagging:
            return
        share = int(MISSED_MAX * (1.0 if self._neighbours.alone else LOOK_S)) // len(lagging)
        missed = sum(tail.skip(partition, found[partition] - share) for partition in lagging)
        if missed:
            self._skip(missed, spell(tail.positions))
        low = tail.positions
        high = tuple(head if number in lagging else low[number] for number, head in enumerate(found))
        while page := await self._views.after(low, high, PAGE):
            self._read.append(page)
            low = _beyond(low, page)

    def _skip(self, count: int, position: str) -> None:
        for subscriber in self._subscribers:
            if subscriber.live:
                subscriber.tell(frames.skipped(count, position), count, position, self._loop.time())


def _beyond(positions: Positions, events: Sequence[Recorded]) -> Positions:
    """Where the log is after these."""
    seqs = list(positions)
    for each in events:
        seqs[each.partition] = each.seq
    return tuple(seqs)
