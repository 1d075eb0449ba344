"""What the commands share: settings with their errors in words, and the loop to run in."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class Refused(Exception):
    """The command cannot be done as asked; the text says why and what to do."""


def settings_or_refuse(**given: Any) -> Any:
    """The settings, options of the command winning; Refused names every bad variable."""
    from daemon.postgres.account import default_home
    from daemon.settings import BadSettings, load

    try:
        return load(default_home=default_home, **given)
    except BadSettings as bad:
        lines = "\n  ".join(bad.problems)
        raise Refused(f"these settings need attention (see .env.example):\n  {lines}") from None
    except OSError as error:
        raise Refused(f"the data home cannot be used: {error}") from None


def sealer_of(settings: Any) -> Any:
    """What seals and opens secrets by the settings' keys."""
    import secrets

    from daemon.sealing import Sealer

    return Sealer(settings.sealing_key_bytes, secrets.token_bytes)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop where there is one."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(work)


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def tilde(path: Path) -> str:
    """A path as people write it."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) and path != home else str(path)
