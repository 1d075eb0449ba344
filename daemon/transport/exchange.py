"""One request on its way, and the promise that its caller hears of it exactly once."""

from collections.abc import Callable

import msgspec
import structlog

from daemon.transport.destination import Destination
from events.outcome import Fault, Outcome

log = structlog.get_logger()

Done = Callable[[Outcome], None]


class Exchange(msgspec.Struct, eq=False):
    """A request, from the call until its outcome. Times are the loop's, in seconds."""

    destination: Destination
    request: bytes  # head and body
    began_at: float
    deadline_at: float
    done: Done | None  # None once it was told
    retried: bool = False

    @property
    def ended(self) -> bool:
        """Whether the caller has been told."""
        return self.done is None

    def end(self, outcome: Outcome) -> bool:
        """Tell the caller, the first time only; say whether this was it."""
        done, self.done = self.done, None
        if done is None:
            return False
        try:
            done(outcome)
        except Exception:
            log.exception("outcome_callback_failed", authority=self.destination.authority)
        return True

    def failure(self, fault: Fault, now: float, detail: str) -> Outcome:
        """Say how a request ended that got no answer."""
        return Outcome(fault, self.duration_ms(now), detail=detail)

    def duration_ms(self, now: float) -> int:
        """Return the time since the call, connecting and resolving included."""
        return round((now - self.began_at) * 1000)
