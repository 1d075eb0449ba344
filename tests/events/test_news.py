import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.news import TEXT_BYTES_MAX, News, parse, spell

PARTITIONS = st.none() | st.frozensets(st.integers(0, 32_767))


@given(st.text(min_size=1, max_size=300), PARTITIONS, PARTITIONS)
def test_what_was_spelled_is_parsed(sender: str, config, events) -> None:
    news = News(sender, config, events)
    told = parse(spell(news))
    assert told is not None
    assert told.sender == sender
    for asked, answered in ((config, told.config), (events, told.events)):
        assert answered in (asked, None), "any of them, where it would be too long"


def test_a_list_that_is_too_long_is_all_of_them() -> None:
    news = News("web-1:77:abcd", frozenset(range(20_000)), frozenset({1}))
    assert parse(spell(news)) == News("web-1:77:abcd", None, None)
    for count in (1, 1400, 1500, 1600, 20_000):
        assert len(spell(News("web-1", frozenset(range(count)), frozenset(range(count)))).encode()) <= TEXT_BYTES_MAX


def test_nothing_is_nothing_and_not_everything() -> None:
    assert parse(spell(News("me"))) == News("me", frozenset(), frozenset())
    assert spell(News("me", frozenset({10, 2}), None)) == "me 2,10 *"


@pytest.mark.parametrize("text", ["", "me", "me 1", "me one 2", "me 1 2 three", "\x00", "{}", "a b c d 1 2.5"])
def test_what_another_release_says_is_not_understood_and_no_fault(text: str) -> None:
    assert parse(text) is None
