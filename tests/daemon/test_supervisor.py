import asyncio

import pytest
from structlog.testing import capture_logs

from daemon.supervisor import RESTART_DELAY_MAX_S, STEADY_S, Supervisor
from tests.support.virtual_loop import virtual


class Service:
    """Ends as told, and notes when it began."""

    def __init__(self, end, after_s: float = 0.0) -> None:
        self.end = end
        self.after_s = after_s
        self.began: list[float] = []

    async def run(self) -> None:
        self.began.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.after_s)
        await self.end()


async def returns() -> None:
    pass


async def raises() -> None:
    raise RuntimeError("broken")


async def awaits_what_is_cancelled() -> None:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@pytest.mark.parametrize("end", [returns, raises, awaits_what_is_cancelled])
@virtual
async def test_whatever_ends_is_started_again_ever_more_slowly(end) -> None:
    supervisor, service = Supervisor(), Service(end)
    with capture_logs() as logs:
        supervisor.service("s", service.run)
        await asyncio.sleep(300)
        await supervisor.stop()
    waits = [later - before for before, later in zip(service.began, service.began[1:], strict=False)]
    assert waits[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert max(waits) == pytest.approx(RESTART_DELAY_MAX_S)
    assert supervisor.restarts["s"] >= len(waits)
    assert {each["event"] for each in logs} <= {"service_returned", "service_failed"}


@virtual
async def test_after_a_steady_time_it_starts_again_at_once() -> None:
    supervisor, service = Supervisor(), Service(returns, STEADY_S + 1)
    with capture_logs():
        supervisor.service("s", service.run)
        await asyncio.sleep(5 * (STEADY_S + 1.2))
        await supervisor.stop()
    waits = [later - before for before, later in zip(service.began, service.began[1:], strict=False)]
    assert waits == pytest.approx([STEADY_S + 1.1] * len(waits))


@virtual
async def test_stop_ends_all_and_twice_is_fine() -> None:
    supervisor = Supervisor()
    tasks = [supervisor.service(str(n), Service(returns, 1e9).run) for n in range(3)]
    await asyncio.sleep(1)
    await supervisor.stop(tasks[0])
    assert [task.done() for task in tasks] == [True, False, False]
    await supervisor.stop()
    await supervisor.stop()
    assert all(task.cancelled() for task in tasks)


@virtual
async def test_a_job_may_return_and_what_it_raises_is_logged() -> None:
    supervisor = Supervisor()
    with capture_logs() as logs:
        await supervisor.job("good", returns())
        await supervisor.job("bad", raises())
    assert [(each["event"], each["task"]) for each in logs] == [("job_failed", "bad")]
