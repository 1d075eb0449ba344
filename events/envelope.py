"""The envelope of an event: where it stands in the log, when and through whom it came there."""

import zlib
from datetime import datetime

import msgspec

from events.catalogue import Event, MessageAccepted


class Fact(msgspec.Struct, frozen=True, gc=False):
    """An event that is decided but not yet in the log.

    `stream` is the id of the entity whose history it belongs to: an application, an endpoint, a message. A
    delivery is the pair of its message (`stream`) and its `endpoint`. An event that changes no state has version 0:
    it tells of something else that happened to the stream's owner, and no version is missing beside it.
    """

    partition: int
    stream: str
    version: int  # of the stream, after this event; 1 is its first, 0: it changes no state
    event: Event
    endpoint: str | None = None


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event in the log. (partition, seq) is its position: gap-free, in commit order. Version 0: see Fact."""

    partition: int
    seq: int
    at: datetime
    stream: str
    endpoint: str | None
    version: int
    actor: str  # who caused it: admin:<id>, org:<id>, hookd
    request: str | None  # the request id that led to it
    event: Event


def is_config(event: Fact | Recorded) -> bool:
    """Whether decisions may rest on it: all but messages and what becomes of their deliveries."""
    return event.endpoint is None and type(event.event) is not MessageAccepted


def partition_of(owner: str, partitions: int) -> int:
    """The partition of everything that belongs to `owner` (an application, or an organization).

    CRC-32 (ISO 3309): the same in every language and release, which Python's own hash is not.
    """
    return zlib.crc32(owner.encode()) % partitions
