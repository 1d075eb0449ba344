"""Fixtures of the console's tests."""

import pytest

from tests.tui.support import Rig
from tests.tui.world import World


@pytest.fixture
def rig() -> Rig:
    return Rig(World(rate=4200))
