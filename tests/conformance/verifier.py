"""A verifier of hookd's log and receipts that shares no code with hookd: written from the specifications alone.

Take it as a starting point for your own, in any language. It follows RFC 6962 section 2.1 (the tree, by its recursive
definitions), C2SP signed-note, tlog-checkpoint and tlog-tiles (https://c2sp.org), and hookd's form of an entry:
"hookd event v1\n" and PostgreSQL's binary form of the event's row (see `parse_record`). It needs `cryptography` for
Ed25519 and nothing else. Whatever does not hold raises Invalid.
"""

import base64
import binascii
import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Get = Callable[[str], bytes]
WIDTH = 256


class Invalid(Exception):
    """It does not hold, for the reason given."""


def demand(holds: object, reason: str) -> None:
    if not holds:
        raise Invalid(reason)


def unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid(f"no base64: {text[:80]!r}") from error


# --- the tree (RFC 6962, 2.1) -------------------------------------------------------------------------------------


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def root_by_inclusion(leaf: bytes, m: int, n: int, proof: list[bytes]) -> bytes:
    """PATH(m, D[n]) walked back: the root over n leaves, if leaf m is this one."""
    demand(0 <= m < n, f"leaf {m} cannot be in a tree of {n}")
    if n == 1:
        demand(not proof, "the proof is too long")
        return leaf
    demand(proof, "the proof is too short")
    k, sibling, rest = split(n), proof[-1], proof[:-1]
    if m < k:
        return node_hash(root_by_inclusion(leaf, m, k, rest), sibling)
    return node_hash(sibling, root_by_inclusion(leaf, m - k, n - k, rest))


def roots_by_consistency(m: int, n: int, proof: list[bytes], old_root: bytes, *, whole: bool = True) -> tuple:
    """SUBPROOF(m, D[n], b) walked back: the roots over m and over n leaves."""
    if m == n:
        demand(len(proof) == (0 if whole else 1), "the proof has the wrong length")
        return (old_root, old_root) if whole else (proof[0], proof[0])
    demand(proof, "the proof is too short")
    k, sibling, rest = split(n), proof[-1], proof[:-1]
    if m <= k:
        old, new = roots_by_consistency(m, k, rest, old_root, whole=whole)
        return old, node_hash(new, sibling)
    old, new = roots_by_consistency(m - k, n - k, rest, old_root, whole=False)
    return node_hash(sibling, old), node_hash(sibling, new)


def verify_inclusion(entry_hash: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> None:
    demand(all(len(step) == 32 for step in proof), "a proof is made of hashes")
    demand(root_by_inclusion(entry_hash, index, size, proof) == root, f"leaf {index} is not under this root")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: list[bytes]) -> None:
    demand(0 <= old <= new, "a log does not shrink")
    demand(all(len(step) == 32 for step in proof), "a proof is made of hashes")
    if old == 0:
        demand(not proof and old_root == hashlib.sha256().digest(), "the empty tree has one root and needs no proof")
        return
    demand(roots_by_consistency(old, new, proof, old_root) == (old_root, new_root), "the log was rewritten")


# --- its tiles (tlog-tiles) ---------------------------------------------------------------------------------------


def tile_path(level: int, index: int, width: int) -> str:
    digits = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        digits.insert(0, f"x{index % 1000:03d}")
    return f"tile/{level}/{'/'.join(digits)}" + ("" if width == WIDTH else f".p/{width}")


@dataclass
class TiledTree:
    """The tree of the first `size` leaves, as its tiles tell it."""

    get: Get
    size: int
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def tile(self, level: int, index: int) -> bytes:
        if (level, index) not in self.tiles:
            width = min(WIDTH, self.size // WIDTH**level - index * WIDTH)
            data = self.get(tile_path(level, index, width))
            demand(len(data) == width * 32, f"tile {level}/{index} should hold {width} hashes")
            self.tiles[level, index] = data
        return self.tiles[level, index]

    def mth(self, start: int, end: int) -> bytes:
        """MTH(D[start:end]) of a subtree of the tree."""
        n, level = end - start, 0
        while n % WIDTH == 0 and n > 1:
            n, level = n // WIDTH, level + 1
        if n == 1:
            index, place = divmod(start // WIDTH**level, WIDTH)
            return self.tile(level, index)[place * 32 : place * 32 + 32]
        k = split(end - start)
        return node_hash(self.mth(start, start + k), self.mth(start + k, end))

    def root(self) -> bytes:
        return self.mth(0, self.size) if self.size else hashlib.sha256().digest()

    def verify_levels(self) -> None:
        """That every tile above the lowest is made of the tiles below it."""
        level = 1
        while self.size >= WIDTH**level:
            for nth in range(self.size // WIDTH**level):
                below = self.tile(level - 1, nth)
                hashes = [below[at : at + 32] for at in range(0, WIDTH * 32, 32)]
                while len(hashes) > 1:
                    hashes = [node_hash(*hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
                place = nth % WIDTH * 32
                demand(
                    self.tile(level, nth // WIDTH)[place : place + 32] == hashes[0], f"tile {level} lies about {nth}"
                )
            level += 1

    def inclusion(self, index: int) -> list[bytes]:
        """PATH(m, D[n])."""

        def walk(m: int, start: int, end: int) -> list[bytes]:
            if end - start == 1:
                return []
            middle = start + split(end - start)
            if m < middle:
                return [*walk(m, start, middle), self.mth(middle, end)]
            return [*walk(m, middle, end), self.mth(start, middle)]

        return walk(index, 0, self.size)

    def consistency(self, old: int) -> list[bytes]:
        """PROOF(m, D[n])."""

        def walk(start: int, end: int, *, whole: bool) -> list[bytes]:
            if old == end:
                return [] if whole else [self.mth(start, end)]
            middle = start + split(end - start)
            if old <= middle:
                return [*walk(start, middle, whole=whole), self.mth(middle, end)]
            return [*walk(middle, end, whole=False), self.mth(start, middle)]

        return walk(0, self.size, whole=True) if old else []


# --- what is signed (signed-note, tlog-checkpoint) ----------------------------------------------------------------


def parse_key(vkey: str) -> tuple[str, bytes, bytes]:
    """(name, key id, raw public key) of name+id+key."""
    parts = vkey.split("+", 2)
    demand(len(parts) == 3, "a verifier key is name+id+key")
    name, key_id, typed = parts[0], parts[1], unbase64(parts[2])
    demand(typed[:1] == b"\x01" and len(typed) == 33, "not an Ed25519 key")
    demand(hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4].hex() == key_id, "the key id does not fit")
    return name, bytes.fromhex(key_id), typed[1:]


def open_note(note: str, name: str, public: bytes) -> str:
    """The text, if this key signed it."""
    text, blank, signatures = note.rpartition("\n\n")
    demand(blank and signatures.endswith("\n"), "not a signed note")
    demand(all(letter >= " " or letter == "\n" for letter in note), "control characters")
    text += "\n"
    key_id = hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]
    signed = False
    for line in signatures.removesuffix("\n").split("\n"):
        dash, signer, encoded = (*line.split(" "), "", "")[:3]
        demand(dash == "—" and signer and line.count(" ") == 2, "not a signature line")
        signature = unbase64(encoded)
        if signer == name and signature[:4] == key_id:
            try:
                Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], text.encode())
            except InvalidSignature as error:
                raise Invalid("the signature does not fit the text") from error
            signed = True
    demand(signed, f"not signed by {name}")
    return text


def parse_checkpoint(text: str) -> tuple[str, int, bytes]:
    """(origin, size, root)."""
    lines = text.removesuffix("\n").split("\n")
    demand(len(lines) >= 3 and all(lines), "not a checkpoint")
    demand(lines[1].isascii() and lines[1].isdigit() and str(int(lines[1])) == lines[1], "not a size")
    root = unbase64(lines[2])
    demand(len(root) == 32, "not a root")
    return lines[0], int(lines[1]), root


# --- hookd's entries and receipts ---------------------------------------------------------------------------------

INT2, INT4, INT8, TIMESTAMPTZ, TEXT, BYTEA = 21, 23, 20, 1184, 25, 17
COLUMNS = {
    "partition": INT2, "seq": INT8, "at": TIMESTAMPTZ, "stream": TEXT, "endpoint": TEXT, "version": INT4,
    "type": TEXT, "schema": INT2, "actor": TEXT, "request": TEXT, "body": BYTEA,
}  # fmt: skip
ENDS = {
    "AttemptSucceeded": "delivered", "DeliveryExhausted": "exhausted", "DeliveryGone": "gone",
    "DeliveryCancelled": "cancelled", "DeliveryExpired": "expired", "DeliveryResent": "pending",
}  # fmt: skip


def parse_record(record: bytes) -> dict[str, Any]:
    """A row in PostgreSQL's binary form: int32 columns; for each: int32 type, int32 length (-1: null), bytes."""
    row, at = {}, 4
    demand(len(record) >= 4 and struct.unpack_from(">i", record)[0] == len(COLUMNS), "not a record")
    for name, kind in COLUMNS.items():
        demand(len(record) >= at + 8, "a record is cut off")
        oid, length = struct.unpack_from(">ii", record, at)
        value = record[at + 8 : at + 8 + max(length, 0)]
        demand(oid == kind and len(value) == max(length, 0), f"not a record: {name}")
        if kind == TEXT:
            row[name] = value.decode() if length >= 0 else None
        else:
            row[name] = value if kind == BYTEA else int.from_bytes(value, "big", signed=True)
        at += 8 + len(value)
    demand(at == len(record), "a record has something behind it")
    return row | {"body": json.loads(row["body"])}


def check_receipt(data: bytes, public: bytes) -> dict[str, Any]:
    """What a receipt proves; `final`: it was delivered, whatever follows; `attempts`: (status, url) of each."""
    receipt = json.loads(data)
    demand(receipt["version"] == "hookd receipt v1", "another kind of receipt")
    origin = receipt["checkpoint"].partition("\n")[0]
    prefix, _, partition = origin.rpartition("/")
    demand(prefix == f"hookd/{hashlib.sha256(public).hexdigest()[:16]}", "a receipt of another log")
    _, size, root = parse_checkpoint(open_note(receipt["checkpoint"], origin, public))
    message, endpoint, last = receipt["message"], receipt["endpoint"], 0
    accepted, state, final, version, attempts, urls = None, "pending", False, 1, [], {}
    for each in receipt["events"]:
        record, index = unbase64(each["record"]), each["index"]
        row = parse_record(record)
        verify_inclusion(
            leaf_hash(b"hookd event v1\n" + record), index, size, [unbase64(step) for step in each["proof"]], root
        )
        demand((str(row["partition"]), row["seq"]) == (partition, index + 1), "an event says it stands elsewhere")
        demand(row["seq"] > last, "events are not in order")
        last, kind, body = row["seq"], row["type"], row["body"]
        if kind == "MessageAccepted":
            demand(accepted is None and row["stream"] == message and endpoint in body["endpoints"], "another message")
            accepted = body
        elif row["endpoint"] is None:  # the endpoint's own history: which URL each of its versions has
            demand(row["stream"] == endpoint, "an event of another endpoint")
            demand(not urls or row["version"] - 1 in urls, "a version of the endpoint is left out")
            url = body["config"]["url"] if "config" in body else urls.get(row["version"] - 1)
            demand(url, "an endpoint without URL")
            urls[row["version"]] = url
        else:
            version += 1
            demand((row["stream"], row["endpoint"]) == (message, endpoint), "an event of another delivery")
            demand(accepted is not None and row["version"] == version, "an event of the delivery is left out")
            demand(state != "delivered" or kind == "DeliveryResent", "only a resend follows a success")
            state, final = ENDS.get(kind, state), final or kind == "AttemptSucceeded"
            if kind.startswith("Attempt"):
                demand("config" not in body or body["config"] in urls, "the URL of an attempt is not shown")
                attempts.append((body.get("status"), urls.get(body.get("config"))))
    demand(accepted is not None, "the message is missing")
    proven = {"state": state, "final": final, "attempts": attempts}
    return {"message": message, "endpoint": endpoint, **proven, **accepted}
