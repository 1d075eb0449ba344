import pytest

from daemon.transport import Destination


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "target", "authority"),
    [
        ("http://example.com", "http", "example.com", 80, "/", "example.com"),
        ("https://example.com/a/b", "https", "example.com", 443, "/a/b", "example.com"),
        ("https://example.com:443/", "https", "example.com", 443, "/", "example.com"),
        ("https://EXAMPLE.com:8443?x=1", "https", "example.com", 8443, "/?x=1", "example.com:8443"),
        ("http://a.test/x#frag", "http", "a.test", 80, "/x", "a.test"),
        ("http://bücher.test/ü?q=ü", "http", "xn--bcher-kva.test", 80, "/%C3%BC?q=%C3%BC", "xn--bcher-kva.test"),
        ("http://[::1]:8080/x", "http", "::1", 8080, "/x", "[::1]:8080"),
        ("http://[2001:DB8::1]/", "http", "2001:db8::1", 80, "/", "[2001:db8::1]"),
        ("http://127.0.0.1:9/", "http", "127.0.0.1", 9, "/", "127.0.0.1:9"),
        ("http://a.test/b c", "http", "a.test", 80, "/b%20c", "a.test"),
    ],
)
def test_urls(url, scheme, host, port, target, authority):
    destination = Destination.of(url)
    assert (destination.scheme, destination.host, destination.port) == (scheme, host, port)
    assert (destination.target, destination.authority) == (target, authority)
    assert destination.origin == (scheme, host, port)


def test_a_signed_query_is_not_requoted():
    url = "https://a.test/x/../y?sig=a%2Fb%20c+d&e=%7E&f='()*"
    assert Destination.of(url).target == "/x/../y?sig=a%2Fb%20c+d&e=%7E&f='()*"


def test_the_name_in_a_certificate_has_no_final_dot():
    assert Destination.of("https://a.test./").tls_name == "a.test"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/x",
        "ftp://a.test/",
        "a.test/x",
        "http://",
        "http://u:p@a.test/",
        "http://u@a.test/",
        "mailto:a@b",
        "http://a.test:0/",
        "http://a.test:99999/",
        "http://[::1/",
        "http://a b/",
        "http://[fe80::1%25eth0]/",
    ],
)
def test_what_cannot_be_posted_to(url):
    with pytest.raises(ValueError):
        Destination.of(url)


@pytest.mark.parametrize("smuggled", ["\r\nX: y", " HTTP/1.0", "\x00", "\t", "\x7f"])
def test_nothing_in_a_url_reaches_the_head_raw(smuggled):
    destination = Destination.of(f"http://a.test/x{smuggled}?y={smuggled}")
    assert smuggled not in destination.target
    assert destination.target.isascii()
