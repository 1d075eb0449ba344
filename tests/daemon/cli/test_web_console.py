"""`hookd console --web`: what it needs, and how the process behind a tab is started."""

import shlex
import sys
from pathlib import Path

import pytest

from daemon.cli import console
from daemon.cli.common import Refused


def test_without_textual_serve_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delitem(sys.modules, "tui.web", raising=False)
    monkeypatch.setitem(sys.modules, "textual_serve.server", None)
    with pytest.raises(Refused, match=r"pip install 'hookd\[web\]'"):
        console.console(web=True, file=tmp_path / "x.jsonl")


def test_the_token_is_given_in_the_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKD_URL", "")
    monkeypatch.setenv("HOOKD_TOKEN", "")
    asked: list[str] = []

    async def serve(command: str, port: int) -> None:
        asked.append(command)

    monkeypatch.setattr(console, "_serve", serve)
    console.console(url="http://127.0.0.1:1", token="an-operators-token", web=True, write=True)
    [command] = asked
    assert "an-operators-token" not in command
    assert shlex.split(command)[-3:] == ["console", "--served", "--write"]
    import os

    assert os.environ["HOOKD_TOKEN"] == "an-operators-token"
