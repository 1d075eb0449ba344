"""Bodies that come compressed (RFC 9110 §8.4): unpacked up to a bound, however small they were on the way."""

import zlib
from typing import Final

from daemon.api.errors import ApiError, from_status

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
    unpacker = zlib.decompressobj(window)
    try:
        found = unpacker.decompress(body, bytes_max + 1)
    except zlib.error:
        raise ApiError(400, "generic_error", f"The body is not {name}") from None
    if len(found) > bytes_max:
        raise from_status(413)
    if not unpacker.eof:
        raise ApiError(400, "generic_error", "The body ended before it was whole")
    return found
