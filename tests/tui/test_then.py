"""Questions as of a moment."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tests.tui.reels import MemoryLog
from tests.tui.test_recording import lines, story
from tests.tui.world import World
from tui import story as stories
from tui.client import Refused
from tui.frames import Happened
from tui.source import Doer
from tui.tape import FileFeed, LogTape
from tui.then import FileSource, PastSource


async def opened(feed) -> None:
    async for _ in feed.opened():
        pass


async def test_a_file_answers_up_to_its_moment(tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    told = story(World(), 2)
    path.write_bytes(b"".join(lines(told)))
    feed = FileFeed(path)
    source = FileSource(feed)
    with pytest.raises(Refused, match="still being read"):
        await source.message("msg_1")
    await opened(feed)
    one = next(each for each in told if each["type"] == "AttemptSucceeded")
    with pytest.raises(Refused, match="yet"):
        await source.delivery(one["stream"], one["endpoint"])
    await feed.journey.end()
    delivery = await source.delivery(one["stream"], one["endpoint"])
    assert (delivery["state"], len(delivery["attempts"])) == ("delivered", 1)
    assert delivery["url"].startswith("https://")
    assert (await source.message(one["stream"]))["deliveries"][0]["state"] == "delivered"
    endpoint = await source.endpoint(one["endpoint"])
    assert endpoint["attempts"]
    assert endpoint["configuration"]["url"] == endpoint["url"]
    assert await source.targets() == []
    assert await source.overview() == {}
    with pytest.raises(Refused, match="does not tell"):
        await source.message("msg_never")
    feed.close()


class Daemon(MemoryLog):
    """Answers with the whole story, as the daemon does."""

    def _of(self, stream: str) -> list[Happened]:
        return [each for each in self.events if each.stream == stream]

    async def delivery(self, message: str, endpoint: str) -> dict:
        told = stories.delivery(message, endpoint, self._of(message))
        own = [each for each in self._of(message) if each.endpoint in {endpoint, None}]
        return told | {"payload": "{}", "trail": msgspec.to_builtins(own)}

    async def message(self, message: str) -> dict:
        return stories.message(message, self._of(message)) | {"payload": {}}


async def test_the_daemon_is_asked_and_what_came_later_left_out() -> None:
    log = Daemon([msgspec.convert(each, Happened) for each in story(World(), 2)])
    attempt = next(each for each in log.events if each.type == "AttemptSucceeded")
    tape = LogTape(log, attempt.at, ticks=lambda: 0.0)
    source = PastSource(log, tape)
    assert not isinstance(source, Doer)
    await opened(tape)
    assert (await source.delivery(attempt.stream, attempt.endpoint))["state"] == "delivered"
    assert (await source.endpoint(attempt.endpoint))["attempts"]
    await tape.journey.step(-1)
    before = await source.delivery(attempt.stream, attempt.endpoint)
    assert (before["state"], before["attempts"], before["payload"]) == ("pending", [], "{}")
    [row] = (await source.message(attempt.stream))["deliveries"]
    assert (row["state"], row["attempts"]) == ("pending", 0)
    await tape.journey.seek(attempt.at - timedelta(seconds=5))
    for asked in (source.message(attempt.stream), source.delivery(attempt.stream, attempt.endpoint)):
        with pytest.raises(Refused, match="yet"):
            await asked
    with pytest.raises(Refused, match="then"):
        await source.endpoint("ep_never")
    assert await source.targets() == []
    assert await source.overview() == {}
