import pytest

from events.positions import BadPositions, parse, spell


def test_there_and_back():
    assert spell((120, 4, 0, 77)) == "120.4.0.77"
    assert parse("120.4.0.77", 4) == (120, 4, 0, 77)
    assert parse(spell([2**63 - 1]), 1) == (2**63 - 1,)


@pytest.mark.parametrize("text", ["", "1", "1.2.3", "1.x", "1.-2", "1. 2", "1.٢", f"1.{2**63}", "1.2\n", "1..2"])
def test_what_names_no_place(text):
    with pytest.raises(BadPositions):
        parse(text, 2)
