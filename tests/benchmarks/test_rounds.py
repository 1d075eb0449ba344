"""In which order scenarios run, and what one that fails costs the others."""

from contextlib import asynccontextmanager

import pytest

from benchmarks import rounds
from benchmarks.bench import Lost, Options, Skipped
from benchmarks.figures import Result
from benchmarks.process import Failed
from benchmarks.report import Progress
from benchmarks.scenarios import SCENARIOS, Scenario


@pytest.fixture
def ran(monkeypatch):
    """What ran, and on which hookd."""
    found, homes = [], []

    @asynccontextmanager
    async def bench_of(options, _):
        homes.append(options.program)
        yield f"{options.program}{len(homes)}"

    def scenario(name, problem=None):
        async def run(bench):
            found.append((name, bench))
            if problem is not None:
                raise problem
            return [Result(name, {"per_s": 1.0})]

        return run

    monkeypatch.setattr(rounds, "bench_of", bench_of)
    made = {
        "a": Scenario(scenario("a"), shared=True),
        "bad": Scenario(scenario("bad", Failed("it ended"))),
        "broken": Scenario(scenario("broken", Failed("it ended")), shared=True),
        "c": Scenario(scenario("c"), shared=True),
        "lost": Scenario(scenario("lost", Lost("msg_1"))),
        "none": Scenario(scenario("none", Skipped("no route"))),
    }
    monkeypatch.setattr(rounds, "SCENARIOS", made)
    return found


async def measure(names, builds=("x",), count=1):
    found = [[] for _ in builds]
    await rounds.measure([Options(program=each) for each in builds], names, count, Progress(), found)
    return found


async def test_those_that_share_run_on_one_hookd(ran):
    await measure(["a", "c", "lost", "none"])
    assert ran == [("a", "x1"), ("c", "x1"), ("lost", "x2"), ("none", "x3")]


async def test_builds_and_rounds_take_turns(ran):
    found = await measure(["a", "lost"], ("x", "y"), 2)
    assert ran == [
        ("a", "x1"), ("a", "y2"), ("lost", "x3"), ("lost", "y4"),
        ("a", "x5"), ("a", "y6"), ("lost", "x7"), ("lost", "y8"),
    ]  # fmt: skip
    assert [len(each) for each in found] == [2, 2]


async def test_one_that_fails_leaves_the_others_to_another_hookd(ran):
    ((rows,),) = await measure(["a", "broken", "c", "bad", "lost", "none"])
    assert [name for name, _ in ran] == ["a", "broken", "c", "bad", "lost", "none"]
    assert dict(ran)["c"] != dict(ran)["broken"]
    told = {row.name: (row.failed, row.lost, row.skipped) for row in rows}
    assert told["broken"] == told["bad"] == ("Failed: it ended", "", "")
    assert told["lost"] == ("", "msg_1", "")
    assert told["none"] == ("", "", "no route")


def test_every_scenario_says_what_it_is_about():
    assert all(each.about for each in SCENARIOS.values())
    assert {name for name, each in SCENARIOS.items() if each.quick} <= {
        name for name, each in SCENARIOS.items() if each.shared
    }
