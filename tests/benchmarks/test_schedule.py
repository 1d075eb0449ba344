"""Moments that are fixed before the run."""

from itertools import pairwise

import pytest

from benchmarks.schedule import moments


def test_constant_moments_are_evenly_spaced():
    assert list(moments(4, 1, "constant")) == [0, 250_000_000, 500_000_000, 750_000_000]


def test_poisson_moments_keep_the_rate_and_ascend():
    found = list(moments(1000, 20, "poisson", 7))
    assert len(found) == pytest.approx(20_000, rel=0.03)
    assert found == sorted(found)
    assert found[-1] < 20e9


def test_poisson_gaps_vary_as_much_as_their_mean():
    gaps = [after - before for before, after in pairwise(moments(1000, 20, "poisson", 7))]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation == pytest.approx(mean, rel=0.05)


def test_a_seed_gives_the_same_moments():
    assert list(moments(100, 2, "poisson", 3)) == list(moments(100, 2, "poisson", 3))
    assert list(moments(100, 2, "poisson", 3)) != list(moments(100, 2, "poisson", 4))


def test_other_arrivals_are_refused():
    with pytest.raises(ValueError, match="poisson or constant"):
        list(moments(1, 1, "bursts"))
