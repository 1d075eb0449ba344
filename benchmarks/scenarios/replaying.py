"""Reading a whole log again, as `benchmarks.replay` measures it, as one row."""

from benchmarks import replay as replaying
from benchmarks.bench import Bench
from benchmarks.figures import Result


async def replay(bench: Bench) -> list[Result]:
    """How fast a log is read again, parsed, folded and hashed, on one core."""
    bench.progress("replay: making a log and reading it in five ways")
    events = int(bench.options.seconds(100_000, 1_000_000))
    figures: dict[str, float] = {"events": events}
    async with replaying.log_of(
        events, lambda done: bench.progress(f"replay: {done:,} of {events:,} events made")
    ) as dsn:
        for way in replaying.WAYS:
            bench.progress(f"replay: {way}")
            run = await replaying.apart(dsn, way)
            figures[f"{way}_per_s"] = run.per_s
            figures[f"{way}_us"] = run.cpu_s / run.events * 1e6
    return [Result("replay", figures)]
