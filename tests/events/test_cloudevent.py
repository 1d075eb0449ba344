import base64
import json
import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from events import cloudevent
from events.cloudevent import End, NotALine, Note, decode, encode, encode_end, encode_note, root_of, source_of
from events.leaf import RawEvent, at_us
from tests.support.builders import NOW

TEXT = st.text(st.characters(exclude_categories=["Cs"]))  # PostgreSQL's text holds no lone surrogates either
HOSTILE = TEXT | st.sampled_from(
    [
        "",
        "\n",
        "a\r\nb",
        "\u2028",
        "\u2029",
        "\x85",
        '"',
        '\\"',
        "\x7f",
        "\ufffe",
        "\U0010ffff",
        "é",
        "'",
        "</script>",
    ]
)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | TEXT, st.lists, max_leaves=5)
BODY = (
    st.dictionaries(TEXT, JSON).map(lambda each: json.dumps(each, ensure_ascii=False).encode())
    | st.dictionaries(TEXT, JSON).map(lambda each: json.dumps(each, indent=1).encode())
    | st.binary()
    | st.sampled_from(
        [
            b"{}", b"", b" {}", b"{} ", b"{}\n", b'{"a":1.0}', b'{"a":1e999}', b'{"a":"\xff"}', b'{"a":"\\ud800"}',
            b"{}}{", b'{"a":1},"id":{"x":1}', b'{"a" : [ 1 ] }', b"null", b'"x"', b'{"a":NaN}', b'{"a":1,"a":2}',
            '{"a":"\u2028"}'.encode(), b"[" * 5000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b'{"a":"\x00"}',
        ]
    )
)  # fmt: skip
INT8 = st.integers(-(2**63), 2**63 - 1)
RAW = st.builds(
    RawEvent,
    st.integers(-(2**15), 2**15 - 1),
    INT8,
    INT8 | st.integers(-(2**50), 2**52),
    HOSTILE,
    st.none() | HOSTILE,
    st.integers(-(2**31), 2**31 - 1),
    HOSTILE | st.sampled_from(["checkpoint", "export", "unprintable", "EndpointDeleted"]),
    st.integers(-(2**15), 2**15 - 1),
    HOSTILE,
    st.none() | HOSTILE,
    BODY,
)

PLAIN = RawEvent(
    3, 41, at_us(NOW) + 7, "msg_1", "ep_1", 2, "AttemptSucceeded", 1, "hookd", None, b'{"attempt":1,"status":200}'
)
LINE = (
    b'{"specversion":"1.0","id":"3/41","source":"/hookd/log/3","type":"hookd.AttemptSucceeded",'
    b'"subject":"msg_1/ep_1","time":"2026-01-01T12:00:00.000007Z","partition":3,"seq":"41","stream":"msg_1",'
    b'"endpoint":"ep_1","version":2,"schema":1,"actor":"hookd","datacontenttype":"application/json",'
    b'"data":{"attempt":1,"status":200}}\n'
)

CORE = {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"}
STRINGS_MAY_NOT_HOLD = re.compile("[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff\U0001fffe\U0010fffe\U0010ffff]")


def assert_cloudevent(line: bytes) -> dict[str, Any]:
    """What the specification and the JSON format ask of a line."""
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    event: dict[str, Any] = json.loads(line)
    assert event["specversion"] == "1.0"
    for name in ("id", "source", "type"):
        assert isinstance(event[name], str)
        assert event[name]
    assert re.fullmatch(r"[A-Za-z0-9._~/-]+", event["source"])  # a URI-reference
    assert event.get("subject", "x"), "when there is one, it is not empty"
    if "time" in event:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", event["time"])
        datetime.fromisoformat(event["time"])
    assert not {"data", "data_base64"} <= event.keys()
    for name, value in event.items():
        if name in {"data", "data_base64"}:
            continue
        assert re.fullmatch(r"[a-z0-9]{1,20}", name)
        if isinstance(value, int):
            assert -(2**31) <= value < 2**31
        else:
            assert isinstance(value, str)
            assert not STRINGS_MAY_NOT_HOLD.search(value)
    return event


def test_a_line_reads_so() -> None:
    assert encode(PLAIN, source_of(3)) == LINE
    assert decode(LINE) == PLAIN
    assert source_of(3, "0123456789abcdef") == "hookd/0123456789abcdef/3"


@given(RAW)
@example(PLAIN)
def test_a_line_is_a_cloudevent_and_gives_the_row_back(raw: RawEvent) -> None:
    line = encode(raw, source_of(raw.partition, "0123456789abcdef"))
    event = assert_cloudevent(line)
    assert decode(line) == raw
    assert event["id"] == f"{raw.partition}/{raw.seq}"
    assert event["seq"] == str(raw.seq)
    if "data" in event:
        assert line.endswith(b'"data":' + raw.body + b"}\n")
        assert event["data"] == json.loads(raw.body)
    else:
        assert base64.b64decode(event["data_base64"], validate=True) == raw.body


@given(st.dictionaries(TEXT, st.recursive(st.none() | TEXT, st.lists)))
def test_an_object_on_one_line_is_never_hidden(body: dict[str, Any]) -> None:
    for separators in ((",", ":"), (", ", " : ")):
        written = json.dumps(body, ensure_ascii=False, separators=separators).encode()
        raw = RawEvent(0, 1, 0, "s", None, 1, "T", 1, "a", "r", written)
        assert b'"data":' + written in encode(raw, "/s")


@pytest.mark.parametrize(("text", "hidden"), [("a\nb", True), ("a\u2028b", False), ("\x85", True), ("ü🙂", False)])
def test_texts_that_attributes_may_not_hold_are_binary(text: str, *, hidden: bool) -> None:
    event = json.loads(encode(RawEvent(0, 1, 0, text, None, 1, "T", 1, "a", None, b"{}"), "/s"))
    assert ("streambase64" in event) is hidden
    assert ("subject" in event) is not hidden


@given(st.integers(0, 9), TEXT, st.none() | st.just("name+0123abcd+AQ=="))
def test_a_checkpoint_is_a_line_too(partition: int, text: str, vkey: str | None) -> None:
    note = Note(partition, text, vkey)
    line = encode_note(note, source_of(partition))
    assert decode(line) == note
    if vkey is None and re.fullmatch(r"[a-z]*", text):
        assert assert_cloudevent(line)["type"] == "hookd.checkpoint"


def test_a_checkpoint_names_its_size() -> None:
    note = Note(1, "hookd/0123456789abcdef/1\n27\ncm9vdA==\n\n— hookd AAAA\n")
    event = assert_cloudevent(encode_note(note, source_of(1, "0123456789abcdef")))
    assert event["id"] == "1/checkpoint/27"
    assert (event["data"], event["datacontenttype"]) == (note.text, "text/plain; charset=utf-8")


def test_the_last_line_tells_what_the_file_holds() -> None:
    end = End(16, 3, {0: 2, 3: 1})
    line = encode_end(end, root_of("0123456789abcdef"))
    assert assert_cloudevent(line)["data"] == {"partitions": 16, "events": 3, "heads": {"0": 2, "3": 1}}
    assert decode(line) == end


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        (b"", "malformed|truncated"),
        (b"[]", "object"),
        (LINE[:-3], "truncated"),
        (LINE.replace(b'"1.0"', b'"0.3"'), "specversion"),
        (LINE.replace(b'"3/41"', b'"3/42"'), "id '3/42' is not the position 3/41"),
        (LINE.replace(b"msg_1/ep_1", b"msg_2/ep_1"), "subject"),
        (LINE.replace(b"hookd.Att", b"other.Att"), "none of hookd's"),
        (LINE.replace(b'"seq":"41",', b""), "missing"),
        (LINE.replace(b'"seq":"41"', b'"seq":41'), "str"),
        (LINE.replace(b'"seq":"41"', b'"seq":"x"'), "seq"),
        (LINE.replace(b'"partition":3', b'"partition":99999'), "partition"),
        (LINE.replace(b'"actor":"hookd",', b""), "missing"),
        (LINE.replace(b'"stream":"msg_1",', b""), "missing"),
        (LINE.replace(b'"time":"2026-01-01T12:00:00.000007Z",', b""), "time is missing"),
        (LINE.replace(b".000007Z", b".000007"), "time"),
        (LINE.replace(b',"data":{"attempt":1,"status":200}', b""), "data is missing"),
        (LINE.replace(b'"version":2', b'"colour":"red","version":2'), "colour"),
        (b'{"specversion":"1.0","id":"x","source":"s","type":"hookd.checkpoint","data":"x"}', "without partition"),
        (b'{"specversion":"1.0","id":"x","source":"s","type":"hookd.checkpoint","partition":1,"data":{}}', "str"),
        (b'{"specversion":"1.0","id":"x","source":"s","type":"hookd.export","data":{}}', "partitions"),
    ],
)
def test_what_is_no_line_is_refused(changed: bytes, match: str) -> None:
    with pytest.raises(NotALine, match=match):
        decode(changed)


def test_a_line_that_another_program_wrote_is_read() -> None:
    printed = json.dumps(json.loads(LINE), indent=None, sort_keys=True).encode()
    assert decode(printed).stream == "msg_1"  # type: ignore[union-attr]
    assert cloudevent.decode(LINE.rstrip(b"\n")) == PLAIN
