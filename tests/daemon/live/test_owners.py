from daemon.live.owners import Owners
from events.catalogue import ApplicationCreated, PartitionTaken
from events.envelope import Recorded
from events.log_views import LogViews
from tests.daemon.api.running import serve
from tests.daemon.live.making import AT, accepted, failed


async def test_owners_are_looked_up_once_they_are_gone(database):
    async with serve(database) as running:
        app_id = await running.app()
        endpoint, other = [await running.endpoint(app_id) for _ in range(2)]
        partition = running.desk.world.partition_of(app_id)
        owners = Owners(running.desk.world, LogViews(running.desk.views.reading))
        seen, unseen = failed(endpoint=endpoint, partition=partition), failed(endpoint=other, partition=partition)
        assert owners.owner_of(seen) == (app_id, running.org)
        assert owners.owner_of(accepted(application=app_id)) == (app_id, running.org)
        await running.call("DELETE", f"/app/{app_id}", expect=204)
        assert owners.owner_of(seen) == (app_id, running.org)
        assert owners.owner_of(unseen) is None
        assert not owners.knows([unseen])
        await owners.learn([unseen])
        assert owners.owner_of(unseen) == (app_id, running.org)
        nobodys = failed(endpoint="ep_none", partition=partition)
        await owners.learn([nobodys])
        assert owners.knows([nobodys, seen, unseen])
        assert owners.owner_of(nobodys) is None


async def test_what_says_itself_whose_it_is(database):
    async with serve(database) as running:
        owners = Owners(running.desk.world, LogViews(running.desk.views.reading))
        created = Recorded(0, 1, AT, "app_new", None, 1, "org:org_1", None, ApplicationCreated(org="org_1", name="a"))
        taken = Recorded(0, 1, AT, "log_0", None, 1, "hookd", None, PartitionTaken(owner="x", epoch=1))
        assert owners.owner_of(created) == ("app_new", "org_1")
        assert owners.owner_of(taken) is None
        assert owners.knows([taken])
