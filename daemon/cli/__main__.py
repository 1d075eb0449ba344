"""`python -m daemon.cli`: the same as `hookd`."""

from daemon.cli import main

main()
