from datetime import UTC, datetime

from tui.frames import Happened
from tui.summary import summary

AT = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)


def test_the_catalogues_own_words() -> None:
    event = Happened(0, 1, AT, "ep_1", "EndpointDisabled", body={"reason": "by\x1b hand"})
    assert summary(event) == "endpoint disabled: by· hand"


def test_of_another_release_the_body() -> None:
    assert summary(Happened(0, 1, AT, "x", "NeverHeardOf", body={"a": "\x1b"})) == '{"a": "\\u001b"}'
    assert summary(Happened(0, 1, AT, "x", "EndpointDisabled", body={"reason": 4})) == '{"reason": 4}'
