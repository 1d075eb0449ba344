import base64
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from daemon import signing
from daemon.signing import BadKey, signed_headers, signer

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
ID, MOMENT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
HMAC = b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
ED25519 = b"v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
CONTENT = b"%b.%d.%b" % (ID.encode(), MOMENT, BODY)


@pytest.mark.parametrize(("key", "signature"), [(SECRET, HMAC), (PRIVATE, ED25519)])
def test_the_signature_is_the_one_others_make(key: str, signature: bytes) -> None:
    assert signer(key)(CONTENT) == signature
    assert b"webhook-signature: " + signature + b"\r\n" in signed_headers([signer(key)], ID, MOMENT, BODY)


def test_the_public_half() -> None:
    assert signing.public(PRIVATE) == PUBLIC
    assert signing.public(SECRET) == SECRET
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(PUBLIC.removeprefix("whpk_")))
    key.verify(base64.b64decode(ED25519.removeprefix(b"v1a,")), CONTENT)


def headers(lines: bytes) -> dict[str, str]:
    assert lines.endswith(b"\r\n\r\n")
    return dict(line.split(": ", 1) for line in lines.decode().strip().split("\r\n"))


@given(st.dictionaries(st.text(), st.integers()), st.binary(min_size=24, max_size=24))
def test_receivers_verify_it_with_their_library(payload: dict, entropy: bytes) -> None:
    body = json.dumps(payload).encode()
    key = signing.generate(entropy)
    now = int(datetime.now(UTC).timestamp())
    found = headers(signed_headers([signer(signing.generate(b"o" * 24)), signer(key)], ID, now, body))
    assert Webhook(key).verify(body, found) == payload
    assert found["content-length"] == str(len(body))
    assert [found[f"svix-{name}"] for name in ("id", "timestamp", "signature")] == [
        found[f"webhook-{name}"] for name in ("id", "timestamp", "signature")
    ]


BAD = [
    "",
    "whsec_",
    "whsec_AAAA",
    "whsec_" + base64.b64encode(b"x" * 23).decode(),
    "whsec_" + base64.b64encode(b"x" * 76).decode(),
    "whsec_!!!",
    "whsec_ü" * 9,
    SECRET.removeprefix("whsec_"),
    PUBLIC,
    "whsk_AAAA",
    "whsk_" + base64.b64encode(b"x" * 64).decode(),
]


@pytest.mark.parametrize("key", BAD)
def test_other_keys_are_bad(key: str) -> None:
    with pytest.raises(BadKey):
        signer(key)


@pytest.mark.parametrize("length", [24, 75])
def test_keys_of_all_allowed_lengths(length: int) -> None:
    assert signer("whsec_" + base64.b64encode(b"x" * length).decode())(b"").startswith(b"v1,")
