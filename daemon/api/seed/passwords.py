"""Passwords: hashed slowly on purpose (argon2id), off the event loop, and few at a time."""

import asyncio
from base64 import b64encode
from typing import Final

from aiohttp import web
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

AT_ONCE: Final = 2  # each takes 64 MiB and most of a core for about 0.1 s


class Passwords:
    """Hashes and verifies."""

    def __init__(self, hasher: PasswordHasher | None = None, at_once: int = AT_ONCE) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = asyncio.Semaphore(at_once)
        self._nobodys = _matching_nothing(self._hasher)

    async def hash(self, password: str) -> bytes:
        """The hash to keep, with its parameters and salt in it."""
        async with self._turns:
            return (await asyncio.to_thread(self._hasher.hash, password)).encode()

    async def verify(self, kept: bytes | None, password: str) -> bool:
        """Whether it is the password. Without a hash the answer is no, and takes as long."""
        async with self._turns:
            return await asyncio.to_thread(self._matches, kept.decode() if kept else self._nobodys, password)

    def _matches(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False


def _matching_nothing(hasher: PasswordHasher) -> str:
    """A hash of the same cost that belongs to no password: its digest is all zeros."""
    salt, digest = (b64encode(bytes(length)).decode().rstrip("=") for length in (hasher.salt_len, hasher.hash_len))
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"


PASSWORDS: web.AppKey[Passwords] = web.AppKey("passwords", Passwords)
