from pathlib import Path

from tui.taste import Taste


def test_a_theme_is_kept_and_the_rest_of_the_file_stays(tmp_path: Path) -> None:
    folder = tmp_path / "hookd"
    Taste(folder).keep_theme("hookd-light")
    (folder / "console.toml").write_text((folder / "console.toml").read_text() + "other = 1\n")
    Taste(folder).keep_theme("nord")
    assert (folder / "console.toml").read_text() == 'theme = "nord"\nother = 1\n'
    assert Taste(folder).theme() == "nord"


def test_a_file_that_cannot_be_used_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "console.toml").write_text('theme = "../../x"\n')
    assert Taste(tmp_path).theme() is None
    (tmp_path / "console.toml").write_bytes(b"\xff = [")
    assert Taste(tmp_path).theme() is None
    Taste(tmp_path / "console.toml").keep_theme("nord")
    Taste(None).keep_theme("nord")
    assert Taste(None).theme() is None
