"""What is told once a second, of a dispatcher that delivers."""

import asyncio
import json
from functools import partial

import msgspec

from daemon.live.neighbours import Report
from daemon.live.reporter import ASKED_S, ELSEWHERE_S, TOLD_TARGETS, Reporter
from daemon.live.told import TargetTold, Told
from daemon.notary import Seals
from daemon.vitals import Vitals
from events.log_views import Head
from tests.daemon.test_dispatcher import house, messages
from tests.support.simulated import always, black_hole, failed, ok
from tests.support.virtual_loop import virtual


def reporter_of(made):
    vitals = Vitals(made.recorder, made.dispatcher, made.clock, Seals())
    reporter = Reporter("me", made.recorder, made.world, made.dispatcher, vitals, made.clock, batch_size=10)
    made.recorder.followers.append(lambda committed: reporter.tally.count(committed.events))
    return reporter


@virtual
async def test_the_stats_are_what_happened() -> None:
    made = await house()
    reporter = reporter_of(made)
    application = await made.application()
    well = (await made.endpoint(application, always(ok(took_s=0.2)))).id
    ill = (await made.endpoint(application, always(failed(500)))).id
    hole = (await made.endpoint(application, black_hole, throttle_rate=3)).id
    await messages(made, application, 2)
    await asyncio.sleep(1)
    reporter.finish(1.0)
    stats = json.loads(reporter.told(2))
    assert (stats["accepted"], stats["attempts"], stats["delivered"], stats["failed"]) == (2, 4, 2, 2)
    assert (stats["process"], stats["intervalS"], stats["standingBy"], stats["database"]) == ("me", 1.0, False, True)
    assert stats["durationMs"]["p99"] >= 190
    assert stats["inFlight"] == 2
    assert stats["pending"] == sum(target.lane.held for target in made.dispatcher.targets())
    assert {each["endpoint"] for each in stats["targets"]} == {well, ill}
    shown = {each["endpoint"]: each for each in json.loads(reporter.told(50))["targets"]}
    assert (shown[hole]["attempts"], shown[hole]["inFlight"], shown[hole]["throttleRate"]) == (0, 2, 3)
    assert (shown[well]["delivered"], shown[ill]["failed"], shown[well]["breaker"]) == (2, 2, "closed")
    assert shown[well]["durationMs"] == {
        "p50": shown[well]["durationMs"]["p50"],
        "p95": shown[well]["durationMs"]["p95"],
    }
    reporter.finish(1.0)
    assert json.loads(reporter.told(1))["attempts"] == 0


@virtual
async def test_who_asked_is_remembered_for_a_while() -> None:
    reporter = reporter_of(await house())
    assert not reporter.wanted(100)
    reporter.asked(100)
    assert reporter.wanted(100 + ASKED_S - 1)
    assert not reporter.wanted(100 + ASKED_S)


class House:
    """One of two processes: what is configured is known to both, what happens is in the other's report alone."""

    def __init__(self, made, name):
        self.made, self.name = made, name
        self.reporter = reporter_of(made)
        self.reporter.name = name

    @property
    def told(self):
        return {self.name: Report(figures=msgspec.Raw(self.reporter.figures()))}


async def two():
    here, there = House(await house(), "me"), House(await house(), "you")
    await there.made.application()  # or both would draw the same ids
    here.application, there.application = [await each.made.application() for each in (here, there)]
    here.at = await here.made.endpoint(here.application, always(ok(took_s=0.2)))
    theirs = await there.made.endpoint(there.application, always(failed(500)))
    other = (here.at.partition + 1) % 4
    there.at = msgspec.structs.replace(theirs, partition=other)
    here.made.world.put(there.at)
    del here.made.recorder.epochs[other]
    here.owners = {n: "you" if n == other else "me" for n in range(4)}
    here.reporter.looked([Head(n, owner, 1, 0, None, None) for n, owner in here.owners.items()])
    return here, there


def _many(figures):
    told = msgspec.json.decode(figures, type=Told)
    targets = tuple(TargetTold(f"ep_{n}") for n in range(TOLD_TARGETS))
    return msgspec.json.encode(msgspec.structs.replace(told, targets=targets))


def heard(here, there):
    here.reporter.hear(("me", "you"), here.owners, there.told)
    here.reporter.finish(1.0)
    return json.loads(here.reporter.told(50))


@virtual
async def test_two_processes_are_told_of_as_one() -> None:
    here, there = await two()
    await messages(here.made, here.application, 2)
    await messages(there.made, there.application, 3)
    heard(here, there)
    await messages(here.made, here.application, 4)
    await messages(there.made, there.application, 5)
    await asyncio.sleep(1)
    there.reporter.finish(1.0)
    stats = heard(here, there)
    assert (stats["accepted"], stats["delivered"]) == (4 + 5, 6)
    assert stats["failed"] == 8, "none of what was known before, all that came since"
    assert [(each["name"], each["partitions"]) for each in stats["processes"]] == [("me", 3), ("you", 1)]
    assert {each["endpoint"]: each["failed"] for each in stats["targets"]}[there.at.id] == 8
    assert stats["process"] == "me"
    assert heard(here, there)["accepted"] == 0, "it has told nothing new"
    there.reporter.begin()
    await messages(there.made, there.application, 1)
    assert heard(here, there)["failed"] == 0, "it counts anew: what this covers is not known"


@virtual
async def test_a_target_of_another_process_is_known_from_it_or_not_at_all() -> None:
    here, there = await two()
    here.reporter.hear(("me", "you"), here.owners, {})
    unknown = here.reporter.target(there.at).model_dump(by_alias=True)
    assert (unknown["counted"], unknown["breaker"]) == (False, "closed")
    assert unknown.keys().isdisjoint({"attempts", "delivered", "failed", "inFlight", "backlog"})
    [shown] = [each for each in json.loads(here.reporter.told(1))["processes"] if each["name"] == "you"]
    assert (shown["inFlight"], shown["loopLagMs"]) == (None, None)
    await messages(there.made, there.application, 3)
    await asyncio.sleep(1)
    there.reporter.finish(1.0)
    here.reporter.hear(("me", "you"), here.owners, there.told)
    target = here.reporter.target(there.at, "timeout")
    assert (target.counted, target.failed, target.in_flight) == (True, 3, 0)
    assert here.reporter.target(here.at).counted
    idle = msgspec.structs.replace(there.at, id="ep_idle")
    assert here.reporter.target(idle).backlog == 0, "it has told of all it has"
    there.reporter.figures = partial(_many, there.reporter.figures())
    here.reporter.hear(("me", "you"), here.owners, there.told)
    assert not here.reporter.target(idle).counted, "it may have more than it told of"
    here.reporter.hear(("me", "you"), here.owners, {"you": Report(figures=msgspec.Raw(b'{"later":1}'))})
    assert not here.reporter.target(there.at).counted
    here.reporter.hear(("me",), here.owners, {})
    assert here.reporter.target(there.at).counted, "alone, it is nobody else's"


@virtual
async def test_what_others_ask_keeps_this_one_counting_and_nobody_else() -> None:
    reporter = reporter_of(await house())
    reporter.asked_elsewhere(100)
    assert reporter.wanted(100 + ELSEWHERE_S - 0.1)
    assert not reporter.wanted(100 + ELSEWHERE_S)
    assert not reporter.asked_here(100)
