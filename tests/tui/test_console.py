from tests.tui.support import Rig
from tui.console import Console


def test_the_application_is_what_screens_take_it_for() -> None:
    app = Rig().app
    asked = {name for name in (*vars(Console), *Console.__annotations__) if not name.startswith("_")}
    assert {"board", "now", "go_to"} <= asked
    assert all(hasattr(app, name) for name in asked)
