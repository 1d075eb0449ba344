"""In simulations little happens: what is done once in thousands of events is done once in a few."""

import pytest

from daemon import untried


@pytest.fixture(autouse=True)
def short_tails(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, events in {"TAIL": 12, "TAIL_MAX": 60, "STEP": 3, "FEW": 2}.items():
        monkeypatch.setattr(untried, name, events)
