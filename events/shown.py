"""An event as programs are shown it: its place, its envelope, and its body as it stands in the log. Pure."""

from datetime import datetime
from typing import Final

import msgspec

from events.catalogue import Event
from events.envelope import Recorded


class Shown(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """`endpoint` and `request` are left out where there is none."""

    partition: int
    seq: int
    at: datetime
    stream: str
    endpoint: str | msgspec.UnsetType = msgspec.UNSET
    version: int
    type: str
    actor: str
    request: str | msgspec.UnsetType = msgspec.UNSET
    body: Event


_encoder: Final = msgspec.json.Encoder()


def show(recorded: Recorded) -> bytes:
    """The event as one JSON object, on one line."""
    event = recorded.event
    return _encoder.encode(
        Shown(
            partition=recorded.partition,
            seq=recorded.seq,
            at=recorded.at,
            stream=recorded.stream,
            endpoint=recorded.endpoint or msgspec.UNSET,
            version=recorded.version,
            type=type(event).__name__,
            actor=recorded.actor,
            request=recorded.request or msgspec.UNSET,
            body=event,
        )
    )
