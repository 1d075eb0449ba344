"""Event ↔ a line of an export: a CloudEvents 1.0 envelope in JSON (JSON Event Format 1.0.2). Pure.

A line holds all that is needed to rebuild the row of log.event byte for byte. `data` is the body as it stands in the
log: spliced in, never parsed and printed again, and cut out again as it is. What CloudEvents has no place for stands
in extension attributes:

    partition, seq, stream, endpoint, version, schema, actor, request     the columns of the row
    streambase64, …                                                       a text that CloudEvents forbids there
    atus                                                                  a moment that RFC 3339 cannot write

`seq` is a string, since an Integer of CloudEvents has 32 bits. `type` is `hookd.` and the type of the event, `id` its
position `<partition>/<seq>`, `subject` its stream, or `<message>/<endpoint>` for an event of a delivery.

What can only stand in a log that was tampered with is carried faithfully all the same: a body that is no JSON object
on one line goes as `data_base64`, a text with control characters or noncharacters as `<column>base64`.

Two types are no events of the log. A line of type `hookd.checkpoint` holds a signed checkpoint of a partition's tree
(tlog-checkpoint); it stands right after the last event that it covers. The last line has the type `hookd.export` and
tells what the file holds, so that one that was cut off is known as such.
"""

import hashlib
import re
from datetime import datetime
from typing import Annotated, Final

import msgspec

from events.leaf import RawEvent, at_us

SPEC_VERSION: Final = "1.0"
PREFIX: Final = "hookd."
CHECKPOINT: Final = "checkpoint"
EXPORT: Final = "export"
_OWN: Final = frozenset({CHECKPOINT, EXPORT})
_OPAQUE: Final = "unprintable"
_JSON: Final = "application/json"
_NOTE: Final = "text/plain; charset=utf-8"

_FORBIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef"
    + "".join(f"{chr(n | 0xFFFE)}{chr(n | 0xFFFF)}" for n in range(0, 0x110000, 0x10000))
    + "]"
)
"""What a String of CloudEvents may not hold: control characters and noncharacters."""
_BREAK: Final = re.compile(rb"[\r\n]")

_Small = Annotated[int, msgspec.Meta(ge=-(2**15), lt=2**15)]
_Integer = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
_Digits = Annotated[str, msgspec.Meta(pattern="^-?[0-9]{1,19}$")]
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Note(msgspec.Struct, frozen=True, gc=False):
    """A line of a checkpoint. `vkey`, the key it says it is signed by, proves nothing by itself."""

    partition: int
    text: str
    vkey: str | None = None


class End(msgspec.Struct, frozen=True, gc=False):
    """The last line. `heads`: the last position of each partition that was looked at."""

    partitions: int
    events: int
    heads: dict[int, int]


Item = RawEvent | Note | End


class NotALine(ValueError):
    """These bytes are no line of an export."""


class _Line(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    specversion: str
    id: str
    source: str
    type: str
    subject: str | None = None
    time: _Moment | None = None
    partition: _Small | None = None
    seq: _Digits | None = None
    stream: str | None = None
    endpoint: str | None = None
    version: _Integer | None = None
    schema: _Small | None = None
    actor: str | None = None
    request: str | None = None
    atus: _Digits | None = None
    vkey: str | None = None
    typebase64: bytes | None = None
    streambase64: bytes | None = None
    endpointbase64: bytes | None = None
    actorbase64: bytes | None = None
    requestbase64: bytes | None = None
    datacontenttype: str | None = None
    data_base64: bytes | None = None
    data: msgspec.Raw = msgspec.Raw(b"")


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(_Line)
_anything: Final = msgspec.json.Decoder()
_string: Final = msgspec.json.Decoder(str)
_end: Final = msgspec.json.Decoder(End)


def source_of(partition: int, log_id: str | None = None) -> str:
    """Where a partition's events come from: the origin of its tree, or a plain path while the log has no key."""
    return f"{root_of(log_id)}/{partition}"


def root_of(log_id: str | None) -> str:
    """Where the events of all partitions come from."""
    return "/hookd/log" if log_id is None else f"hookd/{log_id}"


def encode(raw: RawEvent, source: str) -> bytes:
    """The line of an event, its end of line included."""
    line = _Line(
        SPEC_VERSION,
        f"{raw.partition}/{raw.seq}",
        source,
        PREFIX + raw.type,
        _subject(raw.stream, raw.endpoint),
        None,
        raw.partition,
        str(raw.seq),
        raw.stream,
        raw.endpoint,
        raw.version,
        raw.schema,
        raw.actor,
        raw.request,
        datacontenttype=_JSON,
    )
    try:
        line.time = raw.at
    except OverflowError:  # before the year 1, after 9999, or PostgreSQL's infinity
        line.atus = str(raw.at_us)
    if raw.type in _OWN or not (f"{raw.type}{raw.stream}{raw.endpoint}{raw.actor}{raw.request}".isprintable()):
        _hide_forbidden(line, raw)
    if _is_plain(raw.body):
        line.data = msgspec.Raw(raw.body)
    else:
        line.data_base64 = raw.body
    return _encoder.encode(line) + b"\n"


def encode_note(note: Note, source: str) -> bytes:
    """The line of a checkpoint. Its size, in the id, is what its text says."""
    size = note.text.split("\n", 2)[1] if note.text.count("\n") > 1 else ""
    line = _Line(
        SPEC_VERSION,
        f"{note.partition}/{CHECKPOINT}/{size}",
        source,
        PREFIX + CHECKPOINT,
        partition=note.partition,
        vkey=note.vkey,
        datacontenttype=_NOTE,
        data=msgspec.Raw(_encoder.encode(note.text)),
    )
    return _encoder.encode(line) + b"\n"


def encode_end(end: End, source: str) -> bytes:
    """The last line. Its id is made of what it says, so that no two that differ have the same."""
    data = _encoder.encode(end)
    line = _Line(
        SPEC_VERSION,
        f"{EXPORT}/{hashlib.sha256(data).hexdigest()[:16]}",
        source,
        PREFIX + EXPORT,
        datacontenttype=_JSON,
        data=msgspec.Raw(data),
    )
    return _encoder.encode(line) + b"\n"


def decode(line: bytes) -> Item:
    """What a line says. NotALine when it is none, or contradicts itself."""
    try:
        found = _decoder.decode(line)
        if found.specversion != SPEC_VERSION:
            raise NotALine(f"specversion is {found.specversion!r}, not {SPEC_VERSION!r}")
        if found.type == PREFIX + CHECKPOINT:
            return _note(found)
        if found.type == PREFIX + EXPORT:
            return _end.decode(found.data)
        return _event(found)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise NotALine(f"no CloudEvents line of an export: {error}") from error


def _note(line: _Line) -> Note:
    if line.partition is None:
        raise NotALine("a checkpoint without partition")
    return Note(line.partition, _string.decode(line.data), line.vkey)


def _event(line: _Line) -> RawEvent:
    type_ = _text(line.type.removeprefix(PREFIX), line.typebase64)
    stream = _text(line.stream, line.streambase64)
    endpoint = _text(line.endpoint, line.endpointbase64)
    actor = _text(line.actor, line.actorbase64)
    moment = _moment(line)
    if not line.type.startswith(PREFIX) or type_ is None:
        raise NotALine(f"type {line.type!r} is none of hookd's")
    if (
        line.partition is None
        or line.seq is None
        or stream is None
        or actor is None
        or line.version is None
        or line.schema is None
    ):
        raise NotALine("one of partition, seq, stream, version, schema, actor is missing")
    if line.id != f"{line.partition}/{line.seq}":
        raise NotALine(f"id {line.id!r} is not the position {line.partition}/{line.seq}")
    if line.subject is not None and line.subject != _subject(stream, endpoint):
        raise NotALine(f"subject {line.subject!r} is not what the event is about")
    request = _text(line.request, line.requestbase64)
    return RawEvent(
        line.partition,
        int(line.seq),
        moment,
        stream,
        endpoint,
        line.version,
        type_,
        line.schema,
        actor,
        request,
        _body(line),
    )


def _subject(stream: str, endpoint: str | None) -> str | None:
    return (stream or None) if endpoint is None else f"{stream}/{endpoint}"


def _is_plain(body: bytes) -> bool:
    """Whether a body is a JSON object on one line, and nothing around it."""
    if body[:1] != b"{" or body[-1:] != b"}" or _BREAK.search(body) is not None:
        return False
    try:
        _anything.decode(body)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _hide_forbidden(line: _Line, raw: RawEvent) -> None:
    """Move texts that may not stand in attributes into binary ones."""
    for name in ("stream", "endpoint", "actor", "request"):
        value = getattr(raw, name)
        if value is not None and _FORBIDDEN.search(value):
            setattr(line, name, None)
            setattr(line, f"{name}base64", value.encode())
    if raw.type in _OWN or _FORBIDDEN.search(raw.type):
        line.type = PREFIX + _OPAQUE
        line.typebase64 = raw.type.encode()
    if line.subject is not None and _FORBIDDEN.search(line.subject):
        line.subject = None


def _text(plain: str | None, binary: bytes | None) -> str | None:
    return plain if binary is None else binary.decode()


def _moment(line: _Line) -> int:
    if line.time is not None:
        return at_us(line.time)
    if line.atus is None:
        raise NotALine("time is missing")
    return int(line.atus)


def _body(line: _Line) -> bytes:
    if line.data_base64 is not None:
        return line.data_base64
    body = bytes(line.data)
    if not body:
        raise NotALine("data is missing")
    return body
