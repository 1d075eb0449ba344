"""Compressed bodies: those that are known, and those that are not what they say."""

import gzip
import zlib

import pytest

from daemon.api.coding import MEMBERS_MAX, unpacked
from daemon.api.errors import ApiError

BODY = b"abc" * 1000
BARE = zlib.compressobj(wbits=-15)
DEFLATED = BARE.compress(BODY) + BARE.flush()


def packed(body):
    return gzip.compress(body, mtime=0)


@pytest.mark.parametrize(
    ("sent", "coding"),
    [
        (BODY, ""),
        (BODY, "identity"),
        (packed(BODY), "gzip"),
        (packed(BODY), " X-GZip "),
        (packed(BODY[:1000]) + packed(b"") + packed(BODY[1000:]), "gzip"),
        (zlib.compress(BODY), "deflate"),
        (DEFLATED, "deflate"),
    ],
)
def test_known(sent, coding):
    assert unpacked(sent, coding, len(BODY)) == BODY


@pytest.mark.parametrize(
    ("sent", "coding", "status"),
    [
        (packed(BODY + b"d"), "gzip", 413),
        (packed(BODY)[:-1], "gzip", 400),
        (packed(BODY)[:-12], "gzip", 400),
        (packed(BODY) + packed(b"d"), "gzip", 413),
        (packed(b"d") + packed(b"e")[:-1], "gzip", 400),
        (packed(b"d") + b"rubbish", "gzip", 400),
        (packed(b"") * (MEMBERS_MAX + 1), "gzip", 400),
        (zlib.compress(BODY) + b"rubbish", "deflate", 400),
        (zlib.compress(b"d") * 2, "deflate", 400),
        (DEFLATED + b"rubbish", "deflate", 400),
        (b"no gzip", "gzip", 400),
        (b"", "gzip", 400),
        (b"", "deflate", 400),
        (b"\xff", "deflate", 400),
        (BODY, "br", 415),
        (packed(BODY), "gzip, gzip", 415),
    ],
)
def test_refused(sent, coding, status):
    with pytest.raises(ApiError) as raised:
        unpacked(sent, coding, len(BODY))
    assert raised.value.status == status
