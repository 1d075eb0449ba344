import pytest
from rich.cells import cell_len

from tests.tui.hostile import TEXTS
from tui.lines import Span, centred, clean, crop, fit, line, plain, spread, width, wrap


@pytest.mark.parametrize("text", TEXTS)
def test_clean_text_prints_and_is_bounded(text: str) -> None:
    shown = clean(text)
    assert shown.isprintable()
    assert "\x1b" not in shown
    assert len(shown) <= 4001


def test_plain_text_stays_as_it_is() -> None:
    assert clean("order.created → ✓ 中文") == "order.created → ✓ 中文"
    assert clean("a\tb") == "a    b"


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("cells", [0, 1, 7, 80])
def test_a_line_fits_exactly(text: str, cells: int) -> None:
    assert width(fit(line(("x", "ok"), text), cells)) == cells
    assert width(fit(line(text), cells, "right")) == cells


def test_what_is_cut_off_leaves_a_sign() -> None:
    assert plain([crop(line("abcdef"), 4)]) == "abc…"
    assert plain([crop(line("abcd"), 4)]) == "abcd"
    assert plain([crop(line("中文字"), 4)]) == "中 …"


def test_both_ends_of_a_line() -> None:
    assert plain([spread(line("left"), line("right"), 12)]) == "left   right"
    assert plain([spread(line("a long left"), line("right"), 10)]) == "a l… right"
    assert plain([centred(line("ab"), 6)]) == "  ab"


@pytest.mark.parametrize("text", TEXTS)
def test_wrapping_loses_nothing_and_stays_within(text: str) -> None:
    rows = list(wrap(line(("a ", "ok"), text), 20))
    assert all(width(row) <= 20 for row in rows)
    assert plain(rows).replace("\n", "") == clean("a ") + clean(text)


def test_wrapped_lines_keep_their_indent() -> None:
    assert plain(wrap(line("  abcdefgh"), 6)) == "  abcd\n  efgh"
    assert cell_len(plain(wrap(line("中文字符"), 4)).split("\n")[0]) == 4


def test_a_role_goes_with_its_text() -> None:
    assert line("a", ("b", "ok")) == (Span("a"), Span("b", "ok"))
