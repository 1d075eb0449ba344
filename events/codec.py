"""Event ↔ the bytes that stand in the log, for ever readable.

Bytes are JSON (RFC 8259), fields in the order of the class, defaults left out. They are stored and hashed as they
are, never parsed and printed again. An old shape is lifted on reading by a chain of upcasters, one a version; an
unknown type or version is an error that names its position, never skipped.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from events import catalogue
from events.catalogue import Event

_encoder: Final = msgspec.json.Encoder(order=None)

TYPES: Final[Mapping[str, type[Event]]] = {cls.__name__: cls for cls in Event.__subclasses__()}

VERSIONS: Final[Mapping[str, int]] = {}
"""Schema version of each type that is not at 1 any more."""

UPCASTERS: Final[Mapping[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]]] = {}
"""(type, version) → what makes a body of that version one of the next."""

_decoders: Final = {name: msgspec.json.Decoder(cls) for name, cls in TYPES.items()}


class UnreadableEvent(ValueError):
    """The log holds an event that this release cannot read: run the release that wrote it, or a newer one."""


def version_of(event: Event) -> int:
    """The schema version that `encode` writes for this event's type."""
    return VERSIONS.get(type(event).__name__, 1)


def encode(event: Event) -> bytes:
    """The exact bytes for the log."""
    return _encoder.encode(event)


def decode(type_name: str, version: int, body: bytes) -> Event:
    """The event behind the bytes. UnreadableEvent when type, version or bytes are unknown."""
    decoder = _decoders.get(type_name)
    current = VERSIONS.get(type_name, 1)
    if decoder is None or not 1 <= version <= current:
        raise UnreadableEvent(f"{type_name} v{version} is not known to this release")
    try:
        if version == current:
            return decoder.decode(body)
        return _lift(type_name, version, current, body)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise UnreadableEvent(f"{type_name} v{version}: {error}") from error


def _lift(type_name: str, version: int, current: int, body: bytes) -> Event:
    fields = msgspec.json.decode(body, type=dict[str, Any])
    for step in range(version, current):
        fields = UPCASTERS[type_name, step](fields)
    return msgspec.convert(fields, TYPES[type_name])


assert catalogue.PartitionTaken.__name__ in TYPES, "the catalogue is read before its subclasses are listed"
