"""Targets, in all their spellings."""

import pytest

from daemon.api.errors import ApiError
from daemon.api.request import Request, path_of


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", {}),
        (b"/a/b", "/a/b", {}),
        (b"/a/b?", "/a/b", {}),
        (b"/a?b=c&d=%20e", "/a", {"b": "c", "d": " e"}),
        (b"/a%20b%2Fc%25", "/a b%2Fc%25", {}),
        (b"/%C3%A9", "/é", {}),
        (b"//a/../b", "//a/../b", {}),
        (b"/a#b?c=d", "/a", {}),
        (b"/a?b=c#d", "/a", {"b": "c"}),
        (b"http://x/a%41?b=c", "/aA", {"b": "c"}),
        (b"http://x", "/", {}),
        (b"*", "*", {}),
    ],
)
def test_targets(target, path, query):
    request = Request("GET", target)
    assert (path_of(target), dict(request.query)) == (path, query)
    assert request.has_query is (b"?" in target)


@pytest.mark.parametrize(
    "target",
    [
        b"http://[x/",
        b"http://][@/",
        b"http:///healthz",
        b"http://x@/a",
        b"http://x:99999/a",
        b"http://x:y/a",
        b"/%C3\xff",
        b"/\xff",
    ],
)
def test_what_is_no_target(target):
    for read in (path_of, lambda it: Request("GET", it).query):
        with pytest.raises(ApiError) as raised:
            read(target)
        assert raised.value.status == 400


def test_headers():
    request = Request("GET", b"/", {b"a": "é".encode(), b"b": b"\xff"})
    assert (request.header(b"a"), request.header(b"b"), request.header(b"c"), request.header(b"c", "d")) == (
        "é",
        "\udcff",
        "",
        "d",
    )
