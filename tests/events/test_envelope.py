from collections import Counter

import pytest

from events.envelope import partition_of


@pytest.mark.parametrize(("owner", "partition"), [("123456789", 0xCBF43926 % 16), ("", 0), ("app_1", 13)])
def test_the_partition_of_an_owner_never_changes(owner: str, partition: int) -> None:
    assert partition_of(owner, 16) == partition


def test_owners_spread_over_the_partitions() -> None:
    counts = Counter(partition_of(f"app_{n}", 16) for n in range(16_000))
    assert len(counts) == 16
    assert max(counts.values()) < 1300
