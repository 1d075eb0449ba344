from tui.matching import Filter


def test_all_words_must_be_there_in_any_case() -> None:
    found = Filter("Timeout shop")
    assert found.matches("shop.example TIMEOUT: 15 s")
    assert not found.matches("shop.example 200")
    assert found.words == "/timeout shop"


def test_a_mark_turns_it_about() -> None:
    assert not Filter("!delivered").matches("delivered")
    assert Filter("!delivered").matches("retrying")
    assert Filter("!delivered", inverted=True).matches("delivered")
    assert Filter("!x").words == "/!x"


def test_nothing_typed_lets_all_through() -> None:
    for typed in ("", "  ", "!"):
        assert not Filter(typed).active
        assert Filter(typed).over([1, 2], str) == [1, 2]
    assert Filter("2").over([1, 2], str) == [2]
