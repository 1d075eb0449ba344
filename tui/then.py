"""Questions, answered as of the moment at which a tape stands: from a file alone, or with the daemon's help.

The daemon tells the whole story of a delivery; what came after that moment is left out of it, and the state is folded
again from the rest. Nothing can be changed here: these sources are no Doers.
"""

import asyncio
from typing import Final

from tui import story
from tui.client import Refused
from tui.fields import moment, objects, text
from tui.frames import Happened, Targets, TargetStats
from tui.journey import Journey
from tui.source import Answer, Source
from tui.standing import CONFIGURING, changed
from tui.tape import FileFeed, Tape

DELIVERIES_MAX: Final = 50
"""Of one message, whose stories are asked for one by one."""
LATEST: Final = 50


class FileSource:
    """A Source that answers from a recording what the log alone can tell."""

    def __init__(self, feed: FileFeed) -> None:
        self._feed = feed

    async def delivery(self, message: str, endpoint: str) -> Answer:
        """See Source."""
        told = story.delivery(message, endpoint, await self._find(message))
        return told | {"url": _url(self._feed.journey, endpoint)}

    async def endpoint(self, endpoint: str) -> Answer:
        """See Source."""
        return endpoint_then(_journey(self._feed), endpoint, await self._find(endpoint))

    async def message(self, message: str) -> Answer:
        """See Source."""
        told = story.message(message, await self._find(message))
        for each in told["deliveries"]:
            each["url"] = _url(self._feed.journey, each["endpoint"])
        return told | {"payloadGone": "an export holds no payloads"}

    async def targets(self) -> list[Targets]:
        """See Source: what the events tell is all there is."""
        return []

    async def overview(self) -> Answer:
        """See Source."""
        return {}

    async def _find(self, identifier: str) -> list[Happened]:
        journey, recording = _journey(self._feed), self._feed.recording
        assert recording is not None
        found = await asyncio.to_thread(recording.mentioning, identifier)
        if not found:
            raise Refused(f"the recording does not tell of {identifier}", 404)
        if not (then := [each for each in found if each.at <= journey.at]):
            raise Refused(f"there was no {identifier} yet", 404)
        return then


class PastSource:
    """A Source that answers as of the moment of a tape over the daemon's log."""

    def __init__(self, source: Source, tape: Tape) -> None:
        self._source = source
        self._tape = tape

    async def delivery(self, message: str, endpoint: str) -> Answer:
        """See Source."""
        journey = _journey(self._tape)
        answer = await self._source.delivery(message, endpoint)
        events = [each for each in story.happened_of(answer) if each.at <= journey.at]
        if not events:
            raise Refused(f"there was no {message} yet", 404)
        attempts = [each for each in objects(answer, "attempts") if (at := moment(each, "at")) and at <= journey.at]
        kept = {name: value for name, value in answer.items() if name not in {"nextAt", "reason"}}
        now = story.standing(message, endpoint, events)
        return kept | now | {"attempts": attempts, "trail": story.trail(events)}

    async def endpoint(self, endpoint: str) -> Answer:
        """See Source."""
        journey = _journey(self._tape)
        return endpoint_then(journey, endpoint, list(journey.behind))

    async def message(self, message: str) -> Answer:
        """See Source."""
        journey = _journey(self._tape)
        answer = await self._source.message(message)
        accepted = moment(answer, "acceptedAt")
        if accepted is not None and accepted > journey.at:
            raise Refused(f"there was no {message} yet", 404)
        rows = objects(answer, "deliveries")
        told = await asyncio.gather(
            *(self.delivery(message, text(each, "endpoint")) for each in rows[:DELIVERIES_MAX])
        )
        names = ("endpoint", "url", "state", "nextAt", "reason")
        deliveries = [
            {name: each.get(name) for name in names} | {"attempts": len(objects(each, "attempts"))} for each in told
        ]
        return answer | {"deliveries": deliveries}

    async def targets(self) -> list[Targets]:
        """See Source: the journey knows them."""
        return []

    async def overview(self) -> Answer:
        """See Source."""
        return {}


def endpoint_then(journey: Journey, endpoint: str, events: list[Happened]) -> Answer:
    """An endpoint at the place of a journey; `events` are the last ones up to there that may be about it."""
    stats = next((each for each in journey.standing.targets if each.endpoint == endpoint), None)
    config = journey.standing.settings.get(endpoint, {})
    for event in journey.behind:
        if event.stream == endpoint and event.type in CONFIGURING:
            stats = changed(stats or TargetStats(endpoint), event)
            config = event.body["config"] if isinstance(event.body.get("config"), dict) else config
    own = [each for each in events if endpoint in {each.stream, each.endpoint}]
    if stats is None and not own:
        raise Refused(f"there was no {endpoint} then", 404)
    stats = stats or TargetStats(endpoint)
    attempts = [each for each in reversed(own) if each.type in story.ATTEMPTS][:LATEST]
    return {
        "endpoint": endpoint,
        "url": stats.url,
        "application": stats.application,
        "description": stats.description,
        "uid": stats.uid,
        "breaker": stats.breaker,
        "breakerUntil": _iso(stats.breaker_until),
        "breakerReason": stats.breaker_reason,
        "disabled": stats.disabled,
        "failingSince": _iso(stats.failing_since),
        "createdAt": _iso(stats.created_at),
        "configuration": config,
        "attempts": [story.attempt(each) | {"message": each.stream} for each in attempts],
    }


def _journey(tape: Tape) -> Journey:
    if tape.journey is None:
        raise Refused("the log is still being read", 404)
    return tape.journey


def _url(journey: Journey | None, endpoint: str) -> str:
    if journey is None:
        return ""
    stats = next((each for each in journey.standing.targets if each.endpoint == endpoint), None)
    for event in journey.behind:
        if event.stream == endpoint and event.type in CONFIGURING:
            stats = changed(stats or TargetStats(endpoint), event)
    return stats.url if stats else ""


def _iso(at: object) -> str | None:
    return str(at).replace(" ", "T") if at is not None else None
