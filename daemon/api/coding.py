"""Bodies that come compressed (RFC 9110 §8.4): unpacked up to a bound, however small they were on the way."""

import zlib
from typing import Final

from daemon.api.errors import ApiError, from_status

MEMBERS_MAX: Final = 128  # each costs a copy of what follows it

_GZIP: Final = 16 + zlib.MAX_WBITS
_WINDOWS: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}


def unpacked(body: bytes, coding: str, bytes_max: int) -> bytes:
    """Undo the coding of a body. Raises ApiError: 400, 413, or 415 for a coding that is not known."""
    name = coding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in _WINDOWS:
        raise from_status(415, {"Accept-Encoding": "gzip, deflate"})
    window = _WINDOWS[name]
    if name == "deflate" and body[:1] and body[0] & 0xF != zlib.DEFLATED:
        window = -zlib.MAX_WBITS  # some send it bare, without the zlib format around it
    found, rest = _member(body, name, window, bytes_max)
    if not rest:
        return found
    if window != _GZIP:
        raise ApiError(400, "generic_error", f"Something follows the {name}")
    members = [found]
    while rest:  # RFC 1952 §2.2
        if len(members) == MEMBERS_MAX:
            raise ApiError(400, "generic_error", f"The body has more than {MEMBERS_MAX} gzip members")
        bytes_max -= len(found)
        found, rest = _member(rest, name, window, bytes_max)
        members.append(found)
    return b"".join(members)


def _member(packed: bytes, name: str, window: int, bytes_max: int) -> tuple[bytes, bytes]:
    """Unpack the first that stands there, and give what follows it."""
    unpacker = zlib.decompressobj(window)
    try:
        found = unpacker.decompress(packed, bytes_max + 1)
    except zlib.error:
        raise ApiError(400, "generic_error", f"The body is not {name}") from None
    if len(found) > bytes_max:
        raise from_status(413)
    if not unpacker.eof:
        raise ApiError(400, "generic_error", "The body ended before it was whole")
    return found, unpacker.unused_data
