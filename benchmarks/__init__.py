"""Measures hookd from outside: real processes, real sockets, the real REST API.

    uv run python -m benchmarks --quick --json a.json     under a minute: a few scenarios, short
    uv run python -m benchmarks --json a.json             all of them, about a quarter of an hour
    uv run python -m benchmarks --only single --repeat 5  one, five rounds: medians, and how far rounds differ
    uv run python -m benchmarks --compare a.json b.json   two runs beside each other, and what moved
    uv run python -m benchmarks --list                    what there is to measure
    uv run python -m benchmarks --only single --repeat 5 --against ../other/.venv/bin/hookd
                                                          another build (A) and this one (B), in turns
    uv run python -m benchmarks.curve                     what it costs as the log grows, with a picture

At least four processes: the daemon (`hookd up`, with its workers), its PostgreSQL, a load generator (`load`) and a
receiver (`receiver`). The daemon has the first core, all else the others. `--setting NAME=VALUE` sets any variable of
`.env.example` for the daemon.

Nothing is counted as done before it is durable: a delivery begins with a request to the API and ends when its outcome
is committed. At the end of each load every id that was answered with 202 is looked up, at every endpoint, among those
received; what is missing is LOST, and the command fails. What arrived twice is counted and shown.

**Throughput** (closed loop: the next request when one is answered): deliveries over wall time, from the first request
until the last outcome is committed. **CPU** is user and system time of all processes of the daemon and of the whole
PostgreSQL server, apart, for each delivery.

**Latency** (open loop) is from the moment a request was due until the webhook is read by the receiver. The moments
are fixed in advance, so a stall counts for everything that was due during it. Percentiles come from histograms
(`histogram`, exact to half a percent); the worst stalls are told with their moment. `sent_late_p99_ms` in the file
says how late requests were written, for want of a free connection or of CPU for the load itself.

**% of bare**: in the same run, the daemon's own transport posts the same requests to the same receivers, without API,
log or actors (`ceiling`): `rate` is hookd's throughput over that one's, `CPU` is that one's CPU per request over the
daemon's.

**Few cores**: `--cpu-quota 25` puts each process of the daemon into a control group that has a quarter of a core and
no more (Linux, as root). The scenario `scaling` compares one, two and three workers so: what is missing to twice and
three times is what workers cost each other, not a core that they share.

**Noise**: figures of one round move by 10 % on a busy machine. Hold medians of several rounds against each other,
best taken in turns, and read `--compare`'s last column: it names only what moved by more than the rounds did.

Apart, each with `--help`: `replay` (a log read again), `as_of` (the past of one endpoint), `console` (the console on
a terminal), `long_log` (makes logs of any length), `picture` (of the console)."""
