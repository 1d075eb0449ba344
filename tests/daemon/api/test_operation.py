"""A handler and its declaration must agree, and it is found out at the declaration."""

import pytest
from pydantic import BaseModel

from daemon.api.operation import Auth, Call, Operation, both


class Body(BaseModel):
    a: int


class Other(BaseModel):
    a: int


async def takes_body(call: Call[None], body: Body) -> None: ...


async def takes_path(call: Call[None], app_id: str) -> None: ...


def declare(handler, path="/", **declared):
    return Operation(method="POST", path=path, handler=handler, name=handler.__name__, **declared)


def test_agreement():
    assert declare(takes_body, body=Body).parameters == {}
    assert declare(takes_path, "/app/{app_id}").parameters == {"app_id": str}


@pytest.mark.parametrize(
    ("handler", "path", "declared"),
    [
        (takes_body, "/", {}),
        (takes_body, "/", {"body": Other}),
        (takes_body, "/", {"query": Body}),
        (takes_path, "/app/{other}", {}),
        (takes_path, "/", {}),
    ],
)
def test_disagreement(handler, path, declared):
    with pytest.raises(TypeError, match="declared"):
        declare(handler, path, **declared)


async def test_both_takes_checks_of_either_kind():
    async def late(request):
        return 2

    assert await both(Auth(lambda request: 1, {}), Auth(late, {})).check(None) == (1, 2)
