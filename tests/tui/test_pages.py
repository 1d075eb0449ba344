import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.tui.hostile import TEXTS
from tests.tui.world import World
from tui import pages
from tui.frames import Happened
from tui.lines import plain

WORLD = World()
PAGES = (pages.delivery, pages.endpoint, pages.message)
NAMES = (
    "state", "url", "endpoint", "message", "attempts", "attempt", "status", "fault", "detail", "at", "durationMs",
    "request", "headers", "method", "payload", "response", "trail", "type", "partition", "seq", "actor", "nextAt",
    "acceptedAt", "breaker", "disabled", "configuration", "counts", "delivered", "deliveries", "payloadGone",
    "eventType", "channels", "size", "digest", "pending", "reason", "responseBytes", "position",
)  # fmt: skip


def test_a_delivery_is_told_from_its_end() -> None:
    shown = plain(pages.delivery(WORLD.delivery("msg_1", WORLD.endpoints[0]), WORLD.now))
    assert shown.startswith("✓ delivered")
    assert "✗ #1" in shown
    assert "webhook-signature: v1," in shown
    assert '"total": "99.50"' in shown
    assert "Response (34 B)" in shown


def test_a_delivery_without_attempts_says_so() -> None:
    shown = plain(pages.delivery({"state": "waiting", "attempts": []}, None))
    assert "no attempt yet" in shown


def test_an_endpoint_says_why() -> None:
    shown = plain(pages.endpoint(WORLD.endpoint(WORLD.endpoints[2]), WORLD.now))
    assert shown.startswith("✗ open · 10 failures in a row (503) · next probe in 25 s")
    assert "retryDelaysS  [5, 300, 1800]" in shown
    assert "18,211 delivered, 401 failed  97.8%" in shown


def test_the_attempts_of_an_endpoint_as_the_api_lists_them() -> None:
    latest = {"timestamp": "2026-03-04T09:30:00Z", "responseDurationMs": 12, "msgId": "msg_1"}
    good, bad = latest | {"status": 0, "responseStatusCode": 204}, latest | {"status": 2, "responseStatusCode": 0}
    shown = plain(pages.endpoint({"attempts": 3, "latest": [good, bad]}, None))
    assert "✓ 09:30:00.000  204" in shown
    assert "✗ 09:30:00.000  failed" in shown


def test_what_is_pending_has_been_tried_or_not() -> None:
    assert plain(pages.delivery({"state": "pending", "attempts": []}, None)).startswith("○ waiting")
    assert plain(pages.delivery({"state": "pending", "attempts": [{"fault": "dns"}]}, None)).startswith("↻ retrying")
    assert "↻ retrying" in plain(pages.message({"deliveries": [{"state": "pending", "attempts": 2}]}, None))


def test_a_message_and_its_deliveries() -> None:
    shown = plain(pages.message(WORLD.message_answer("msg_1"), WORLD.now))
    assert "↻ retrying    3x" in shown
    assert '"paid": true' in shown
    gone = plain(pages.message({"payloadGone": "erased"}, None))
    assert "the payload is gone: erased" in gone


def test_bodies_are_laid_out_or_left_alone_and_cut() -> None:
    assert plain(pages.body("plain\r\ntext", "-")) == "plain\ntext"
    assert plain(pages.body("[" * 60_000, "-")).count("\n") == 0
    assert "more are not shown" in plain(pages.body("x" * 1_000_000, "-"))
    assert plain(pages.body(None, "nothing")) == "nothing"
    assert "lines more" in plain(pages.body(str(list(range(5000))), "-"))


@pytest.mark.parametrize(("page", "text"), list(itertools.product(PAGES, TEXTS)))
def test_hostile_text_in_every_field_is_harmless(page, text: str) -> None:
    inner = dict.fromkeys(NAMES, text)
    answer = inner | {
        "attempts": [inner | {"request": inner | {"headers": [[text, text]]}}],
        "trail": [inner],
        "deliveries": [inner],
        "configuration": inner, "counts": inner,
    }  # fmt: skip
    shown = plain(page(answer, None))
    assert all(each.isprintable() or each == "\n" for each in shown)


values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.sampled_from(NAMES), inner, max_size=6),
    max_leaves=20,
)


@given(some.dictionaries(some.sampled_from(NAMES), values))
def test_any_json_is_shown_somehow(answer: dict) -> None:
    for page in PAGES:
        plain(page(answer, None))


def test_an_event_is_shown_whole() -> None:
    event = msgspec.convert(WORLD.message()[0], Happened)
    shown = plain(pages.event(event))
    assert shown.startswith("→ MessageAccepted")
    assert '"event_type":' in shown
