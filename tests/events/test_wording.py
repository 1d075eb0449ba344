import re
import unicodedata
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.codec import TYPES, decode
from events.wording import describe, moment, safe
from tests.events.test_catalogue import GOLDEN, golden
from tests.support.builders import NOW

FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
NASTY = st.text() | st.text(alphabet="\x1b[31m\x07\r\n\t\x00\x9b\u202e\u2066\u200b\ufeff\u2028a") | st.binary()


def is_printable(text: str) -> bool:
    return not any(unicodedata.category(each) in FORBIDDEN for each in text)


@given(NASTY, st.integers(0, 50))
def test_nothing_unsafe_comes_through(text: str | bytes, chars_max: int) -> None:
    shown = safe(text, chars_max)
    assert is_printable(shown)
    assert len(shown) <= chars_max + 1


@given(st.text(alphabet="abc äöü€漢字 😀"))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert safe(text) == text


def test_what_is_cut_says_so() -> None:
    assert safe("abcdef", 3) == "abc…"
    assert safe("a\x1b[31mb") == "a·[31mb"


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_event_has_words(path) -> None:
    words = describe(golden(path)[2])
    assert words
    assert is_printable(words)
    assert type(golden(path)[2]).__name__ not in words


@pytest.mark.parametrize("name", sorted(TYPES))
def test_words_are_safe_whatever_strangers_wrote(name: str) -> None:
    path = next(path for path in GOLDEN if path.stem.startswith(f"{name}.v1.full"))
    body = re.sub(rb'x(?="[,}\]])', rb"\\u001b[2J\\u202e", path.read_bytes())
    assert is_printable(describe(decode(name, 1, body)))


def test_moments_are_utc_to_the_millisecond() -> None:
    assert moment(NOW + timedelta(microseconds=1999)) == "2026-01-01 12:00:00.001Z"
