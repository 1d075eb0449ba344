"""A whole small measurement, with a real hookd: the benchmark itself must not rot."""

import pytest

from benchmarks.bench import Lost, Options, wanted_keys
from benchmarks.report import Progress
from benchmarks.rounds import bench_of


def test_every_id_is_wanted_at_every_endpoint():
    assert wanted_keys(b"msg_a 0\nmsg_b 7\n", "g", 2) == [
        b"msg_a/g/0/0", b"msg_a/g/0/1", b"msg_b/g/7/0", b"msg_b/g/7/1",
    ]  # fmt: skip


async def test_what_is_accepted_is_found_and_counted(monkeypatch):
    options = Options(quick=True, settings={"RETRY_DELAYS_S": "0.05,0.05,0.05"})
    async with bench_of(options, Progress()) as bench:
        group = await bench.group("few", 3, 2)
        done = await bench.saturate(group, messages=20, connections=2, bare=False)
        assert (done.figures["deliveries"], done.figures["duplicates"]) == (40, 0)
        assert done.figures["daemon_us"] >= 0
        late = await bench.at_rate(group, 0.2, rate=200)
        assert late.figures["samples"] == bench.last_report["count"] > 0
        assert "worst of 0.2 s" in late.notes[-1]
        failing = await bench.group("failing", 3, 1, refused=0.9)
        done = await bench.saturate(failing, messages=20, connections=2, bare=False)
        assert done.figures["deliveries"] == 20
        assert bench.last_report["refused"] > 0
        monkeypatch.setattr("benchmarks.bench.DRAIN_S", 0.0)
        group.name = "others"  # which nothing arrives for
        with pytest.raises(Lost, match="did not arrive"):
            await bench.send(group, count=3)
