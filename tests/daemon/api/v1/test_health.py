"""Health under /api/v1: no token, and the words of the Svix server."""


async def test_health(running):
    running.headers = {}
    ok = {"status": "ok"}
    assert await running.call("GET", "/health", expect=200) == {"database": ok, "queue": ok, "cache": ok}
    assert (await running.client.head("/api/v1/health")).status == 200
    for method in ("GET", "HEAD"):
        assert (await running.client.request(method, "/api/v1/health/ping")).status == 204
    running.vitals.database_ok = False
    told = await running.call("GET", "/health", expect=500)
    assert (told["database"], told["cache"]) == ({"status": "error"}, ok)
