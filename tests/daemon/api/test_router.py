"""Which route a path leads to, and what is said where none does."""

import pytest

from daemon.api.errors import ApiError
from daemon.api.router import Route, Router

TEMPLATES = [
    ("GET", "/app/{app_id}"),
    ("PUT", "/app/{app_id}"),
    ("POST", "/app/{app_id}/msg"),
    ("GET", "/app/{app_id}/msg/{msg_id}"),
    ("GET", "/app/portal"),
    ("GET", "/app/portal/{name}/deep"),
    ("GET", "/app/{again}"),
    ("GET", "/"),
    ("GET", "/list"),
    ("GET", "/list/"),
    ("GET", "/tree/{one}/file/{path*}"),
    ("GET", "/tree/{one}/{word}/{path*}"),
    ("POST", "/tree/{one}/file/x/y"),
]
ROUTER = Router([Route(method, template, f"{method} {template}") for method, template in TEMPLATES])


@pytest.mark.parametrize(
    ("method", "path", "template", "names"),
    [
        ("GET", "/app/a", "/app/{app_id}", {"app_id": "a"}),
        ("PUT", "/app/a", "/app/{app_id}", {"app_id": "a"}),
        ("POST", "/app/a/msg", "/app/{app_id}/msg", {"app_id": "a"}),
        ("GET", "/app/a/msg/m", "/app/{app_id}/msg/{msg_id}", {"app_id": "a", "msg_id": "m"}),
        ("PUT", "/app/portal", "/app/{app_id}", {"app_id": "portal"}),
        ("POST", "/app/portal/msg", "/app/{app_id}/msg", {"app_id": "portal"}),
        ("GET", "/app/portal/x/deep", "/app/portal/{name}/deep", {"name": "x"}),
        ("GET", "/app/a%2Fb%25", "/app/{app_id}", {"app_id": "a/b%"}),
        ("GET", "/app/é b", "/app/{app_id}", {"app_id": "é b"}),
        ("GET", "/", "/", {}),
        ("GET", "/list", "/list", {}),
        ("GET", "/list/", "/list/", {}),
        ("GET", "/tree/1/file/a", "/tree/{one}/file/{path*}", {"one": "1", "path": "a"}),
        ("GET", "/tree/1/file/a/b%2Fc/d", "/tree/{one}/file/{path*}", {"one": "1", "path": "a/b/c/d"}),
        ("GET", "/tree/1/file/x/z/z", "/tree/{one}/file/{path*}", {"one": "1", "path": "x/z/z"}),
        ("GET", "/tree/1/file/x/y", "/tree/{one}/file/{path*}", {"one": "1", "path": "x/y"}),
        ("POST", "/tree/1/file/x/y", "/tree/{one}/file/x/y", {"one": "1"}),
        ("GET", "/tree/1/file/x/y/z", "/tree/{one}/file/{path*}", {"one": "1", "path": "x/y/z"}),
        ("GET", "/tree/1/no/a/b", "/tree/{one}/{word}/{path*}", {"one": "1", "word": "no", "path": "a/b"}),
    ],
)
def test_found(method, path, template, names):
    assert ROUTER.find(method, path) == (f"{method} {template}", names)


def test_the_first_of_two_that_fit_stands():
    assert ROUTER.find("GET", "/app/portal")[0] == "GET /app/{app_id}"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "*",
        "//",
        "/app",
        "/app/",
        "/app//msg",
        "/app/a/",
        "/app/a/msg/m/x",
        "/app/portal/x",
        "/app/portal//deep",
        "/tree/1/file",
        "/tree/1/file/",
        "/tree/1/file/a//b",
        "/tree/1/file/a/",
        "a",
    ],
)
def test_nothing_there(path):
    with pytest.raises(ApiError) as raised:
        ROUTER.find("GET", path)
    assert (raised.value.status, raised.value.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "allowed"), [("/app/a", "GET,PUT"), ("/app/portal", "GET,PUT"), ("/app/portal/msg", "POST")]
)
def test_another_method(path, allowed):
    with pytest.raises(ApiError) as raised:
        ROUTER.find("DELETE", path)
    assert (raised.value.status, raised.value.headers) == (405, {"Allow": allowed})


@pytest.mark.parametrize("template", ["/a{name}", "/{name:x+}", "/{}", "/{1}"])
def test_templates_that_are_none(template):
    with pytest.raises(TypeError, match="whole segment"):
        Router([Route("GET", template, None)])


def test_only_the_last_name_stands_for_several_segments():
    with pytest.raises(TypeError, match="only at the end"):
        Router([Route("GET", "/{path*}/a", None)])
