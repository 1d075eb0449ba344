"""Passwords: what is kept, and that a missing hash costs as much as a wrong password."""

from time import process_time

import pytest
from argon2 import PasswordHasher, extract_parameters

from daemon.api.seed.passwords import Passwords, _matching_nothing


@pytest.fixture
def passwords():
    return Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


async def test_only_the_password_matches(passwords):
    kept = await passwords.hash("correct horse")
    assert kept.startswith(b"$argon2id$")
    assert kept != await passwords.hash("correct horse")
    assert await passwords.verify(kept, "correct horse")
    assert not await passwords.verify(kept, "wrong")
    assert not await passwords.verify(None, "correct horse")
    assert not await passwords.verify(b"garbled", "correct horse")


def test_nobodys_hash_has_the_same_cost():
    hasher = PasswordHasher()
    nobodys = _matching_nothing(hasher)
    assert extract_parameters(nobodys) == extract_parameters(hasher.hash("x"))


async def test_nobody_costs_as_much_as_somebody():
    passwords = Passwords()
    kept = await passwords.hash("correct horse")

    async def cost(hashed):
        began = process_time()
        await passwords.verify(hashed, "wrong")
        return process_time() - began

    somebody = min([await cost(kept) for _ in range(3)])
    nobody = min([await cost(None) for _ in range(3)])
    assert 0.5 < nobody / somebody < 2
