"""Admins: created, logged in, asked who they are."""

import pytest

from tests.daemon.api.seed.caller import GOOD, Caller


async def test_health_needs_nothing(running):
    response = await running.client.get("/api/health")
    assert (response.status, await response.json()) == (200, {"ping": "pong"})


async def test_admins_are_created_and_log_in(running):
    caller = Caller(running)
    made = await caller.call("POST", "/admin/create", GOOD, expect=201)
    admin_id = made["data"]["id"]
    assert made == {"code": 201, "message": "created", "data": {"id": admin_id, "username": "ada"}}
    assert admin_id.startswith("adm_")
    again = await caller.call("POST", "/admin/create", GOOD)
    assert again == (409, {"code": 409, "message": "an admin named ada exists already"})
    told = await caller.call("POST", "/admin/login", GOOD, expect=200)
    assert (told["code"], told["data"]["id"]) == (200, admin_id)
    caller.headers["Authorization"] = f"Bearer {told['data']['token']}"
    assert await caller.call("GET", "/admin", expect=200) == {"data": {"id": admin_id, "username": "ada"}}


async def test_the_password_is_kept_sealed_and_hashed(running, ada):
    admin = running.desk.world.admin_named("ada")
    sealed = await running.desk.views.secret(admin.partition, admin.id, "password")
    assert running.desk.sealer.open(sealed, admin.id).startswith(b"$argon2id$")


@pytest.mark.parametrize("username", ["ada", "nobody"])
async def test_a_wrong_name_and_a_wrong_password_are_answered_alike(ada, username):
    told = await ada.call("POST", "/admin/login", {"username": username, "password": "wrong"})
    assert told == (401, {"code": 401, "message": "username or password is wrong"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"username": "ab"}, "username: a username has 3 to 64 letters, digits, '.', '_', '-' or '@'"),
        ({"username": "ä" * 5}, "username: a username has 3 to 64 letters, digits, '.', '_', '-' or '@'"),
        ({"username": 5}, "username: Input should be a valid string"),
        ({"password": "short"}, "password: a password has 8 to 128 characters"),
        ({"password": "x" * 129}, "password: a password has 8 to 128 characters"),
        ({"pasword": "x"}, "pasword: Extra inputs are not permitted"),
    ],
)
async def test_rules_for_admins_are_said(running, change, message):
    told = await Caller(running).call("POST", "/admin/create", GOOD | change)
    assert told == (400, {"code": 400, "message": message})
