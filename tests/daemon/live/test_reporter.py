"""What is told once a second, of a dispatcher that delivers."""

import asyncio
import json

from daemon.live.reporter import ASKED_S, Reporter
from daemon.notary import Seals
from daemon.vitals import Vitals
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
