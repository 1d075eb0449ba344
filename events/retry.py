"""When to try again: pure, from the attempt's number, the moment, randomness and the endpoint's own hint."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import Random
from typing import Final

import msgspec

DELAYS_S: Final = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 36000.0)
RETRY_AFTER_STATUSES: Final = frozenset({429, 503})
_RETRY_AFTER_CHARS_MAX: Final = 64


class RetryPolicy(msgspec.Struct, frozen=True):
    """Attempt 1 is at once; after failed attempt n comes a wait of at most `delays_s[n - 1]`.

    Jitter 1.0 is full jitter: the wait is uniform between nothing and the delay, so that a thousand deliveries
    that failed together do not come back together. 0.0 waits the whole delay.
    """

    delays_s: tuple[float, ...] = DELAYS_S
    attempts_max: int | None = None  # None: one more than there are delays; beyond them the last delay repeats
    jitter: float = 1.0
    retry_after_max_s: float = 36000.0

    def attempts(self) -> int:
        """How many attempts a delivery gets at most."""
        return self.attempts_max or len(self.delays_s) + 1

    def next_at(self, attempt: int, now: datetime, random: Random, wait_s: float | None = None) -> datetime | None:
        """When attempt `attempt` + 1 is due, or None when this was the last. `wait_s` is the endpoint's hint."""
        if attempt >= self.attempts():
            return None
        delay = self.delays_s[min(attempt, len(self.delays_s)) - 1] if self.delays_s else 0.0
        delay *= 1 - self.jitter * random.random()
        if wait_s is not None:
            delay = max(delay, min(wait_s, self.retry_after_max_s))
        return now + timedelta(seconds=delay)


def retry_after_s(status: int | None, header: str | None, now: datetime) -> float | None:
    """Seconds asked for by `Retry-After` (RFC 9110 §10.2.3: seconds or a date) on 429 and 503, else None."""
    if header is None or status not in RETRY_AFTER_STATUSES:
        return None
    if len(header) > _RETRY_AFTER_CHARS_MAX:
        return None
    try:
        return max(0.0, float(int(header)))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(header)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, OverflowError, IndexError, TypeError):  # what the parser makes of nonsense
        return None
