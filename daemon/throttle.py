"""A rate limit that says when, and never sleeps: the generic cell rate algorithm (ITU-T I.371). Pure."""

from collections.abc import Sequence

from events.world import World


class Throttle:
    """At most `rate` a second, evenly; after a quiet second up to `burst` at once."""

    __slots__ = ("_full_at", "interval_s", "tolerance_s")

    def __init__(self, rate: int, burst: int | None = None) -> None:
        self.interval_s = 1 / rate
        self.tolerance_s = self.interval_s * ((burst or max(1, rate // 10)) - 1)
        self._full_at = 0.0

    def free_at(self) -> float:
        """The time, in the caller's seconds, from which on the next may go."""
        return self._full_at - self.tolerance_s

    def spend(self, now: float) -> None:
        """One goes now."""
        self._full_at = max(self._full_at, now) + self.interval_s


class Throttles:
    """The rates of applications, each shared by all its endpoints."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[str, Throttle] = {}

    def of(self, application_id: str) -> Throttle | None:
        """The rate of an application as it is set now; None: it has none."""
        application = self._world.application(application_id)
        if application is None or application.throttle_rate is None:
            return None
        known = self._known.get(application.id)
        if known is None or known.interval_s != 1 / application.throttle_rate:
            known = self._known[application.id] = Throttle(application.throttle_rate)
        return known

    def beside(self, own: Throttle | None, application_id: str) -> Sequence[Throttle]:
        """The rates that an endpoint with a rate of its `own` keeps to: few have any."""
        shared = self.of(application_id)
        if own is None and shared is None:
            return ()
        return [each for each in (own, shared) if each is not None]

    def free_at(self, application_id: str) -> float:
        """When the application allows one more, in unix seconds."""
        throttle = self.of(application_id)
        return throttle.free_at() if throttle else 0.0
