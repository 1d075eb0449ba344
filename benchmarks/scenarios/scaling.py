"""More workers: what one, two and three deliver, each with the same share of a core and no more."""

from benchmarks.bench import Bench, Group, Skipped
from benchmarks.figures import Result
from benchmarks.quota import NoQuota, Quota
from benchmarks.scenarios.traffic import SINGLE_APPLICATIONS
from benchmarks.subject import knows_workers

WORKERS = (1, 2, 3)
QUOTA_PERCENT = 25.0  # three of them are less than the first core, so it is not the core that ends first


async def scaling(bench: Bench) -> list[Result]:
    """One, two and three workers under the same quota of CPU each, so that few cores do not decide."""
    subject, percent = bench.subject, bench.options.cpu_quota or QUOTA_PERCENT
    if not await knows_workers(bench.options.program):
        raise Skipped("`hookd up` knows no --workers")
    group = await bench.group("scaling", SINGLE_APPLICATIONS, 1)
    results: list[Result] = []
    for workers in WORKERS:
        await subject.down()
        subject.worker_count = workers
        await subject.up()
        results.append(await _measured(bench, group, workers, percent))
    one = results[0].figures["per_s"]
    for result in results[1:]:
        result.figures["over_one_ratio"] = result.figures["per_s"] / one
    return results


async def _measured(bench: Bench, group: Group, workers: int, percent: float) -> Result:
    own, outer = None, bench.quota
    try:
        bench.quota = own = Quota(percent)
        await bench.warm_up(group)
        result = await bench.saturate(group, seconds=bench.options.seconds(5, 20), bare=False)
        held = [100 * throttled / periods for periods, throttled in own.throttled() if periods]
        result.figures["throttled_pct"] = max(held, default=0.0)
    except NoQuota as no:
        raise Skipped(f"no CPU quota here: {no}") from no
    finally:
        bench.quota = outer
        if own is not None:
            own.clear()
    result.name = f"workers_{workers}"
    result.notes.append(f"{percent:g} % of a core for each process; held back in throttled_pct of the periods")
    return result
