import asyncio
import json

from daemon.live.neighbours import READ_S, Neighbours, parse
from events.log import Roll, Unavailable
from tests.support.virtual_loop import VirtualClock, virtual


class Log:
    """Reports, as they lie in the table."""

    def __init__(self) -> None:
        self.reports: dict[str, str] = {}
        self.asked = 0
        self.takes_s = 0.0
        self.away = False

    async def told(self) -> dict[str, str]:
        self.asked += 1
        await asyncio.sleep(self.takes_s)
        if self.away:
            raise Unavailable("away")
        return self.reports


def neighbours(log: Log, *names: str) -> Neighbours:
    made = Neighbours(log, "me", VirtualClock())
    made.looked(Roll(names or ("me",), ()))
    made.numbers = lambda: b"[1]"
    return made


@virtual
async def test_alone_nothing_is_told_and_nothing_is_read() -> None:
    made = neighbours(log := Log())
    assert made.alone
    assert made.report() is None
    assert await made.told() == {}
    assert (log.asked, made.pause_s()) == (0, 1.0)


@virtual
async def test_what_is_told_is_what_there_is_to_tell() -> None:
    made = neighbours(Log(), "me", "you")
    assert json.loads(made.report() or "") == {"numbers": [1]}
    made.figures = lambda: b'{"queue":1}'
    assert json.loads(made.report() or "") == {"numbers": [1], "figures": {"queue": 1}}
    made.numbers = made.figures = lambda: None
    assert made.report() is None


@virtual
async def test_others_are_heard_and_what_cannot_be_read_is_empty() -> None:
    made = neighbours(log := Log(), "me", "old", "you")
    log.reports = {"me": "{}", "you": '{"figures":{"queue":1},"later":2}', "old": "[]"}
    told = await made.told()
    assert told.keys() == {"you", "old"}
    assert bytes(told["you"].figures) == b'{"queue":1}'
    assert bytes(told["old"].figures) == bytes(told["you"].numbers) == b"null"
    assert parse("{") == parse("{}")


@virtual
async def test_nobody_waits_for_a_database_that_does_not_answer() -> None:
    made = neighbours(log := Log(), "me", "you")
    log.reports, log.away = {"you": "{}"}, True
    assert await made.told() == {}
    log.away, log.takes_s = False, 60.0
    began = asyncio.get_running_loop().time()
    assert await made.told() == {}
    assert asyncio.get_running_loop().time() - began == READ_S


@virtual
async def test_intervals_end_in_the_middle_of_the_second() -> None:
    made = neighbours(Log(), "me", "you")
    clock = VirtualClock()
    for _ in range(20):
        pause_s = made.pause_s()
        assert 0.5 < pause_s <= 1.5
        assert abs((clock.now().timestamp() + pause_s) % 1.0 - 0.5) < 1e-3
        await asyncio.sleep(0.07)
