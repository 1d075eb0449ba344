"""The shell around `events`: sockets, tasks, time, and the database.

One delivery, from end to end:

    api/            a request becomes a command (v1/messages.py, seed/webhooks.py)
    recorder        decides many commands together and appends them in one transaction; then answers
    dispatcher      hears what was committed and offers each delivery to its target
    lane, target    one endpoint's queue, and how much of it may go now
    transport/      one HTTP request on a kept connection → an Outcome
    recorder        the outcome is a command like any other: decided, appended, heard by the dispatcher

Every fact goes into the log and everyone learns from the log; there is no other way back. `feeder` brings from
the tables what is not in memory (older deliveries, payloads, keys), `ownership` holds the partitions' leases,
`supervisor` owns every task, `assembly` builds it all and takes it down, `cli/` is the command line.

One door each: only `events.postgres` writes to the log, only `transport` opens sockets to customers, only
`settings` reads the environment, only `supervisor` makes tasks, only `clock` reads the time.
"""
