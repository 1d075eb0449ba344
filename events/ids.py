"""Identifiers: a prefix that says the kind, then 27 base62 characters that sort by time.

The 20 bytes behind them are a KSUID with milliseconds: 4 bytes of seconds since 1,400,000,000, 1 byte of
milliseconds / 4, and 15 bytes of which the first tell the moment within these 4 ms and the others are random. So ids
sort by creation at a grain of 35 µs, in SQL (C collation) as in Python, and an index of them grows at its right edge.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

APPLICATION: Final = "app"
ENDPOINT: Final = "ep"
MESSAGE: Final = "msg"
ATTEMPT: Final = "atmpt"
EVENT_TYPE: Final = "evtype"
ADMIN: Final = "adm"
ORGANIZATION: Final = "org"
SIGNING_KEY: Final = "sec"

ENTROPY_BYTES: Final = 19
_EPOCH_S: Final = 1_400_000_000
_LENGTH: Final = 27
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS: Final = tuple(high + low for high in _DIGITS for low in _DIGITS)
_TEN_DIGITS: Final = 62**10
_TO_DIGIT: Final = bytes(ord(_DIGITS[byte % 62]) for byte in range(256))
_DRAWN: Final = 62**19  # numbers that 19 digits can spell
_LEADS: Final = 2**120 // _DRAWN - 1  # 115 leads that keep a number within its 4 ms, wherever these begin
_UID: Final = re.compile(r"[a-zA-Z0-9\-_.]{1,256}")


def mint(prefix: str, now: datetime, entropy: bytes) -> str:
    """A new id of this kind. `entropy` is ENTROPY_BYTES of randomness, 113 bits of which are used.

    The last 19 digits are drawn one by one and only the first 8 computed, so that the whole stays within the 2^120
    numbers of its 4 ms: a third of the cost of turning 160 bits into digits.
    """
    ticks = now.timestamp() * 250
    whole = int(ticks)
    lead = _least_lead(whole) + int((ticks - whole) * _LEADS)
    lead, d = divmod(lead, 3844)
    lead, c = divmod(lead, 3844)
    a, b = divmod(lead, 3844)
    drawn = entropy[:ENTROPY_BYTES].translate(_TO_DIGIT).decode("ascii")
    return f"{prefix}_{_PAIRS[a]}{_PAIRS[b]}{_PAIRS[c]}{_PAIRS[d]}{drawn}"


@lru_cache(maxsize=4)
def _least_lead(ticks: int) -> int:
    """The first 8 digits, as a number, from which on an id is within these 4 ms since 1970."""
    whole, fraction = divmod(ticks, 250)
    return -(-((whole - _EPOCH_S) << 128 | fraction << 120) // _DRAWN)


def base62(number: int) -> str:
    """27 digits, most significant first. Two digits at a time over chunks that fit a machine word."""
    rest, low = divmod(number, _TEN_DIGITS)
    high, middle = divmod(rest, _TEN_DIGITS)
    return (_ten(high) + _ten(middle) + _ten(low))[-_LENGTH:]


def _ten(number: int) -> str:
    number, e = divmod(number, 3844)
    number, d = divmod(number, 3844)
    number, c = divmod(number, 3844)
    a, b = divmod(number, 3844)
    return _PAIRS[a] + _PAIRS[b] + _PAIRS[c] + _PAIRS[d] + _PAIRS[e]


def number_of(identifier: str) -> int:
    """The number behind an id: the inverse of `base62`. ValueError when it is not one."""
    digits = identifier.rpartition("_")[2]
    if len(digits) != _LENGTH or not digits.isascii() or not digits.isalnum():
        raise ValueError(f"{identifier!r} is not an identifier")
    number = 0
    for digit in digits:
        number = number * 62 + _DIGITS.index(digit)
    return number


def minted_at(identifier: str) -> datetime:
    """When the id was minted, to 4 ms."""
    number = number_of(identifier)
    seconds = (number >> 128) + _EPOCH_S
    return datetime.fromtimestamp(seconds, UTC) + timedelta(milliseconds=(number >> 120 & 0xFF) * 4)


def attempt_id(partition: int, seq: int) -> str:
    """The name of an attempt is the position of the event that recorded it: it costs nothing to keep."""
    return f"{ATTEMPT}_{base62(partition << 64 | seq)}"


def attempt_position(identifier: str) -> tuple[int, int]:
    """(partition, seq) of an attempt. ValueError when the text is no attempt id."""
    if not identifier.startswith(f"{ATTEMPT}_"):
        raise ValueError(f"{identifier!r} is not an attempt")
    number = number_of(identifier)
    return number >> 64, number & 0xFFFF_FFFF_FFFF_FFFF


def uid_fault(prefix: str, uid: str) -> str | None:
    """Why `uid` cannot be the caller's own name for something of this kind, or None."""
    if not _UID.fullmatch(uid):
        return "may hold letters, digits, '-', '_' and '.', 1 to 256 of them"
    if uid.startswith(f"{prefix}_"):
        return f"may not start with {prefix}_, which marks hookd's own ids"
    return None
