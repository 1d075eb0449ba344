"""hookd's own routes."""

import pytest

from daemon.api.own import Thresholds, readiness
from tests.daemon.api.running import Vitals, serve


@pytest.fixture
async def running(database):
    async with serve(database) as it:
        yield it


async def test_alive_whatever_happens(running):
    running.vitals.database_ok = False
    response = await running.client.get("/healthz")
    assert (response.status, await response.json()) == (200, {"status": "alive"})


async def test_ready(running):
    response = await running.client.get("/readyz")
    told = await response.json()
    assert (response.status, told["ready"], told["in_flight"], told["queue"]) == (200, True, 3, 4)
    assert told["checks"]["loop"] == {"ok": True, "value": 0.001, "max": 1.0}
    assert told["checks"]["deliveries"] == {"ok": True, "value": None, "max": 60.0}


@pytest.mark.parametrize(
    ("name", "value", "check"),
    [
        ("stopping", True, "running"),
        ("database_ok", False, "database"),
        ("oldest_due_s", 61.0, "deliveries"),
        ("loop_lag_s", 1.1, "loop"),
        ("served_partitions", 0, "partitions"),
    ],
)
async def test_not_ready(running, name, value, check):
    setattr(running.vitals, name, value)
    response = await running.client.get("/readyz")
    told = await response.json()
    assert (response.status, told["ready"]) == (503, False)
    assert [name for name, each in told["checks"].items() if not each["ok"]] == [check]


async def test_a_log_that_was_tampered_with_is_shown_but_keeps_nobody_out(running):
    running.vitals.barred_trees = 2
    response = await running.client.get("/readyz")
    told = await response.json()
    assert (response.status, told["ready"]) == (200, True)
    assert told["checks"]["log"] == {"ok": False, "value": 2.0, "max": 0.0}


def test_thresholds_are_parameters():
    vitals = Vitals(oldest_due_s=61.0, loop_lag_s=3.0)
    assert readiness(vitals, Thresholds(oldest_due_max_s=100, loop_lag_max_s=5)).ready


async def test_metrics(running):
    response = await running.client.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain")
    assert "hookd_seen_total 7.0" in await response.text()
