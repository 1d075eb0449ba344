import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.sealing import SealBroken, Sealer

OLD, NEW = b"o" * 32, b"n" * 32


@given(st.binary(max_size=100), st.text(max_size=20))
def test_what_is_sealed_opens_for_its_owner(secret: bytes, owner: str) -> None:
    sealed = Sealer([NEW], os.urandom).seal(secret, owner)
    assert secret not in sealed or len(secret) < 4
    assert Sealer([NEW], os.urandom).open(sealed, owner) == secret


def test_it_opens_for_nobody_else() -> None:
    sealer = Sealer([NEW], os.urandom)
    with pytest.raises(SealBroken):
        sealer.open(sealer.seal(b"secret", "ep_1"), "ep_2")


@given(st.integers(0, 37), st.integers(1, 255))
def test_a_changed_byte_breaks_it(position: int, change: int) -> None:
    sealer = Sealer([NEW], os.urandom)
    sealed = bytearray(sealer.seal(b"secret", "ep_1"))
    sealed[position] ^= change
    with pytest.raises(SealBroken):
        sealer.open(bytes(sealed), "ep_1")


@pytest.mark.parametrize("length", range(39))
def test_what_was_cut_short_is_broken(length: int) -> None:
    sealer = Sealer([NEW], os.urandom)
    cut = sealer.seal(b"secret", "ep_1")[:length]
    if length < 38:
        with pytest.raises(SealBroken):
            sealer.open(cut, "ep_1")


def test_keys_rotate() -> None:
    old = Sealer([OLD], os.urandom).seal(b"secret", "ep_1")
    both = Sealer([NEW, OLD], os.urandom)
    assert both.open(old, "ep_1") == b"secret"
    fresh = both.seal(b"secret", "ep_1")
    assert Sealer([NEW], os.urandom).open(fresh, "ep_1") == b"secret"
    with pytest.raises(SealBroken):
        Sealer([OLD], os.urandom).open(fresh, "ep_1")
