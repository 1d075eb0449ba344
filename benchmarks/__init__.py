"""Measures hookd from outside: real processes, real sockets, the real REST API.

    uv run python -m benchmarks.deliver --quick          under 40 s
    uv run python -m benchmarks.deliver --json out.json  everything, some minutes
    uv run python -m benchmarks.deliver --only single    one scenario

Four processes: the daemon (`hookd up`), its PostgreSQL, a load generator (`load`) and a receiver (`receiver`).
Nothing is counted as done before it is durable: a delivery begins with a request to the API and ends when its outcome
is committed. At the end of each scenario every id that was answered with 202 is looked up among those received, and
the outcomes are counted in the log.

Figures: deliveries/s is wall time from the first request until the last outcome is committed. CPU is user and system
time of the daemon and of the whole PostgreSQL server, apart. Latency is from the moment a request was due to be sent
(fixed in advance, so that waiting counts) until the webhook is read by the receiver; percentiles are of all samples.
"""
