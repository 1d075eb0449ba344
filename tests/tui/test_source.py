from tests.tui.fake_daemon import TOKEN, FakeDaemon
from tui.client import Client
from tui.source import LiveSource, targets_of


async def test_questions_go_to_the_routes_of_the_api() -> None:
    async with FakeDaemon() as daemon, Client(daemon.url, TOKEN) as client:
        source = LiveSource(client)
        endpoint = daemon.world.endpoints[0]
        assert (await source.endpoint(endpoint))["endpoint"] == endpoint
        assert (await source.message("msg_1"))["id"] == "msg_1"
        assert (await source.delivery("msg_1", endpoint))["state"] == "delivered"
        assert (await source.overview())["database"]
        assert len((await source.targets())[0].targets) == len(daemon.world.endpoints)


async def test_ids_cannot_lead_elsewhere() -> None:
    async with FakeDaemon() as daemon, Client(daemon.url, TOKEN) as client:
        assert (await LiveSource(client).message("../../x/y"))["id"] == "../../x/y"
        assert "/api/v1/x" not in " ".join(daemon.asked)


def test_rows_that_cannot_be_read_are_left_out() -> None:
    page = targets_of({"data": [{"endpoint": "ep_1"}, {"endpoint": 3}, "x"]})
    assert [each.endpoint for each in page.targets] == ["ep_1"]
    assert targets_of({}).targets == ()
