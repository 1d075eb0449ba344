"""An event of the stream in a few words. The catalogue's own words are used where its body can be read. Pure."""

import json

import msgspec

from events import codec
from events.codec import UnreadableEvent
from events.wording import describe
from tui.frames import Happened
from tui.lines import clean


def summary(happened: Happened) -> str:
    """What happened; for a type of another release, its body."""
    try:
        event = codec.decode(happened.type, codec.VERSIONS.get(happened.type, 1), msgspec.json.encode(happened.body))
        return describe(event)
    except (UnreadableEvent, AssertionError, TypeError, ValueError):
        return clean(json.dumps(happened.body, default=str), 400)
