from types import SimpleNamespace

from prometheus_client import generate_latest

from daemon.metrics import Metrics
from daemon.notary import Seals
from daemon.payloads import Payloads
from daemon.vitals import Vitals
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
    metrics = Metrics(made.recorder, made.dispatcher, transport, Payloads(10), vitals)
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
