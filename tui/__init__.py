"""The console: one more reader of the log.

It speaks HTTP to the daemon, imports `events`, and never imports `daemon`.
"""
