"""A handler and its declaration must agree, and it is found out at the declaration."""

import pytest
from pydantic import BaseModel

from daemon.api.errors import ApiError, Denied
from daemon.api.operation import FRESHEN, Auth, Call, Operation, Runner
from daemon.api.request import Request


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


class House:
    """What another process has made becomes known when it is asked for."""

    def __init__(self, *, elsewhere=True):
        self.elsewhere, self.known, self.asked = elsewhere, False, 0

    async def freshen(self):
        self.asked += 1
        self.known = self.elsewhere
        return self.elsewhere


def run_of(house, status=404, *, denying=False):
    async def look(call: Call[None], app_id: str) -> Body:
        if not denying and not house.known:
            raise ApiError(status, "not_found", "Entity not found")
        return Body(a=1)

    def check(_request):
        if denying and not house.known:
            raise Denied(status, "authentication_failed", "nobody")

    operation = declare(look, "/{app_id}", out=Body, auth=Auth(check, {}))
    runner = Runner(operation, lambda _: None, {FRESHEN: house.freshen})

    async def run():
        request = Request("POST", b"/a")
        request.found = {"app_id": "a"}
        return await runner.begin(request)

    return run


@pytest.mark.parametrize("denying", [False, True])
@pytest.mark.parametrize("status", [401, 404])
async def test_what_is_not_known_is_looked_for_once_more(status, denying):
    house = House()
    answer = await run_of(house, status, denying=denying)()
    assert (answer.status, house.asked) == (200, 1)


@pytest.mark.parametrize(("status", "asked"), [(404, 1), (401, 1), (409, 0), (422, 0)])
async def test_what_others_do_not_know_either_is_answered_as_it_was(status, asked):
    house = House(elsewhere=False)
    with pytest.raises(ApiError) as raised:
        await run_of(house, status)()
    assert (raised.value.status, house.asked) == (status, asked)
