from datetime import UTC, datetime

from tui.fields import group, moment, number, objects, pairs, text


def test_what_is_of_the_type_asked_for_is_taken() -> None:
    body = {"t": "x", "n": 4, "m": "2026-03-04T09:30:00Z", "o": [{"a": 1}], "g": {"a": 1}, "h": [["k", "v"]]}
    assert text(body, "t") == "x"
    assert number(body, "n") == 4
    assert moment(body, "m") == datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
    assert objects(body, "o") == [{"a": 1}]
    assert group(body, "g") == {"a": 1}
    assert pairs(body, "h") == [("k", "v")]
    assert pairs(body, "g") == [("a", "1")]


def test_everything_else_is_nothing() -> None:
    body = {"x": [], "b": True, "d": "yesterday", "naive": "2026-03-04T09:30:00", "h": [["k"], 3]}
    assert text(body, "x") == ""
    assert number(body, "b") is None
    assert moment(body, "d") is None
    assert moment(body, "naive") is None
    assert moment(body, "x") is None
    assert objects(body, "d") == []
    assert group(body, "x") == {}
    assert pairs(body, "h") == []
    assert pairs(body, "d") == []
