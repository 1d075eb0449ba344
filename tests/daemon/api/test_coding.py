"""Compressed bodies: those that are known, and those that are not what they say."""

import gzip
import zlib

import pytest

from daemon.api.coding import unpacked
from daemon.api.errors import ApiError

BODY = b"abc" * 1000
BARE = zlib.compressobj(wbits=-15)
DEFLATED = BARE.compress(BODY) + BARE.flush()


@pytest.mark.parametrize(
    ("packed", "coding"),
    [
        (BODY, ""),
        (BODY, "identity"),
        (gzip.compress(BODY, mtime=0), "gzip"),
        (gzip.compress(BODY, mtime=0), " X-GZip "),
        (zlib.compress(BODY), "deflate"),
        (DEFLATED, "deflate"),
    ],
)
def test_known(packed, coding):
    assert unpacked(packed, coding, len(BODY)) == BODY


@pytest.mark.parametrize(
    ("packed", "coding", "status"),
    [
        (gzip.compress(BODY + b"d", mtime=0), "gzip", 413),
        (gzip.compress(BODY, mtime=0)[:-1], "gzip", 400),
        (gzip.compress(BODY, mtime=0)[:-12], "gzip", 400),
        (b"no gzip", "gzip", 400),
        (b"", "gzip", 400),
        (b"", "deflate", 400),
        (b"\xff", "deflate", 400),
        (BODY, "br", 415),
        (gzip.compress(BODY, mtime=0), "gzip, gzip", 415),
    ],
)
def test_refused(packed, coding, status):
    with pytest.raises(ApiError) as raised:
        unpacked(packed, coding, len(BODY))
    assert raised.value.status == status
