"""Which processes belong together."""

import os
import subprocess
import sys

import pytest

from benchmarks.process import family, serves_client

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


@pytest.mark.parametrize(
    ("title", "serves"),
    [
        ("postgres: hookd: hookd hookd [local] SELECT ", True),
        ("postgres: hookd: hookd hookd [local] idle", True),
        ("postgres: hookd hookd 127.0.0.1(40414) idle in transaction", True),
        ("postgres: hookd: checkpointer ", False),
        ("postgres: hookd: background writer ", False),
        ("postgres: hookd: autovacuum launcher ", False),
        ("postgres: hookd: autovacuum worker hookd", False),
        ("postgres: hookd: walwriter ", False),
        ("postgres: hookd: io worker 0", False),
        ("/opt/bin/postgres -D /data -c cluster_name=hookd", False),
        ("", False),
    ],
)
def test_what_serves_a_client_is_told_from_what_works_in_the_background(title, serves):
    assert serves_client(title) is serves
