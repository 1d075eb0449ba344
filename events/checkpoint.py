"""Checkpoints: what a log was at a moment, signed (C2SP tlog-checkpoint in a C2SP signed-note). Pure.

    hookd/<log id>/<partition>          the origin: which tree; also the name of the key
    20852163                            the tree's size
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB…    its root, base64

    — <key name> base64(key id || Ed25519 signature of the lines above)

A note may carry signatures of others (witnesses, other keys, other algorithms): they are left alone.
"""

import base64
import hashlib
import re
from typing import Final, Self

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from events.merkle import HASH_BYTES, Hash

ED25519: Final = b"\x01"
KEY_BYTES: Final = 32
KEY_ID_BYTES: Final = 4
LOG_ID_DIGITS: Final = 16
NOTE_CHARS_MAX: Final = 1_000_000
SIGNATURES_MAX: Final = 100
SIZE_MAX: Final = 2**63 - 1  # of a tree, as positions are PostgreSQL's bigint

_MARK: Final = "— "
_NAME: Final = re.compile(r"[^\s+]+")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_ORIGIN: Final = re.compile(r"hookd/([0-9a-f]{16})/(0|[1-9][0-9]{0,4})", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_LINES: Final = 3


class BadNote(ValueError):
    """A note that cannot be relied on; the message says why."""


class MalformedNote(BadNote):
    """It is no signed note, or its text is no checkpoint."""


class BadSignature(BadNote):
    """The key did not sign this note, or signed something else."""


class BadKey(ValueError):
    """No verifier key; the message says why."""


class Checkpoint(msgspec.Struct, frozen=True):
    """A tree at a moment: whose, how many leaves, which root. `extensions`: lines without meaning to us."""

    origin: str
    size: int
    root: Hash
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """What is signed."""
        lines = (self.origin, str(self.size), _base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


class VerifierKey(msgspec.Struct, frozen=True):
    """Who signs: a name, which is the origin of a tree, and an Ed25519 public key, raw."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key behind `<name>+<key id, hex>+<base64 of 0x01 and the key>`. BadKey."""
        name, _, rest = text.strip().partition("+")
        identifier, _, encoded = rest.partition("+")
        try:
            typed = _unbase64(encoded)
        except ValueError as error:
            raise BadKey(f"the key in {text[:200]!r} is not base64") from error
        if not typed.startswith(ED25519):
            raise BadKey(f"the key in {text[:200]!r} is not of type 1, Ed25519")
        if len(typed) != 1 + KEY_BYTES:
            raise BadKey(f"an Ed25519 key has {KEY_BYTES} bytes, not {len(typed) - 1}")
        if not _NAME.fullmatch(name):
            raise BadKey("a key has a name without spaces and plus signs")
        key = cls(name, typed[1:])
        if identifier != key.id.hex():
            raise BadKey(f"the key id is {key.id.hex()}, not {identifier[:20]!r}: name or key is not the one meant")
        return key

    def text(self) -> str:
        """The key as people hand it on: the inverse of `parse`."""
        return f"{self.name}+{self.id.hex()}+{_base64(ED25519 + self.public)}"

    @property
    def id(self) -> bytes:
        """What a signature line names the key by."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:KEY_ID_BYTES]

    @property
    def log_id(self) -> str:
        """The log whose trees this key signs."""
        return log_id(self.public)

    def of_partition(self, partition: int) -> Self:
        """The same key under the name by which it signs the tree of a partition."""
        return type(self)(origin_of(self.log_id, partition), self.public)


def log_id(public: bytes) -> str:
    """The name of a log: the first 16 hex digits of SHA-256 of its raw public key."""
    return hashlib.sha256(public).hexdigest()[:LOG_ID_DIGITS]


def origin_of(log_id: str, partition: int) -> str:
    """The origin of a partition's tree."""
    return f"hookd/{log_id}/{partition}"


def split_origin(origin: str) -> tuple[str, int]:
    """(log id, partition) of an origin. BadNote: it is none of a hookd."""
    found = _ORIGIN.fullmatch(origin)
    if found is None:
        raise BadNote(f"the origin {origin[:200]!r} is not hookd/<log id>/<partition>")
    return found[1], int(found[2])


def parse(text: str) -> Checkpoint:
    """The checkpoint behind the text of a note, whoever signed it. MalformedNote."""
    if not text.endswith("\n"):
        raise MalformedNote("the text of a checkpoint ends with a newline")
    lines = text[:-1].split("\n")
    if len(lines) < _LINES or not all(lines):
        raise MalformedNote("a checkpoint has an origin, a size and a root: three lines at least, none of them empty")
    origin, size, root, *extensions = lines
    if not _SIZE.fullmatch(size) or int(size) > SIZE_MAX:
        raise MalformedNote(f"the size of a tree is a decimal number without leading zeros, not {size[:200]!r}")
    try:
        digest = _unbase64(root)
    except ValueError as error:
        raise MalformedNote(f"the root is not base64: {root[:200]!r}") from error
    if len(digest) != HASH_BYTES:
        raise MalformedNote(f"a root has {HASH_BYTES} bytes, not {len(digest)}")
    return Checkpoint(origin, int(size), digest, tuple(extensions))


def sign(checkpoint: Checkpoint, private_key: Ed25519PrivateKey) -> str:
    """The checkpoint as a note signed by this key, under the name of the checkpoint's origin."""
    key = VerifierKey(checkpoint.origin, private_key.public_key().public_bytes_raw())
    assert _NAME.fullmatch(key.name), "an origin has no spaces and plus signs: it is the name of the key"
    text = checkpoint.text()
    return f"{text}\n{_MARK}{key.name} {_base64(key.id + private_key.sign(text.encode()))}\n"


def unverified(note: str) -> Checkpoint:
    """What a note says, whoever signed it: to find out which key to ask. MalformedNote."""
    return parse(_open(note)[0])


def open_note(note: str, key: VerifierKey) -> Checkpoint:
    """The checkpoint of `key`'s tree that `key` signed. MalformedNote, BadSignature, BadNote: another origin."""
    checkpoint = parse(signed_text(note, key))
    if checkpoint.origin != key.name:
        raise BadNote(f"the checkpoint is of {checkpoint.origin[:200]!r}, and the key of {key.name!r}")
    return checkpoint


def signed_text(note: str, key: VerifierKey) -> str:
    """The text of a note that `key` signed, checkpoint or not. MalformedNote, BadSignature.

    Signatures by other keys are ignored. One that names this key and does not fit makes the whole note bad.
    """
    text, signatures = _open(note)
    found = [signature for name, key_id, signature in signatures if name == key.name and key_id == key.id]
    if not found:
        raise BadSignature(f"the note is not signed by {key.name} ({key.id.hex()})")
    public = Ed25519PublicKey.from_public_bytes(key.public)
    for signature in found:
        try:
            public.verify(signature, text.encode())
        except InvalidSignature as error:
            raise BadSignature(f"the signature by {key.name} ({key.id.hex()}) does not fit the text") from error
    return text


def _open(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """The text, and (key name, key id, signature) of each signature line. MalformedNote."""
    if len(note) > NOTE_CHARS_MAX:
        raise MalformedNote(f"the note is longer than {NOTE_CHARS_MAX} characters")
    if found := _CONTROL.search(note):
        raise MalformedNote(f"the note has a control character, {found[0]!r}")
    try:
        note.encode()
    except UnicodeEncodeError as error:
        raise MalformedNote("the note is not Unicode") from error
    head, blank, tail = note.rpartition("\n\n")
    if not blank or not head:
        raise MalformedNote("a note is a text, an empty line and signatures: there is no empty line")
    if not tail.endswith("\n"):
        raise MalformedNote("the note does not end with a signature and a newline: it was cut off, or not signed")
    lines = tail[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise MalformedNote(f"the note has more than {SIGNATURES_MAX} signatures")
    return head + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, space, encoded = line.removeprefix(_MARK).partition(" ")
    if not line.startswith(_MARK) or not space or not _NAME.fullmatch(name):
        raise MalformedNote(f"no signature line (dash, name, base64): {line[:200]!r}")
    try:
        signature = _unbase64(encoded)
    except ValueError as error:
        raise MalformedNote(f"the signature of {name[:200]} is not base64") from error
    if len(signature) <= KEY_ID_BYTES:
        raise MalformedNote(f"the signature of {name[:200]} is too short")
    return name, signature[:KEY_ID_BYTES], signature[KEY_ID_BYTES:]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unbase64(text: str) -> bytes:
    """Standard base64 in the one way it is written. ValueError."""
    data = base64.b64decode(text, validate=True)
    if _base64(data) != text:
        raise ValueError("base64 with loose ends")
    return data
