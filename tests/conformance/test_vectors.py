"""What others have published, held against our code and against the independent verifier."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from events import checkpoint, merkle
from events.checkpoint import BadKey, BadNote, BadSignature, MalformedNote, VerifierKey
from events.tile import Tiles, tree_of
from tests.conformance import vectors, verifier

HASHED = [merkle.leaf_hash(entry) for entry in vectors.LEAVES]
HASHES = tree_of(Tiles().extend(HASHED))


def test_roots_of_the_reference_tree() -> None:
    assert vectors.EMPTY_ROOT == merkle.EMPTY_ROOT == merkle.root(0, HASHES) == merkle.Frontier().root()
    frontier, tiles = merkle.Frontier(), Tiles()
    for size, (leaf, root) in enumerate(zip(HASHED, vectors.ROOTS, strict=True), 1):
        frontier.append(leaf)
        tiles.extend([leaf])
        assert frontier.root() == tiles.root() == merkle.root(size, HASHES) == root


@pytest.mark.parametrize(("index", "size", "proof"), vectors.INCLUSIONS)
def test_inclusion_in_the_reference_tree(index: int, size: int, proof: list[bytes]) -> None:
    root = vectors.ROOTS[size - 1]
    assert merkle.inclusion_proof(index, size, HASHES) == proof
    assert merkle.verify_inclusion(HASHED[index], index, size, proof, root)
    verifier.verify_inclusion(verifier.leaf_hash(vectors.LEAVES[index]), index, size, proof, root)


@pytest.mark.parametrize(("old", "new", "proof"), vectors.CONSISTENCIES)
def test_consistency_of_the_reference_tree(old: int, new: int, proof: list[bytes]) -> None:
    roots = vectors.ROOTS[old - 1], vectors.ROOTS[new - 1]
    assert merkle.consistency_proof(old, new, HASHES) == proof
    assert merkle.verify_consistency(old, new, *roots, proof)
    verifier.verify_consistency(old, new, *roots, proof)


def test_keys_of_the_note_package() -> None:
    for text in (vectors.PETER_KEY, vectors.ENOCH_KEY, vectors.SUM_KEY):
        key = VerifierKey.parse(text)
        assert key.text() == text
        assert verifier.parse_key(text) == (key.name, key.id, key.public)
    text = vectors.PETER_KEY
    manglings = {text[start:end] for start in range(len(text)) for end in range(start, len(text) + 1)} - {text}
    manglings |= {text[:at] + chr(ord(text[at]) + 1) + text[at + 1 :] for at in range(len(text))}
    for mangled in manglings | set(vectors.BAD_KEYS):
        with pytest.raises(BadKey):
            VerifierKey.parse(mangled)


def test_a_note_of_the_note_package() -> None:
    peter, enoch = VerifierKey.parse(vectors.PETER_KEY), VerifierKey.parse(vectors.ENOCH_KEY)
    text, line, other = vectors.NOTE_TEXT, vectors.PETER_LINE, vectors.ENOCH_LINE
    seed = base64.b64decode(vectors.PETER_SECRET)[1:]
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(text.encode())
    assert line == f"— PeterNeumann {base64.b64encode(peter.id + signature).decode()}\n"
    for note in (f"{text}\n{line}", f"{text}\n{line}{other}", f"{text}\n{other}{line}{line}"):
        assert checkpoint.signed_text(note, peter) == text
        assert verifier.open_note(note, peter.name, peter.public) == text
    assert checkpoint.signed_text(f"{text}\n{line}{other}", enoch) == text
    with pytest.raises(BadSignature):
        checkpoint.signed_text(f"{text}\n{line}", enoch)
    with pytest.raises(BadSignature):
        checkpoint.signed_text(f"{text}\n{line[:60]}ABCD{line[60:]}", peter)
    for bad in (
        text,
        f"{text}\n",
        f"{text}\n{line[:-1]}",
        f"\x01{text}\n{line}",
        f"{text}\n{line.replace('PeterNeumann', 'Bad Name')}",
        f"{text}\n{line}Unexpected line.\n",
        f"{text}\n{line * 101}",
    ):
        with pytest.raises(MalformedNote):
            checkpoint.signed_text(bad, peter)


@pytest.mark.parametrize("note", vectors.SUM_NOTES)
def test_checkpoints_of_a_log_of_the_world(note: str) -> None:
    key = VerifierKey.parse(vectors.SUM_KEY)
    text = checkpoint.signed_text(note, key)
    assert text == verifier.open_note(note, key.name, key.public)
    read = checkpoint.parse(text)
    assert read.text() == text
    assert (read.origin, read.size, read.root) == verifier.parse_checkpoint(text)
    with pytest.raises(BadNote, match="and the key of"):  # its origin is not the name of its key; ours is
        checkpoint.open_note(note, key)


def test_the_examples_of_the_specifications_are_read() -> None:
    stranger = VerifierKey.parse(vectors.PETER_KEY)
    with pytest.raises(BadSignature, match="not signed by PeterNeumann"):  # and not: malformed
        checkpoint.signed_text(vectors.SPEC_NOTE, stranger)
    read = checkpoint.unverified(vectors.SPEC_CHECKPOINT)
    assert (read.origin, read.size) == ("example.com/behind-the-sofa", 20852163)
    assert vectors.SPEC_CHECKPOINT.startswith(read.text() + "\n— ")
