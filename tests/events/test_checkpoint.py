import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from events import checkpoint
from events.checkpoint import BadKey, BadNote, BadSignature, Checkpoint, MalformedNote, VerifierKey
from events.merkle import EMPTY_ROOT

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
LOG = checkpoint.log_id(PUBLIC)
KEY = VerifierKey(checkpoint.origin_of(LOG, 3), PUBLIC)
TREE = Checkpoint(KEY.name, 12, EMPTY_ROOT)
NOTE = checkpoint.sign(TREE, PRIVATE)
TEXT, _, LINE = NOTE.partition("\n\n")
FOREIGN = "— witness.example/w qTGhC/xIPQ0AXKHK6Y+9ypRfuvMZWPjRXM8NiOg5M1WREn07VQXyuIXM3NRNav3ieVFLUqDRK77PWDmL6w8w\n"


def test_a_checkpoint_reads_so() -> None:
    assert len(LOG) == 16
    assert TREE.text() == f"hookd/{LOG}/3\n12\n{base64.b64encode(EMPTY_ROOT).decode()}\n"
    assert NOTE.startswith(f"{TREE.text()}\n— hookd/{LOG}/3 ")
    assert NOTE.endswith("=\n")


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.integers(0, 9999))
def test_what_is_signed_is_opened(size: int, root: bytes, partition: int) -> None:
    key = KEY.of_partition(partition)
    tree = Checkpoint(key.name, size, root)
    note = checkpoint.sign(tree, PRIVATE)
    assert checkpoint.open_note(note, key) == checkpoint.unverified(note) == checkpoint.parse(tree.text()) == tree
    assert checkpoint.split_origin(tree.origin) == (LOG, partition)
    assert VerifierKey.parse(key.text()) == key
    assert key.log_id == LOG


def test_signatures_of_others_are_left_alone() -> None:
    for note in (f"{TEXT}\n\n{FOREIGN}{LINE}", f"{TEXT}\n\n{LINE}{FOREIGN}", f"{TEXT}\n\n{LINE}{FOREIGN * 98}{LINE}"):
        assert checkpoint.open_note(note, KEY) == TREE
    same_name = f"— {KEY.name} {base64.b64encode(b'abcd' + bytes(64)).decode()}\n"
    assert checkpoint.open_note(f"{TEXT}\n\n{same_name}{LINE}", KEY) == TREE


def test_extensions_are_kept() -> None:
    extended = Checkpoint(KEY.name, 12, EMPTY_ROOT, ("one", "two words"))
    assert checkpoint.open_note(checkpoint.sign(extended, PRIVATE), KEY) == extended


def test_what_this_key_did_not_sign() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))
    with pytest.raises(BadSignature, match="is not signed by"):
        checkpoint.open_note(checkpoint.sign(TREE, other), KEY)
    with pytest.raises(BadSignature, match="is not signed by"):
        checkpoint.open_note(NOTE, KEY.of_partition(4))
    with pytest.raises(BadSignature, match="does not fit the text"):
        checkpoint.open_note(NOTE.replace("\n12\n", "\n13\n"), KEY)
    forged = f"— {KEY.name} {base64.b64encode(KEY.id + bytes(64)).decode()}\n"
    with pytest.raises(BadSignature, match="does not fit the text"):
        checkpoint.open_note(NOTE + forged, KEY)
    with pytest.raises(BadSignature, match="does not fit the text"):
        checkpoint.open_note(f"{TEXT}\n\n— {KEY.name} {base64.b64encode(KEY.id + b'short').decode()}\n", KEY)


def test_a_key_signs_for_its_own_tree_only() -> None:
    elsewhere = Checkpoint("hookd/elsewhere/3", 12, EMPTY_ROOT).text()
    signature = base64.b64encode(KEY.id + PRIVATE.sign(elsewhere.encode())).decode()
    note = f"{elsewhere}\n— {KEY.name} {signature}\n"
    assert checkpoint.signed_text(note, KEY) == elsewhere
    with pytest.raises(BadNote, match="the checkpoint is of 'hookd/elsewhere/3'"):
        checkpoint.open_note(note, KEY)


@pytest.mark.parametrize(
    ("note", "why"),
    [
        ("", "no empty line"),
        (TEXT + "\n", "no empty line"),
        (f"\n\n{LINE}", "no empty line"),
        (TEXT + "\n\n", "does not end with a signature"),
        (NOTE[:-1], "does not end with a signature"),
        (NOTE.replace("\n", "\r\n"), "control character"),
        (NOTE + "\x00", "control character"),
        ("\ud800" + NOTE, "not Unicode"),
        (NOTE + "more\n", "no signature line"),
        (NOTE.replace("— ", "- "), "no signature line"),
        (f"{TEXT}\n\n— \n", "no signature line"),
        (f"{TEXT}\n\n— a+b QUJDREU=\n", "no signature line"),
        (f"{TEXT}\n\n— a\u00a0b QUJDREU=\n", "no signature line"),
        (f"{TEXT}\n\n— a QUJDREU\n", "not base64"),
        (f"{TEXT}\n\n— a QUJDREV=\n", "not base64"),
        (f"{TEXT}\n\n— a QUJDREU= x\n", "not base64"),
        (f"{TEXT}\n\n— a QUJDRA==\n", "too short"),
        (NOTE + LINE * 100, "more than 100 signatures"),
        (NOTE + " " * 1_000_000, "longer than"),
    ],
)
def test_malformed_notes(note: str, why: str) -> None:
    with pytest.raises(MalformedNote, match=why):
        checkpoint.open_note(note, KEY)


ROOT = base64.b64encode(EMPTY_ROOT).decode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "newline"),
        (f"o\n1\n{ROOT}", "newline"),
        ("o\n1\n", "three lines"),
        (f"\n1\n{ROOT}\n", "three lines"),
        (f"o\n1\n{ROOT}\n\nx\n", "three lines"),
        (f"o\n01\n{ROOT}\n", "size of a tree"),
        (f"o\n-1\n{ROOT}\n", "size of a tree"),
        (f"o\n+1\n{ROOT}\n", "size of a tree"),
        (f"o\n1 \n{ROOT}\n", "size of a tree"),
        (f"o\n٣\n{ROOT}\n", "size of a tree"),
        (f"o\n{2**63}\n{ROOT}\n", "size of a tree"),
        (f"o\n{'9' * 5000}\n{ROOT}\n", "size of a tree"),
        ("o\n1\nx\n", "not base64"),
        (f"o\n1\n{ROOT[:-1]}\n", "not base64"),
        ("o\n1\nQUJD\n", "32 bytes"),
    ],
)
def test_texts_that_are_no_checkpoints(text: str, why: str) -> None:
    with pytest.raises(MalformedNote, match=why):
        checkpoint.parse(text)


@pytest.mark.parametrize(
    "origin", ["", "hookd/x/1", f"hookd/{LOG}", f"hookd/{LOG}/01", f"other/{LOG}/1", f"hookd/{LOG}/1\n"]
)
def test_origins_of_others(origin: str) -> None:
    with pytest.raises(BadNote, match="the origin"):
        checkpoint.split_origin(origin)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not of type 1"),
        ("name", "not of type 1"),
        (KEY.text()[:-1], "not base64"),
        (KEY.text().replace(KEY.name, "x"), "the key id is"),
        (KEY.text().replace(KEY.id.hex(), "00000000"), "the key id is"),
        (KEY.text().replace(KEY.name, ""), "a name without"),
        (KEY.text().replace(KEY.name, "a b"), "a name without"),
        ("n+00000000+" + base64.b64encode(b"\x02" + PUBLIC).decode(), "not of type 1"),
        ("n+00000000+" + base64.b64encode(b"\x01" + PUBLIC[:-1]).decode(), "32 bytes, not 31"),
    ],
)
def test_what_is_no_key(text: str, why: str) -> None:
    with pytest.raises(BadKey, match=why):
        VerifierKey.parse(text)


def test_a_key_is_read_with_the_newline_of_its_file() -> None:
    assert VerifierKey.parse(KEY.text() + "\n") == KEY
