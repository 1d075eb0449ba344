"""`.env.example` is complete, says what the settings say, and shows the real defaults."""

import re
from pathlib import Path

from daemon.settings import COMPOSE_ONLY, VARIABLES, Settings

TEXT = (Path(__file__).parents[1] / ".env.example").read_text()
SHOWN = dict(re.findall(r"^#([A-Z][A-Z0-9_]*)=(.*)$", TEXT, re.MULTILINE))


def test_every_variable_is_there_and_no_other() -> None:
    assert SHOWN.keys() == VARIABLES.keys() | COMPOSE_ONLY


def test_each_has_its_one_line() -> None:
    for name, field in VARIABLES.items():
        assert f"# {field.description}\n#{name}=" in TEXT


def test_the_defaults_shown_are_the_defaults() -> None:
    shown = {name.lower(): value for name, value in SHOWN.items() if value and name in VARIABLES}
    assert Settings(**shown) == Settings()
