import asyncpg
import pytest

from events import codec
from events.catalogue import MessageAccepted
from events.delivery import Delivery, DeliveryState
from events.envelope import Fact
from events.message import APPLICATION_CHARS_MAX, Message, born, listed
from tests.support.builders import NOW


def test_a_message_brings_its_deliveries_into_the_world_due_at_once() -> None:
    event = MessageAccepted("app_1", "t", "d", 7, ("ep_1", "ep_2"), ("c",), "e")
    message, deliveries = born(Fact(3, "msg_1", 1, event), event, NOW)
    assert message == Message(3, "app_1", "msg_1", "t", ("c",), "e", "d", 7, 2, NOW)
    assert deliveries == [Delivery(3, "msg_1", key, NOW, NOW) for key in ("ep_1", "ep_2")]
    assert {(each.state, each.attempts, each.version) for each in deliveries} == {(DeliveryState.PENDING, 0, 1)}


@pytest.mark.parametrize(
    ("application", "found"),
    [
        ("app_1", True),
        ("x" * APPLICATION_CHARS_MAX, True),
        ("x" * (APPLICATION_CHARS_MAX + 1), False),
        ("app é", False),
        ('app "', False),
        ("app \\", False),
        ("app \n", False),
        ("", True),
    ],
)
async def test_whose_messages_they_are_is_told_as_the_database_reads_it(
    database: str, application: str, *, found: bool
) -> None:
    body = codec.encode(MessageAccepted(application, "t", "d", 7, ()))
    assert listed(body, application) == found
    assert not listed(b'{ "application":"app_1"}', "app_1")
    connection = await asyncpg.connect(database)
    whose = await connection.fetchval("select log.whose(null, 'MessageAccepted', $1)", body)
    assert (whose == application) == found
    await connection.close()
