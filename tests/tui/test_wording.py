from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len
from rich.text import Text

from events.codec import TYPES
from tests.tui.hostile import TEXTS
from tui import wording

NOW = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.3, "0.3 s"),
        (9.96, "10 s"),
        (119, "119 s"),
        (200, "3 m 20 s"),
        (7200, "2 h"),
        (187_200, "2 d 4 h"),
        (None, "-"),
    ],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert wording.duration(seconds) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0"), (950, "950"), (9512, "9,512"), (12_345, "12.3k"), (999_999, "1.0M"), (4.1e6, "4.1M")],
)
def test_counts_are_short(number: float, words: str) -> None:
    assert wording.count(number) == words
    assert len(words) <= 6


def test_small_rates_have_a_tenth() -> None:
    assert (wording.rate(0.4), wording.rate(0), wording.rate(42.0)) == ("0.4", "0", "42")


def test_sizes_and_times() -> None:
    assert (wording.size(100), wording.size(2048), wording.size(None)) == ("100 B", "2.0 KiB", "-")
    assert (wording.ms(4.25), wording.ms(84), wording.ms(15_200), wording.ms(None)) == ("4.2", "84", "15.2 s", "-")
    assert wording.clock_ms(NOW) == "09:30:00.000"


def test_a_hundred_per_cent_means_all() -> None:
    assert wording.share(10, 10) == "100%"
    assert wording.share(99_999, 100_000) == "99.9%"
    assert wording.share(0, 0) == "-"


def test_moments_are_said_from_now() -> None:
    assert wording.until(NOW + timedelta(seconds=8), NOW) == "in 8 s"
    assert wording.until(NOW - timedelta(minutes=3), NOW) == "3 m ago"
    assert wording.until(NOW, NOW) == "now"
    assert wording.until(NOW, None) == "09:30:00"


def test_a_url_is_told_by_host_and_path() -> None:
    assert wording.host("https://user:secret@h.example:8443/x?token=1") == "h.example:8443/x"
    assert wording.host("http://h.example/") == "h.example"
    for text in TEXTS:
        wording.host(text)


def test_silence_looks_silent() -> None:
    assert wording.spark([0, 4, 8], 4) == "  ▄█"
    assert wording.spark([], 3) == "   "


def test_every_state_has_a_word_and_a_glyph_of_one_cell() -> None:
    for look in (*wording.DELIVERY.values(), *wording.BREAKER.values(), *wording.LINK.values()):
        assert look.word
        assert cell_len(look.glyph) == 1
    words = [look.word for look in wording.DELIVERY.values()]
    assert len(words) == len(set(words))
    assert wording.delivery("novel").word == "novel"
    assert wording.breaker("closed", "by hand").word == "disabled"


def test_every_event_has_a_glyph() -> None:
    assert all(cell_len(wording.event(type_)[0]) == 1 for type_ in TYPES)


def test_text_for_a_widget_has_no_markup() -> None:
    shown = wording.safe_text("[/boom]\x1b]0;x\x07", "ok")
    assert isinstance(shown, Text)
    assert shown.plain == "[/boom]·]0;x·"


def test_ids_are_cut_where_they_are_alike() -> None:
    assert wording.short("msg_3ATVZAhYrdYCQxLbitUm0ZJA1A9") == "msg_…ZJA1A9"
    assert wording.short("ep_1") == "ep_1"
