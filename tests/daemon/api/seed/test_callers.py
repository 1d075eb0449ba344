"""Who may call the routes under /api: every route, every proof that is missing."""

import pytest

from tests.daemon.api.running import URL
from tests.daemon.api.seed.caller import GOOD, HEADER, Caller

ROUTES = [
    ("POST", "/admin/create", GOOD),
    ("POST", "/admin/login", GOOD),
    ("GET", "/admin", None),
    ("POST", "/webhooks/register", {"uri": URL}),
    ("PATCH", "/webhooks/ep_1/update", {"newTargetURL": URL}),
    ("GET", "/webhooks", None),
    ("DELETE", "/webhooks/ep_1/delete", None),
    ("POST", "/webhooks/ip", {"ipAddr": "192.0.2.1"}),
]


@pytest.mark.parametrize("header", [{}, {"admin-id": "wrong"}])
@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_every_route_needs_the_admin_id(ada, method, path, body, header):
    headers = {"Authorization": ada.headers["Authorization"], **header}
    status, told = await ada.call(method, path, body, headers=headers)
    assert (status, told["code"]) == (403, 403)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES[2:])
async def test_routes_need_a_login(running, method, path, body):
    status, told = await Caller(running).call(method, path, body)
    assert (status, told) == (401, {"code": 401, "message": "Invalid token"})
    unknown = HEADER | {"Authorization": f"Bearer {running.tokens.mint_admin('adm_gone')}"}
    assert (await Caller(running).call(method, path, body, headers=unknown))[0] == 401
    tenant = HEADER | {"Authorization": f"Bearer {running.tokens.mint_org('org_x')}"}
    assert (await Caller(running).call(method, path, body, headers=tenant))[0] == 403


async def test_the_old_admin_id_is_good_too(running):
    headers = {"admin-id": "the-old-one"}
    assert (await Caller(running).call("POST", "/admin/create", GOOD, headers=headers))[0] == 201
