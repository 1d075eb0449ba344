"""Which processes belong together."""

import os
import subprocess
import sys

from benchmarks.process import family

NESTED = (
    "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE); "
    "print(child.pid, flush=True); input()"
)


def test_a_family_is_a_process_and_all_it_started_but_what_is_set_apart():
    with subprocess.Popen([sys.executable, "-c", NESTED], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        assert family(parent.pid) == [parent.pid, child]
        assert family(parent.pid, apart={child}) == [parent.pid]
        assert {parent.pid, child} <= set(family(os.getpid()))
        parent.communicate(b"\n")


def test_one_that_has_ended_is_alone():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert family(process.pid) == [process.pid]
