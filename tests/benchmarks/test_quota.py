"""Control groups, on folders that look like them."""

import os

import pytest

from benchmarks.quota import NoQuota, Quota


def test_version_2_is_told_its_share_of_a_period(tmp_path):
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory\n")
    Quota(25, tmp_path).put([4711])
    group = tmp_path / f"hookd-benchmark-{os.getpid()}-4711"
    assert (group / "cpu.max").read_text() == "2500 10000"
    assert (group / "cgroup.procs").read_text() == "4711"


def test_version_1_has_files_of_its_own(tmp_path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cgroup.procs").write_text("")
    Quota(50, tmp_path).put([1, 2])
    for pid in (1, 2):
        group = tmp_path / "cpu" / f"hookd-benchmark-{os.getpid()}-{pid}"
        assert (group / "cpu.cfs_quota_us").read_text() == "5000"
        assert (group / "cpu.cfs_period_us").read_text() == "10000"


def test_without_control_groups_it_says_so(tmp_path):
    with pytest.raises(NoQuota, match="no CPU controller"):
        Quota(50, tmp_path)


def test_how_often_each_was_held_back(tmp_path):
    (tmp_path / "cgroup.subtree_control").write_text("cpu")
    quota = Quota(50, tmp_path)
    quota.put([7])
    (tmp_path / f"hookd-benchmark-{os.getpid()}-7" / "cpu.stat").write_text("nr_periods 10\nnr_throttled 4\n")
    assert quota.throttled() == [(10, 4)]
