"""How long it takes to say what one endpoint was, in a log of any length.

    uv run python -m benchmarks.as_of postgresql://…

Endpoints and moments are drawn from one seed; each question is asked as `hookd audit as-of` asks it: find the id,
find the position of the moment, read and fold the endpoint's own stream. The connection is open already.
"""

import argparse
import asyncio
import statistics
import time
from dataclasses import dataclass
from random import Random
from typing import Final

import asyncpg

from events.history import locate, past, place, trail
from events.past import Standing
from events.postgres import BY_INDEX

QUESTIONS: Final = 200
TRAIL_FACTS: Final = 100


@dataclass(frozen=True)
class Times:
    """Milliseconds of each question, sorted, and how long the log was."""

    events: int
    as_of_ms: list[float]
    trail_ms: list[float]
    found: int

    def __str__(self) -> str:
        """Two lines for people."""
        told = (("as-of one endpoint", self.as_of_ms), (f"trail, last {TRAIL_FACTS} facts", self.trail_ms))
        return "\n".join(
            f"{what}: median {statistics.median(ms):.1f} ms, 99 % {ms[int(len(ms) * 0.99) - 1]:.1f} ms, "
            f"worst {ms[-1]:.1f} ms ({len(ms)} questions, {self.events:,} events)"
            for what, ms in told
        )


async def measure(dsn: str, questions: int = QUESTIONS, seed: int = 1) -> Times:
    """Ask about random endpoints at random moments of the log in this database. ValueError: it has no endpoint."""
    random = Random(seed)
    connection = await asyncpg.connect(dsn, timeout=30, server_settings=BY_INDEX)
    try:
        events = await connection.fetchval("select sum(seq)::bigint from log.head")
        endpoints = [row[0] for row in await connection.fetch("select id from state.endpoint order by partition, id")]
        if not endpoints:
            raise ValueError("there is no endpoint in this database")
        first, last = await connection.fetchrow(
            """select min(b.at), max(e.at) from log.head h
               join log.event b on b.partition = h.partition and b.seq = 1
               join log.event e on e.partition = h.partition and e.seq = h.seq"""
        )
        as_of_ms, trail_ms, found = [], [], 0
        for _ in range(questions):
            endpoint, moment = random.choice(endpoints), first + (last - first) * random.random()
            began = time.perf_counter()
            thing = await locate(connection, endpoint)
            assert thing is not None
            position = await place(connection, thing.partition, moment)
            was = await past(connection, thing, position.seq)
            as_of_ms.append((time.perf_counter() - began) * 1000)
            found += was.standing is not Standing.NOT_YET
            began = time.perf_counter()
            await trail(connection, thing, TRAIL_FACTS, newest_first=True)
            trail_ms.append((time.perf_counter() - began) * 1000)
        return Times(events, sorted(as_of_ms), sorted(trail_ms), found)
    finally:
        await connection.close()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.as_of", description=__doc__)
    parser.add_argument("dsn", help="a database with hookd's schema and a log")
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    given = parser.parse_args()
    print(asyncio.run(measure(given.dsn, given.questions)))


if __name__ == "__main__":
    main()
