"""RawJson: bytes in are bytes kept, for every JSON there is."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from daemon.api.body import body_reader
from daemon.api.raw import RawJson, RawObject, holds_raw, slices
from daemon.api.reply import encoder

SPACE = st.text(" \t\r\n", max_size=3)
NUMBERS = st.from_regex(r"\A-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?\Z")
STRINGS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(
        lambda text: json.dumps(text, ensure_ascii=False)
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(json.dumps),
)


def joined(parts, opening, closing):
    return st.builds(
        lambda space, items: opening + space + ",".join(items) + closing, SPACE, st.lists(parts, max_size=4)
    )


def containers(inner):
    spaced = st.builds("{}{}{}".format, SPACE, inner, SPACE)
    names = st.one_of(STRINGS, st.just('"same"'))  # keys repeat
    return joined(spaced, "[", "]") | joined(st.builds("{}{}:{}".format, names, SPACE, spaced), "{", "}")


SOURCES = st.recursive(NUMBERS | STRINGS | st.sampled_from(["null", "true", "false"]), containers, max_leaves=12)


class Holder(BaseModel):
    payload: RawJson
    note: str = ""


READ = body_reader(Holder)
WRITE = encoder(Holder)


@given(source=SOURCES, before=SPACE, after=SPACE)
def test_every_json_is_kept_and_written_byte_for_byte(source, before, after):
    raw = source.encode()
    read = READ(f'{{"note":"n",{before}"payload":{before}{source}{after}}}'.encode())
    assert read.payload == raw
    assert type(read.payload) is RawJson
    assert WRITE(read) == b'{"payload":' + raw + b',"note":"n"}'


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"\xff"}',
        b'{"a":{"\xff":1}}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xc0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"a":["\\udc00"]}',
        b'{"a":"\\x"}',
        b'{"a":"\x01"}',
        b'{"a":01}',
        b'{"a":[-01]}',
        b'{"a":1.}',
        b'{"a":NaN}',
        b'{"a":[1,]}',
        b'{"a":tru}',
        b'{"a":1} x',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'\xef\xbb\xbf{"a":1}',
        b"",
        b"[]",
    ],
)
def test_what_is_not_json_is_found_within_slices_too(body):
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError, RecursionError)):
        slices(body)


def test_objects_only():
    class Strict(BaseModel):
        payload: RawObject

    assert body_reader(Strict)(b'{"payload":{}}').payload == b"{}"
    with pytest.raises(Exception, match="Input should be an object"):
        body_reader(Strict)(b'{"payload":[]}')
    with pytest.raises(ValidationError):
        Strict(payload={})


def test_holds_raw_looks_into_everything():
    assert holds_raw(list[Holder] | None)
    assert not holds_raw(list[int])
