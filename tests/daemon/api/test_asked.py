"""What waits without a task may be waited for in one."""

import asyncio

from daemon.api.asked import Asked


async def test_in_a_task_it_is_waited_for():
    answer = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(Asked(answer, lambda got: got + 1).finished())
    await asyncio.sleep(0)
    assert not task.done()
    answer.set_result(1)
    assert await task == 2
