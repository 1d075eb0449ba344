from daemon.batch import payload_bytes, payload_of
from events.application import CreateApplication
from events.message import AcceptMessage, AcceptTogether


def message(number: int) -> AcceptMessage:
    return AcceptMessage(f"msg_{number}", "app_1", "t", b"x" * number, "d")


def test_each_message_of_a_group_has_its_own_payload() -> None:
    together = AcceptTogether((message(1), message(2), message(3)))
    assert [payload_of(together, nth) for nth in range(3)] == [b"x", b"xx", b"xxx"]
    assert payload_of(message(4), 0) == b"xxxx"


def test_payloads_weigh_what_they_hold_and_other_commands_nothing() -> None:
    assert payload_bytes(message(7)) == 7
    assert payload_bytes(AcceptTogether((message(1), message(2)))) == 3
    assert payload_bytes(CreateApplication("app_1", "org_1", "N")) == 0
