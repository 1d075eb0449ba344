"""What every route works with: one way to ask for a change, one way to read."""

from asyncio import Future
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from daemon.acting import Acts
from daemon.batch import Answer
from daemon.clock import Clock
from daemon.expunging import Expunger
from daemon.recorder import Recorder
from daemon.sealing import Sealer
from events import ids
from events.decide import Command
from events.refusal import Refusal
from events.views import Views
from events.world import World


@dataclass(frozen=True)
class Desk:
    """The daemon, as the API sees it."""

    recorder: Recorder
    world: World
    views: Views
    sealer: Sealer
    clock: Clock
    entropy: Callable[[int], bytes]
    expunger: Expunger
    acts: Acts

    def mint(self, prefix: str) -> str:
        """A new id of this kind."""
        return ids.mint(prefix, self.clock.now(), self.entropy(ids.ENTROPY_BYTES))

    def ask(self, command: Command, actor: str, request: str | None) -> Future[Answer | Refusal]:
        """Have a command decided and committed. recorder.Busy; log.Unavailable when nothing is certain."""
        return self.recorder.ask(command, actor, request)

    def ask_all(self, commands: Sequence[Command], actor: str, request: str | None) -> Future[list[Answer | Refusal]]:
        """Have many commands decided and committed, each for itself, in as few commits as they fit. As `ask`."""
        self.recorder.admit()
        return self.recorder.ask_all(commands, actor, request)
