"""Bodies (payloads, responses): how long they are kept, what names them, how one is removed before its time. Pure.

A body lies under the day on which its time is up, whatever the setting that led to it; that day over, all that lies
under it goes at once. A response goes with its message.
"""

from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from events.catalogue import ContentExpired, ContentExpunged, PayloadExpunged, ResponseExpunged

RETENTION_DAYS: Final = 90
RETENTION_DAYS_MAX: Final = 3650
_SPANS: Final = tuple(timedelta(days=n) for n in range(RETENTION_DAYS_MAX + 1))

Purge = ContentExpired | PayloadExpunged | ResponseExpunged | ContentExpunged
"""The events that tell of bodies removed. They change no state."""


def last_day(accepted_at: datetime, retention_days: int) -> date:
    """The last day (UTC) on which the bodies of a message are kept."""
    return accepted_at.date() + _SPANS[retention_days]


class Body(msgspec.Struct, frozen=True, gc=False):
    """What names a body: the day it lies under, and its message (a payload) or its event's position (a response)."""

    day: date
    partition: int
    message: str | None = None
    seq: int | None = None


class ExpungePayload(msgspec.Struct, frozen=True):
    """Ask for the removal of a payload."""

    message: str
    body: Body
    reason: str = ""


class ExpungeResponse(msgspec.Struct, frozen=True):
    """Ask for the removal of what an endpoint answered to an attempt to deliver `message`."""

    message: str
    body: Body
    reason: str = ""


class ExpungeContent(msgspec.Struct, frozen=True):
    """Ask for the removal of these bodies: all that messages of the application with id <= `until` still have."""

    application: str
    partition: int
    until: str
    bodies: tuple[Body, ...]
    reason: str = ""


class ExpireContent(msgspec.Struct, frozen=True):
    """Drop a day that is over, with all that lies under it. `counts`: partition → payloads, responses."""

    day: date
    counts: dict[int, tuple[int, int]]


PurgeCommand = ExpungePayload | ExpungeResponse | ExpungeContent | ExpireContent
