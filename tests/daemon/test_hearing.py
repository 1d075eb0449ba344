import asyncio

from structlog.testing import capture_logs

from daemon.hearing import RETRY_S, Hearing
from events.log import Head, Roll, Unavailable
from events.news import News, spell
from events.world import World
from tests.support.virtual_loop import virtual

PARTITIONS = 4


class Made:
    """A hearing, and all that it tells."""

    def __init__(self) -> None:
        self.world = World(PARTITIONS)
        self.world.known = dict.fromkeys(range(PARTITIONS), 5)
        self.positions = {0: 10, 1: 10}  # of the partitions owned here
        self.learned: list[set[int]] = []
        self.looked_at: list = []
        self.ears: list = []
        self.trouble = 0
        self.hearing = Hearing(self, self, self.world, self, "me")

    # as the log

    async def hear(self, heard) -> None:
        self.ears.append(heard)
        if self.trouble:
            self.trouble -= 1
            raise Unavailable("gone")
        await asyncio.Event().wait()

    # as the recorder

    async def learn(self, partitions) -> None:
        if self.trouble:
            self.trouble -= 1
            raise Unavailable("gone")
        self.learned.append(set(partitions))

    # as the follower

    def heard(self, partitions=None) -> None:
        if partitions is None or partitions:
            self.looked_at.append(None if partitions is None else set(partitions))


async def learning(made: Made) -> asyncio.Task[None]:
    task = asyncio.create_task(made.hearing.learn())
    await asyncio.sleep(0)
    return task


@virtual
async def test_news_of_others_is_looked_at_and_what_they_configured_is_learned() -> None:
    made = Made()
    await learning(made)
    made.hearing.heard(spell(News("another", frozenset({2}), frozenset({0}))))
    made.hearing.heard(spell(News("another", frozenset(), frozenset({1}))))
    made.hearing.heard(spell(News("another", None, None)))
    await asyncio.sleep(0.1)
    assert made.looked_at == [{0, 2}, {1}, None]
    assert set().union(*made.learned) == set(range(PARTITIONS))


@virtual
async def test_its_own_news_and_what_it_does_not_understand_is_no_news() -> None:
    made = Made()
    await learning(made)
    made.hearing.heard(spell(News("me", frozenset({2}), frozenset({0}))))
    made.hearing.heard("something else")
    await asyncio.sleep(0.1)
    assert (made.looked_at, made.learned) == ([], [])


@virtual
async def test_the_roll_tells_of_what_was_not_heard() -> None:
    made = Made()
    await learning(made)
    heads = (Head(0, 11, 5, "me"), Head(1, 10, 5, "me"), Head(2, 99, 6, "b"), Head(3, 99, 5, "b"))
    made.hearing.looked(Roll(("b", "me"), heads))
    await asyncio.sleep(0.1)
    assert (made.looked_at, made.learned) == ([{0}], [{2}])
    made.hearing.looked(Roll(("b", "me"), heads[1:2]))
    await asyncio.sleep(0.1)
    assert (made.looked_at, made.learned) == ([{0}], [{2}])


@virtual
async def test_what_could_not_be_learned_is_learned_later_with_what_came_since() -> None:
    made = Made()
    made.trouble = 1
    await learning(made)
    made.hearing.heard(spell(News("another", frozenset({1}))))
    await asyncio.sleep(0.1)
    made.hearing.heard(spell(News("another", frozenset({2}))))
    assert made.learned == []
    await asyncio.sleep(RETRY_S)
    assert made.learned == [{1, 2}]


@virtual
async def test_a_connection_that_ends_is_made_anew() -> None:
    made = Made()
    made.trouble = 2
    with capture_logs() as logs:
        task = asyncio.create_task(made.hearing.listen())
        await asyncio.sleep(RETRY_S * 2.5)
    assert len(made.ears) == 3
    assert [each["event"] for each in logs] == ["news_interrupted"] * 2
    task.cancel()
