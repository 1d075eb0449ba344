"""URLs that endpoints may have."""

import pytest

from daemon.api.urls import normalized


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://bad.url", "http://bad.url/"),
        ("HTTP://A.Example:80/X?q=%2f+1#part", "http://a.example/X?q=%2f+1"),
        ("https://a.example:443?x=1", "https://a.example/?x=1"),
        ("https://a.example:8443/", "https://a.example:8443/"),
        ("https://\u00fc.example/\u00fc", "https://xn--tda.example/%C3%BC"),
        ("http://[2001:DB8::1]:81/", "http://[2001:db8::1]:81/"),
        (" http://a.example/ ", "http://a.example/"),
    ],
)
def test_spelt_canonically(given, kept):
    assert normalized(given) == kept
    assert normalized(kept) == kept


@pytest.mark.parametrize(
    "given", ["", "a.example", "/x", "ftp://a.example/", "javascript:alert(1)", "http://", "http://u@a.example/",
              "http://a b/", "http://a.example:0/", "http://a.example:65536/", "http://[::1", "mailto:a@b.example"]
)  # fmt: skip
def test_refused(given):
    with pytest.raises(ValueError):
        normalized(given)
