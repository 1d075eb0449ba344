"""The transparency log for everybody who wants to check it: checkpoints, tiles, entries (C2SP tlog-tiles).

Checkpoints and tiles are hashes and need no proof of who asks. Entries are the events themselves, those of every
organization, so they are for the operator and for whom the operator lets in.
"""

import re
import struct
from http import HTTPStatus
from typing import Any, Final

from pydantic import AwareDatetime, BaseModel

from daemon.api.context import DESK
from daemon.api.dialect import ProblemDialect
from daemon.api.errors import ApiError, from_status
from daemon.api.layer import Surface
from daemon.api.operation import Auth, Call
from daemon.api.refusals import unavailable
from daemon.api.reply import Reply
from events import tlog
from events.checkpoint import VerifierKey
from events.tile import WIDTH, BadTile, Tile, exists, parse

TAG = "Log"
OCTETS: Final = "application/octet-stream"
NOTE: Final = "text/plain; charset=utf-8"
PARTITION_MAX: Final = 2**15 - 1
NUMBER_MAX: Final = 2**55 - 1  # so that all positions below it are a bigint
ENTRY_BYTES_MAX: Final = 2**16 - 1
FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
FOR_EVER_PRIVATE: Final = {"Cache-Control": "private, max-age=31536000, immutable"}
NOT_KEPT: Final = {"Cache-Control": "no-store"}
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,4}", re.ASCII)
_LENGTH: Final = struct.Struct(">H")


class TreeOut(BaseModel):
    """The tree of one partition: its files lie under /log/<origin>; `size` events were sealed at `sealed_at`."""

    partition: int
    origin: str
    vkey: str
    size: int
    sealed_at: AwareDatetime | None


class LogOut(BaseModel):
    """The log: one key, and a tree for each partition."""

    log_id: str
    partitions: int
    trees: list[TreeOut]


def surface(key: VerifierKey, auditor: Auth[Any]) -> Surface:
    """Declare the routes; `auditor` is the proof that entries ask for."""
    made = Surface("/log", ProblemDialect(), title="hookd's log", version="1", refused=unavailable)
    tree = f"/hookd/{key.log_id}/{{partition}}"

    @made.op("GET", "", out=LogOut, errors=(503,), tag=TAG)
    async def log(call: Call[None]) -> Reply:
        """The trees of this log, and the key they are signed with."""
        async with call.state(DESK).views.reading() as connection:
            found = await tlog.trees(connection)
        return Reply(body=_told(key, found), headers=NOT_KEPT)

    @made.op("GET", tree + "/checkpoint", media=NOTE, errors=(404, 503), tag=TAG)
    async def checkpoint(call: Call[None], partition: str) -> Reply:
        """What was signed last: a signed note (C2SP tlog-checkpoint)."""
        async with call.state(DESK).views.reading() as connection:
            found = await tlog.latest(connection, _number(partition))
        if found is None:
            raise from_status(HTTPStatus.NOT_FOUND)
        return Reply(body=found.note.encode(), headers=NOT_KEPT)

    @made.op("GET", tree + "/tile/entries/{path*}", media=OCTETS, errors=(404, 422, 503), auth=auditor, tag=TAG)
    async def entries(call: Call[Any], partition: str, path: str) -> Reply:
        """A bundle of up to 256 entries, each after its length as a 16-bit number.

        422 when one of them is longer than that can say: then read the events from the database.
        """
        wanted, number = _tile(f"tile/0/{path}"), _number(partition)
        async with call.state(DESK).views.reading() as connection:
            sealed = await tlog.latest(connection, number)
            if sealed is None or not exists(wanted, sealed.size):
                raise from_status(HTTPStatus.NOT_FOUND)
            found = await tlog.entries(connection, number, wanted.number * WIDTH, wanted.width)
        return Reply(body=_bundle(found, wanted.number * WIDTH), headers=FOR_EVER_PRIVATE)

    @made.op("GET", tree + "/tile/{level}/{path*}", media=OCTETS, errors=(404, 503), tag=TAG)
    async def tile(call: Call[None], partition: str, level: str, path: str) -> Reply:
        """Up to 256 hashes of the tree, of 32 bytes each."""
        wanted = _tile(f"tile/{level}/{path}")
        async with call.state(DESK).views.reading() as connection:
            found = await tlog.cut(connection, _number(partition), wanted)
        if found is None:
            raise from_status(HTTPStatus.NOT_FOUND)
        return Reply(body=found, headers=FOR_EVER)

    return made


def _told(key: VerifierKey, trees: list[tlog.Tree]) -> LogOut:
    told = []
    for tree in trees:
        own = key.of_partition(tree.partition)
        told.append(
            TreeOut(partition=tree.partition, origin=own.name, vkey=own.text(), size=tree.size, sealed_at=tree.at)
        )
    return LogOut(log_id=key.log_id, partitions=len(told), trees=told)


def _number(partition: str) -> int:
    """A partition as an origin has it: any other spelling is the path of nothing."""
    if _NUMBER.fullmatch(partition) is None or int(partition) > PARTITION_MAX:
        raise from_status(HTTPStatus.NOT_FOUND)
    return int(partition)


def _tile(path: str) -> Tile:
    try:
        found = parse(path)
    except BadTile:
        raise from_status(HTTPStatus.NOT_FOUND) from None
    if found.number > NUMBER_MAX:
        raise from_status(HTTPStatus.NOT_FOUND)
    return found


def _bundle(entries: list[bytes], first: int) -> bytes:
    for nth, entry in enumerate(entries):
        if len(entry) > ENTRY_BYTES_MAX:
            detail = (
                f"Entry {first + nth} has {len(entry)} bytes, and a bundle holds {ENTRY_BYTES_MAX} of one at most: "
                "read this event from the database"
            )
            raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "entry_too_long", detail)
    return b"".join(part for entry in entries for part in (_LENGTH.pack(len(entry)), entry))
