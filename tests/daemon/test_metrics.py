from types import SimpleNamespace
from unittest.mock import AsyncMock

from prometheus_client import generate_latest

from daemon.live.neighbours import Neighbours
from daemon.metrics import Metrics
from daemon.notary import Seals
from daemon.payloads import Payloads
from daemon.vitals import Vitals
from events.log import Roll
from tests.daemon.test_dispatcher import house, messages
from tests.support.simulated import always, failed, ok
from tests.support.virtual_loop import virtual


@virtual
async def test_the_numbers_are_those_of_the_log() -> None:
    made = await house()
    transport = SimpleNamespace(stats=SimpleNamespace(open=1, opened=2, reused=3))
    seals = Seals()
    made.recorder.followers.append(seals.follow)
    vitals = Vitals(made.recorder, made.dispatcher, made.clock, seals)
    neighbours = Neighbours(made.log, "me", made.clock)
    metrics = Metrics(made.recorder, made.dispatcher, transport, Payloads(10), vitals, neighbours)
    application = await made.application()
    await made.endpoint(application, always(ok(took_s=0.2)))
    await made.endpoint(application, always(failed(410)))
    await messages(made, application, 1)
    await made.settled(60)
    lines = dict(
        line.rsplit(" ", 1) for line in generate_latest(metrics.registry).decode().splitlines() if line[0] != "#"
    )
    expected = {
        "hookd_messages_accepted_total": 1, "hookd_deliveries_created_total": 2, "hookd_attempts_in_flight": 0,
        'hookd_deliveries_ended_total{state="delivered"}': 1, 'hookd_deliveries_ended_total{state="gone"}': 1,
        'hookd_attempts_failed_total{fault="status"}': 1, "hookd_database_up": 1, "hookd_connections_opened_total": 2,
        'hookd_attempt_duration_seconds_bucket{le="0.1"}': 1, "hookd_attempt_duration_seconds_count": 2,
        'hookd_attempt_duration_seconds_bucket{le="+Inf"}': 2, "hookd_partitions_owned": 4,
        "hookd_log_sealed_age_seconds": -1, "hookd_log_barred_partitions": 0,
    }  # fmt: skip
    assert {name: float(lines[name]) for name in expected} == expected
    assert float(lines["hookd_log_unsealed_events"]) > 0
    assert "ep_" not in str(lines)


def lines_of(metrics: Metrics) -> dict[str, float]:
    lines = generate_latest(metrics.registry).decode().splitlines()
    return {name: float(value) for name, value in (each.rsplit(" ", 1) for each in lines if each[0] != "#")}


@virtual
async def test_whichever_worker_is_asked_answers_for_all_behind_the_address() -> None:
    reports: dict[str, str] = {}
    workers = []
    for name in ("host:1:ab/1", "host:1:ab/2", "other:1:cd/1"):
        made = await house()
        made.log.told = AsyncMock(return_value=reports)
        transport = SimpleNamespace(stats=SimpleNamespace(open=1, opened=2, reused=3))
        vitals = Vitals(made.recorder, made.dispatcher, made.clock, Seals())
        neighbours = Neighbours(made.log, name, made.clock)
        metrics = Metrics(made.recorder, made.dispatcher, transport, Payloads(10), vitals, neighbours)
        neighbours.looked(Roll(("alone", "host:1:ab/1", "host:1:ab/2", "host:1:ab/3", "other:1:cd/1"), ()))
        workers.append((made, metrics, neighbours))
    for made, _, _ in workers[:2]:
        await made.endpoint(application := await made.application(), always(ok(took_s=0.2)))
        await messages(made, application, 2)
        await made.settled(60)
    reports |= {name: neighbours.report() or "" for _, _, neighbours in workers for name in [neighbours.name]}
    reports |= {"host:1:ab/3": '{"numbers":{"gauges":1}}', "alone": "{}"}
    for _, metrics, _ in workers[:2]:
        await metrics.hear()
        found = lines_of(metrics)
        for number in "12":
            assert found[f'hookd_messages_accepted_total{{process="{number}"}}'] == 2
            assert found[f'hookd_deliveries_ended_total{{process="{number}",state="delivered"}}'] == 2
            assert found[f'hookd_attempt_duration_seconds_count{{process="{number}"}}'] == 2
            assert found[f'hookd_attempt_duration_seconds_bucket{{le="+Inf",process="{number}"}}'] == 2
        assert not [name for name in found if 'process="3"' in name]
    await workers[2][1].hear()
    assert 'hookd_messages_accepted_total{process="2"}' not in lines_of(workers[2][1])
    assert len(reports["host:1:ab/1"]) < 2000, "larger ones do not lie in the row itself"
