import ast
from pathlib import Path

import pytest

import tui
from tests.tui.fake_daemon import spoil
from tests.tui.hostile import MIXED, SENDABLE, TEXTS
from tests.tui.support import Rig, frames_of
from tui.frames import Link, Reset
from tui.taste import Taste
from tui.themes import DARK, LIGHT

ROOT = Path(tui.__file__).parent


async def test_a_recording_that_goes_back_makes_another_board(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)) as pilot:
        await rig.live(pilot, 2)
        board = rig.app.board
        await rig.give(pilot, Reset())
        assert rig.app.board is not board
        assert rig.app.board.link.state == "live"
        await rig.live(pilot)
        assert "accepted" in rig.text()


async def test_the_theme_is_kept(tmp_path: Path) -> None:
    rig = Rig(taste=Taste(tmp_path))
    async with rig.app.run_test() as pilot:
        assert rig.app.theme == DARK.name
        rig.app.theme = LIGHT.name
        await pilot.pause()
    again = Rig(taste=Taste(tmp_path))
    async with again.app.run_test():
        assert again.app.theme == LIGHT.name


async def test_the_palette_has_every_view_and_action(rig: Rig) -> None:
    async with rig.app.run_test(size=(100, 40)) as pilot:
        await pilot.press("2")
        titles = {each.title for each in rig.app.get_system_commands(rig.app.screen)}
        assert {"Overview (1)", "Targets (3)", "Pause (p)", "Filter (/)", "Theme", "Quit (q)"} <= titles
        await pilot.press("ctrl+p", *"targets", "enter")
        await pilot.pause()
        await rig.settle(pilot)
        assert rig.app.current_mode == "targets"


async def test_q_quits_and_escape_never_does(rig: Rig) -> None:
    async with rig.app.run_test() as pilot:
        await pilot.press("escape", "escape")
        assert rig.app.is_running
        await pilot.press("q")
    assert rig.app.return_code == 0


async def test_a_recordings_keys_are_not_there_while_live(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("P", "full_stop")
        assert "Play" not in rig.text()


async def test_without_colours_all_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    rig = Rig()
    async with rig.app.run_test(size=(140, 40)) as pilot:
        assert rig.app.no_color
        await pilot.press("2")
        await rig.live(pilot, 2)
        strips = rig.app.screen._compositor.render_strips()
        # every colour that reaches the terminal is a grey
        assert "✓ delivered" in rig.text()
        assert "▌" in rig.text()  # the cursor has a glyph
        assert strips


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_hostile_text_on_every_screen_is_only_text(size: tuple[int, int]) -> None:
    rig = Rig()
    async with rig.app.run_test(size=size) as pilot:
        await rig.live(pilot, 1)
        events, stats = rig.world.second(len(TEXTS) * 3)
        spoil(events, stats)
        for at, event in enumerate(events):
            event["body"]["novel"] = TEXTS[at % len(TEXTS)]
            event["request"] = TEXTS[at % len(TEXTS)]
        await rig.give(pilot, *frames_of(events, stats))
        for key in "1234":
            await pilot.press(key)
            await rig.settle(pilot)
            await pilot.press("g", "j", "j", "pagedown", "y", "slash", "x", "escape", "G")
            assert_harmless(rig)
        for text in MIXED:  # each alone, in every field: tests/tui/test_pages.py
            nasty = dict.fromkeys(
                ("state", "url", "eventType", "breaker", "breakerReason", "description", "reason"), text
            )
            attempts = [
                {
                    "fault": each,
                    "detail": each,
                    "response": each,
                    "request": {"headers": [[each[:200], each[:2000]] for each in SENDABLE], "url": each},
                }
                for each in (*SENDABLE, text)
            ]
            rig.source.answers = dict.fromkeys(
                ("delivery", "endpoint", "message"),
                nasty | {"attempts": attempts, "payload": text, "configuration": {each: each for each in SENDABLE}},
            )
            for identifier in ("msg_1/ep_1", "msg_1", "ep_1", f"msg_{text[:50]}"):
                rig.app.go_to(identifier)
                await rig.settle(pilot)
                await pilot.press("c", "G")
                assert_harmless(rig)
                await pilot.press("escape")
        rig.app.say(TEXTS[4])
        await rig.give(pilot, Link("lost", TEXTS[4] + TEXTS[0], rig.time + 1, 1))
        assert_harmless(rig)


def assert_harmless(rig: Rig) -> None:
    shown = rig.text()
    assert "\x1b" not in shown
    assert all(each.isprintable() or each == "\n" for each in shown)


def test_nothing_shows_text_but_what_makes_it_harmless() -> None:
    """Textual's own text widgets, which read markup, are not used; notices go through one method."""
    for path in ROOT.rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "textual.widgets":
                assert {each.name for each in node.names} <= {"Input", "Footer"}, path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "notify":
                assert any(each.arg == "markup" and ast.unparse(each.value) == "False" for each in node.keywords), (
                    path
                )
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Segment":
                assert path.name == "paint.py", path


async def test_brackets_turn_the_views(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)) as pilot:
        seen = []
        for key in ("]", "]", "[", "[", "["):
            await pilot.press({"]": "right_square_bracket", "[": "left_square_bracket"}[key])
            seen.append(rig.app.current_mode)
        assert seen == ["deliveries", "targets", "deliveries", "overview", "log"]
