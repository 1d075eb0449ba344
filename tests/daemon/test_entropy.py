"""Bytes are given out once each, in the number asked for."""

from daemon.entropy import BLOCK_BYTES, Entropy


def test_every_draw_has_its_length_across_blocks() -> None:
    entropy = Entropy()
    draws = [entropy(20) for _ in range(BLOCK_BYTES // 10)]
    assert {len(draw) for draw in draws} == {20}


def test_no_draw_comes_twice() -> None:
    entropy = Entropy()
    draws = [entropy(20) for _ in range(2000)]
    assert len(set(draws)) == len(draws)


def test_two_sources_share_nothing() -> None:
    assert Entropy()(32) != Entropy()(32)
