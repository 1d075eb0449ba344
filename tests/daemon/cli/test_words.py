import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.cli.audit.words import WIDTH_MIN, Page, fact_as_json, past_as_json, shown
from events.append import Append
from events.catalogue import ApplicationUpdated, AttemptFailed
from events.envelope import Recorded
from events.outcome import Fault
from events.past import Past, Thing
from events.when import Position
from tests.support.builders import APP, EP, MSG, NOW, P, accepting, born_in, changing, creating, moving

ESCAPE = re.compile("\x1b\\[[0-9;]*m")


def facts(detail: str = "") -> list[Recorded]:
    append = Append(NOW)
    changing(append, creating(append, name=detail or "A"), APP, ApplicationUpdated(detail or "B"))
    accepting(append, EP)
    moving(append, born_in(append)[0], AttemptFailed(1, Fault.TLS, 1, 1, 1, detail=detail, next_at=NOW))
    return append.recorded({P: 0})


@given(st.text(max_size=300), st.integers(WIDTH_MIN, 200))
def test_a_fact_fits_the_terminal_whatever_it_says(detail: str, width: int) -> None:
    for each in facts(detail):
        plain = Page(width=width, colour=False).fact(each, MSG)
        lines = plain.split("\n")
        assert all(len(line) <= width for line in lines)
        assert all(line.startswith("    ") for line in lines[1:])
        assert not any(char < " " for line in lines for char in line)
        assert ESCAPE.sub("", Page(width=width, colour=True).fact(each, MSG)) == plain


def test_whose_fact_it_is_is_said_where_it_was_not_asked() -> None:
    created, _, accepted, failed = facts("late")
    page = Page(width=1000, colour=False)
    assert page.fact(failed, MSG).endswith("  → ep_1  by test")
    assert page.fact(failed, EP).endswith("  msg_1  by test")
    assert page.fact(failed, f"{MSG}/{EP}").endswith("12:00:00.000Z  by test")
    assert page.fact(accepted, EP).endswith("  msg_1  by test")
    assert page.fact(created, APP) == (
        "2026-01-01T12:00:00.000000Z  0/1  application created: late  by test  request req_1"
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "-"),
        ("a\x1b[2Jb", "a·[2Jb"),
        ({"a": ["ü"]}, '{"a": ["ü"]}'),
        (True, "true"),
        (["a", "b"], '["a", "b"]'),
    ],
)
def test_values_are_shown_safely(value: object, expected: str) -> None:
    assert shown(value) == expected


def test_fields_are_aligned_and_cut_to_the_page() -> None:
    text = Page(width=60, colour=False).fields({"name": "word " * 20, "a_long_name": 1, "nothing": None})
    lines = text.split("\n")
    assert all(len(line) <= 60 for line in lines)
    assert lines[0].startswith("  name:        word word")
    assert lines[1].startswith("               word")
    assert lines[-2:] == ["  a_long_name: 1", "  nothing:     -"]


def test_a_state_for_programs() -> None:
    told = facts()
    thing = Thing(P, APP)
    assert past_as_json(Past(thing), Position(P, 0)) == {
        "id": APP, "kind": None, "position": "0/0", "standing": "not_yet", "last": None, "state": None
    }  # fmt: skip
    was = past_as_json(Past(thing, told[:1]), Position(P, 3))
    assert was["last"] == fact_as_json(told[0])
    assert (was["position"], was["standing"], was["state"]["name"]) == ("0/3", "live", "A")
