"""Secrets at rest: AES-256-GCM, bound to their owner, so that a row moved to another owner does not open.

Layout: 4 bytes naming the key (SHA-256 of it, cut), 12 bytes of nonce, ciphertext with tag. Several keys may be known
while one is replaced: the first seals, each opens what it sealed. Random nonces are good for 2^32 secrets a key.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
_NAME_BYTES: Final = 4
_NONCE_BYTES: Final = 12


class SealBroken(Exception):
    """The secret does not open: the key that sealed it is not among SEALING_KEYS, or the row was tampered with."""


class Sealer:
    """Seals and opens secrets. `entropy(n)` gives n random bytes."""

    def __init__(self, keys: Sequence[bytes], entropy: Callable[[int], bytes]) -> None:
        assert keys, "at least one key"
        self._keys = {hashlib.sha256(key).digest()[:_NAME_BYTES]: AESGCM(key) for key in keys}
        self._entropy = entropy

    def seal(self, secret: bytes, owner: str) -> bytes:
        """The sealed form, good for this owner only."""
        name, key = next(iter(self._keys.items()))
        nonce = self._entropy(_NONCE_BYTES)
        return name + nonce + key.encrypt(nonce, secret, owner.encode())

    def open(self, sealed: bytes, owner: str) -> bytes:
        """The secret. SealBroken."""
        key = self._keys.get(sealed[:_NAME_BYTES])
        if key is None:
            raise SealBroken(SealBroken.__doc__)
        nonce = sealed[_NAME_BYTES : _NAME_BYTES + _NONCE_BYTES]
        try:
            return key.decrypt(nonce, sealed[_NAME_BYTES + _NONCE_BYTES :], owner.encode())
        except (InvalidTag, ValueError) as error:
            raise SealBroken(SealBroken.__doc__) from error
