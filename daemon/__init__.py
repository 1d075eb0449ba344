"""The shell around `events`: sockets, tasks, time, and the database.

One delivery, from end to end:

    api/            a request becomes a command (v1/messages.py, seed/webhooks.py)
    recorder        appends many commands, decided together (decider), in one transaction; then answers
    following       hands what was committed, here or by another process, to the dispatcher, in the order of the log
    dispatcher      offers each delivery to its target, and gives targets their turns
    lane, target    one endpoint's queue, and how much of it may go now
    transport/      one HTTP request on a kept connection → an Outcome
    recorder        the outcome is a command like any other: decided, appended, heard by the dispatcher

Every fact goes into the log and everyone learns from the log; there is no other way back. `feeder` brings from
the tables what is not in memory (older deliveries, payloads, keys), `untried` knows what has no row there yet,
`supervisor` owns every task, `assembly` builds it all and takes it down, `cli/` is the command line.

Several processes are equal (`crew` starts them on one machine). Each takes any command; it delivers for the
partitions it owns (`ownership`, `sharing`), begins where the last owner left off (`handover`), and hears of what
others appended (`hearing`). What they agree on stands in PostgreSQL and nowhere else.

One door each: only `events.postgres` writes to the log, only `transport` opens sockets to customers, only
`settings` reads the environment, only `supervisor` makes tasks, only `clock` reads the time.
"""
