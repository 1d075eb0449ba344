"""A share of a core for each process, by control groups (v1 or v2): several workers compared on few cores.

What is put under a quota cannot have more, however idle the machine is, so that twice the processes at the same quota
really have twice the CPU, and the cores are not what ends first.
"""

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

CGROUPS: Final = Path("/sys/fs/cgroup")
PERIOD_US: Final = 10_000  # short, so that a worker out of quota does not stand still for long
QUOTA_US_MIN: Final = 1_000  # what the kernel takes


class NoQuota(Exception):
    """It cannot be done here; the text says why."""


class Quota:
    """Control groups of our own; each process has one."""

    def __init__(self, percent: float, cgroups: Path = CGROUPS) -> None:
        """NoQuota."""
        self.percent = percent
        self.quota_us = max(QUOTA_US_MIN, int(PERIOD_US * percent / 100))
        self._v1 = (cgroups / "cpu" / "cpu.cfs_quota_us").exists() or (cgroups / "cpu" / "cgroup.procs").exists()
        self._parent = cgroups / "cpu" if self._v1 else cgroups
        self._groups: list[Path] = []
        if not self._v1:
            with contextlib.suppress(OSError):
                if "cpu" in (cgroups / "cgroup.subtree_control").read_text().split():
                    return
            raise NoQuota(f"no CPU controller in {cgroups}")

    def put(self, pids: Iterable[int]) -> None:
        """Put each under the quota. NoQuota."""
        for pid in pids:
            group = self._parent / f"hookd-benchmark-{os.getpid()}-{pid}"
            try:
                group.mkdir(exist_ok=True)
                if group not in self._groups:
                    self._groups.append(group)
                if self._v1:
                    (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
                    (group / "cpu.cfs_quota_us").write_text(str(self.quota_us))
                else:
                    (group / "cpu.max").write_text(f"{self.quota_us} {PERIOD_US}")
                (group / "cgroup.procs").write_text(str(pid))
            except OSError as error:
                raise NoQuota(f"{group}: {error.strerror}") from error

    def throttled(self) -> list[tuple[int, int]]:
        """Of each process: periods so far, and in how many it was held back."""
        found = []
        for group in self._groups:
            stat = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
            found.append((int(stat["nr_periods"]), int(stat["nr_throttled"])))
        return found

    def clear(self, within_s: float = 2.0) -> None:
        """Remove the groups; their processes have ended, or go back to the group above."""
        deadline = time.monotonic() + within_s
        for group in self._groups:
            for pid in (group / "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError):
                    (self._parent / "cgroup.procs").write_text(pid)
            while True:
                try:
                    group.rmdir()
                except OSError:
                    if time.monotonic() > deadline:
                        break
                    time.sleep(0.02)
                else:
                    break
        self._groups.clear()
