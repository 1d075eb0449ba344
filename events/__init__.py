"""What happened, and what follows from it.

Four words, four tenses. A *command* asks (`RegisterEndpoint`), an *event* states (`EndpointRegistered`), an
*outcome* answers (`Outcome(fault=STATUS, status=500)`), a *refusal* declines (`Refusal("conflict", …)`).
No class plays two of these roles.

    command ── decide ──▶ facts ── evolve ──▶ state          pure: no clock, no randomness, no I/O
                            │                   │
                            └──── log.append ───┘            one transaction: the facts and the states they lead to

`decide` holds every rule (how many attempts, what 410 means, when a breaker opens); `evolve` holds none. The
daemon, the console and the auditor share one `evolve`, so a state table is always the fold of the log.

Read in this order: catalogue (every event), delivery (the life of one delivery), decide (all commands),
fold (all states), log (the one door to the tables).

All of these are frozen values, so none can be part of a cycle, and the busy ones tell the collector so (gc=False).

This package imports neither `daemon` nor `tui`; only `log`, `state` and `tail` do I/O.
"""
