from events.catalogue import MessageAccepted
from events.delivery import Delivery, DeliveryState
from events.envelope import Fact
from events.message import Message, born
from tests.support.builders import NOW


def test_a_message_brings_its_deliveries_into_the_world_due_at_once() -> None:
    event = MessageAccepted("app_1", "t", "d", 7, ("ep_1", "ep_2"), ("c",), "e")
    message, deliveries = born(Fact(3, "msg_1", 1, event), event, NOW)
    assert message == Message(3, "app_1", "msg_1", "t", ("c",), "e", "d", 7, 2, NOW)
    assert deliveries == [Delivery(3, "msg_1", key, NOW, NOW) for key in ("ep_1", "ep_2")]
    assert {(each.state, each.attempts, each.version) for each in deliveries} == {(DeliveryState.PENDING, 0, 1)}
