"""Signatures and headers of outgoing requests, after Standard Webhooks. Pure.

The signed content is `{id}.{timestamp}.{body}`; HMAC-SHA256 gives `v1,<base64>`, Ed25519 `v1a,<base64>`. While a
rotated key is still good, both signatures stand in the header, the current first, separated by a space.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SYMMETRIC: Final = "whsec_"
PRIVATE: Final = "whsk_"
PUBLIC: Final = "whpk_"
KEY_BYTES_MIN: Final = 24
KEY_BYTES_MAX: Final = 75
GENERATED_KEY_BYTES: Final = 24
_ED25519_BYTES: Final = 64  # the private seed, then the public key

Sign = Callable[[bytes], bytes]


class BadKey(ValueError):
    """A signing key is whsec_ and base64 of 24 to 75 bytes, or whsk_ and base64 of an Ed25519 key pair."""


def generate(entropy: bytes) -> str:
    """A new symmetric key from GENERATED_KEY_BYTES of randomness."""
    return SYMMETRIC + base64.b64encode(entropy).decode()


def public(key: str) -> str:
    """What the receiver needs to verify: the key itself, or the public half of a pair."""
    if not key.startswith(PRIVATE):
        return key
    pair = _decode(key, PRIVATE)
    return PUBLIC + base64.b64encode(pair[32:]).decode()


def signer(key: str) -> Sign:
    """What makes one entry of the signature header. BadKey."""
    if key.startswith(SYMMETRIC):
        secret = _decode(key, SYMMETRIC)
        if not KEY_BYTES_MIN <= len(secret) <= KEY_BYTES_MAX:
            raise BadKey(BadKey.__doc__)
        keyed = HMAC(secret, SHA256())  # copied per signature: the standard library's takes twice the time

        def symmetric(content: bytes) -> bytes:
            mac = keyed.copy()
            mac.update(content)
            return b"v1," + binascii.b2a_base64(mac.finalize(), newline=False)

        return symmetric
    private = _private(key)
    return lambda content: b"v1a," + binascii.b2a_base64(private.sign(content), newline=False)


def _private(key: str) -> Ed25519PrivateKey:
    if not key.startswith(PRIVATE):
        raise BadKey(BadKey.__doc__)
    pair = _decode(key, PRIVATE)
    if len(pair) != _ED25519_BYTES:
        raise BadKey(BadKey.__doc__)
    private = Ed25519PrivateKey.from_private_bytes(pair[:32])
    if private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) != pair[32:]:
        raise BadKey(BadKey.__doc__)
    return private


def _decode(key: str, prefix: str) -> bytes:
    try:
        return base64.b64decode(key.removeprefix(prefix), validate=True)
    except ValueError as error:  # binascii.Error, or characters beyond ASCII
        raise BadKey(BadKey.__doc__) from error


def signed_headers(signers: Sequence[Sign], message: str, timestamp: int, body: bytes) -> bytes:
    """The lines that differ from attempt to attempt, under the names of Standard Webhooks and of Svix."""
    identity = message.encode()
    moment = b"%d" % timestamp
    content = b".".join((identity, moment, body))
    signature = signers[0](content) if len(signers) == 1 else b" ".join([sign(content) for sign in signers])
    return (
        b"webhook-id: %b\r\nwebhook-timestamp: %b\r\nwebhook-signature: %b\r\n"
        b"svix-id: %b\r\nsvix-timestamp: %b\r\nsvix-signature: %b\r\ncontent-length: %d\r\n\r\n"
    ) % (identity, moment, signature, identity, moment, signature, len(body))
