"""Somebody who calls the routes under /api."""

from tests.daemon.api.running import ADMIN_ID, URL

HEADER = {"admin-id": ADMIN_ID}
GOOD = {"username": "ada", "password": "correct horse"}


class Caller:
    def __init__(self, running, username="ada"):
        self.running = running
        self.client = running.client
        self.name = username
        self.headers = dict(HEADER)

    async def join(self):
        credentials = {"username": self.name, "password": "correct horse"}
        await self.call("POST", "/admin/create", credentials, expect=201)
        token = (await self.call("POST", "/admin/login", credentials, expect=200))["data"]["token"]
        self.headers["Authorization"] = f"Bearer {token}"
        return self

    async def call(self, method, path, body=None, expect=None, headers=None):
        sent = {"data": body} if isinstance(body, bytes) else {"json": body}
        response = await self.client.request(method, "/api" + path, headers=headers or self.headers, **sent)
        told = await response.json()
        if expect is None:
            return response.status, told
        assert response.status == expect, told
        return told

    async def register(self, uri=URL):
        return (await self.call("POST", "/webhooks/register", {"uri": uri}, expect=201))["data"]["id"]
