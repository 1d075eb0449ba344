import stat
from pathlib import Path

from tui.saving import save, told


def test_a_name_from_outside_stays_in_the_folder_and_nothing_is_overwritten(tmp_path: Path) -> None:
    first = save(tmp_path, "../../msg_1/\x1b]ep\n1", "a")
    second = save(tmp_path, "../../msg_1/\x1b]ep\n1", "b\ud800")
    assert (first.parent, first.name) == (tmp_path, "hookd-msg_1-ep-1.txt")
    assert second.name == "hookd-msg_1-ep-1-2.txt"
    assert (first.read_text(), second.read_text()) == ("a", "b?")
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert save(tmp_path, "../..", "").name == "hookd-screen.txt"
    assert len(save(tmp_path, "x" * 500, "").name) < 100


def test_where_it_is_said_harmlessly() -> None:
    assert "\x1b" not in told(Path("/tmp/\x1b]x"))
