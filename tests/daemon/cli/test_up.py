import pytest

from daemon.cli.common import Refused
from daemon.cli.up import started
from events.log import Unavailable


class Lost:
    async def start(self) -> None:
        raise Unavailable("remaining connection slots are reserved")


async def test_a_database_that_goes_while_everything_starts_is_said_in_words() -> None:
    with pytest.raises(Refused, match="remaining connection slots"):
        await started(Lost())
