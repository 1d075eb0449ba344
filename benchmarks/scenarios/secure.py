"""TLS: what it costs on kept connections, and on new ones with and without resumption."""

import shutil
from typing import Any

from benchmarks.bench import Bench, Group
from benchmarks.figures import Result
from benchmarks.scenarios.receivers import restart
from benchmarks.scenarios.traffic import SINGLE_APPLICATIONS
from tests.daemon.transport.authority import Authority

HOSTS = 8
NEW_RATE = 100.0  # what a daemon can do that shakes hands each time


async def tls(bench: Bench) -> list[Result]:
    """Kept and new connections, plain and by TLS, to the same hosts with an authority of our own."""
    authority = Authority.at(bench.scratch)
    bench.scratch.joinpath("ca.pem").chmod(0o644)
    await restart(bench, CA_FILE=str(authority.ca_file))
    certificates = []
    for number in range(HOSTS):
        authority.server(_host(number))
        certificates.append(str(bench.scratch / f"server-{number}.pem"))
        shutil.copy(bench.scratch / "server.pem", certificates[-1])

    async def measured(name: str, **manner: Any) -> Result:
        group = await _group(bench, name, certificates if "tls" in name else [], str(authority.ca_file), manner)
        return await _row(bench, group, name)

    plain, kept = await measured("plain_kept"), await measured("tls_kept")
    plain_new = await measured("plain_new", closing=True)
    new = await measured("tls_new", closing=True, tickets=False)
    resumed = await measured("tls_resumed", closing=True)
    _hold_against(plain, kept)
    _hold_against(plain_new, new)
    _hold_against(plain_new, resumed)
    return [plain, kept, plain_new, new, resumed]


def _host(number: int) -> str:
    return f"127.2.0.{number + 1}"


async def _group(bench: Bench, name: str, certificates: list[str], ca_file: str, manner: dict[str, Any]) -> Group:
    places = []
    for number in range(HOSTS):
        more = {"certificate": certificates[number]} if certificates else {}
        port = await bench.listen(**manner, **more)
        places.append(f"http{'s' if certificates else ''}://{_host(number)}:{port}")
    return await bench.group(name, SINGLE_APPLICATIONS, 1, places=places, ca_file=ca_file)


async def _row(bench: Bench, group: Group, name: str) -> Result:
    await bench.warm_up(group)
    result = await bench.saturate(group, seconds=bench.options.seconds(3, 12))
    kept, report = name.endswith("_kept"), bench.last_report
    if not kept:
        result.figures |= {"connections": report["connections"], "resumed": report["resumed"]}
    late = await bench.at_rate(group, bench.options.seconds(2, 10), rate=None if kept else NEW_RATE)
    result.figures |= {each: late.figures[each] for each in ("rate_per_s", "p50_ms", "p99_ms", "max_ms")}
    return result


def _hold_against(plain: Result, secure: Result) -> None:
    secure.figures["of_plain_rate_pct"] = 100 * secure.figures["per_s"] / plain.figures["per_s"]
    secure.figures["of_plain_cpu_pct"] = 100 * plain.figures["daemon_us"] / secure.figures["daemon_us"]
