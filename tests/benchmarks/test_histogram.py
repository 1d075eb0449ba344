"""Percentiles from buckets, held against those of the sorted samples."""

import json
from random import Random

import pytest

from benchmarks.histogram import BUCKETS, VALUE_MAX, Histogram, bucket


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.99, 0.999, 1.0])
@pytest.mark.parametrize("spread", [100, 10_000, 10**9, 10**12])
def test_percentiles_are_known_to_half_a_percent(share, spread):
    random = Random(spread)
    samples = sorted(min(VALUE_MAX, int(random.paretovariate(1.2) * spread / 10)) for _ in range(5000))
    histogram = Histogram(samples)
    exact = samples[max(1, -int(-share * len(samples) // 1)) - 1]
    assert histogram.percentile(share) == pytest.approx(exact, rel=1 / 256, abs=0.5)


def test_buckets_lie_side_by_side():
    end = 0
    for index in range(BUCKETS):
        low, width = bucket(index)
        assert low == end
        end = low + width
    assert end == VALUE_MAX + 1


@pytest.mark.parametrize("value", [0, 1, 255, 256, 257, 511, 512, 10**6, VALUE_MAX])
def test_a_value_lies_in_its_bucket(value):
    histogram = Histogram([value])
    low, width = bucket(histogram.counts.index(1))
    assert low <= value < low + width


def test_what_is_beyond_the_ends_counts_there():
    histogram = Histogram([-5, VALUE_MAX * 2])
    assert (histogram.least, histogram.most, histogram.count) == (0, VALUE_MAX, 2)


def test_merged_is_as_if_one_had_taken_all():
    one, other, both = Histogram([1, 500, 9000]), Histogram([2, 10**7]), Histogram([1, 500, 9000, 2, 10**7])
    one.merge(other)
    assert one.dump() == both.dump()


@pytest.mark.parametrize("values", [[], [7], [1, 10**9, 10**5]])
def test_through_json_it_stays_the_same(values):
    histogram = Histogram(values)
    again = Histogram.load(json.loads(json.dumps(histogram.dump())))
    assert again.dump() == histogram.dump()
    again.record(3)
    assert again.least == min([*values, 3])


def test_of_other_buckets_it_is_refused():
    with pytest.raises(ValueError, match="bits a power of two"):
        Histogram.load(Histogram().dump() | {"sub_bits": 3})


def test_without_values_all_is_nothing():
    assert (Histogram().percentile(0.99), Histogram().mean) == (0, 0)


def test_count_sum_and_ends_are_exact():
    histogram = Histogram([1001, 2003, 3007])
    assert (histogram.mean, histogram.least, histogram.most) == (2003 + 2 / 3, 1001, 3007)
    assert histogram.percentile(1.0) == 3007
