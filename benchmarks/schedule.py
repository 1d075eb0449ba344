"""When requests are due: moments fixed before the run, so that no slow answer puts off the next request. Pure."""

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Final

ARRIVALS: Final = ("poisson", "constant")


def moments(rate: float, seconds: float, arrivals: str = "poisson", seed: int = 1) -> Iterator[int]:
    """Nanoseconds from the beginning, ascending, for so many seconds at `rate` a second.

    `constant`: evenly spaced. `poisson`: independent of each other, as from many senders; the same for the same seed.
    """
    end = seconds * 1e9
    if arrivals == "constant":
        step = 1e9 / rate
        for number in count():
            if (moment := number * step) >= end:
                return
            yield int(moment)
    elif arrivals == "poisson":
        random, moment = Random(seed), 0.0
        while (moment := moment + random.expovariate(rate) * 1e9) < end:
            yield int(moment)
    else:
        raise ValueError(f"arrivals are {' or '.join(ARRIVALS)}, not {arrivals}")
