"""What is written, and with which headers."""

from datetime import UTC, datetime

from pydantic import Field

from daemon.api.models import CamelOut, absent
from daemon.api.raw import RawJson
from daemon.api.reply import Reply, encoder, responder


class Plain(CamelOut):
    made_at: datetime
    uid: str | None = Field(default=None, exclude_if=absent)
    name: str | None = None


class Raw(Plain):
    payload: RawJson


WHEN = datetime(2026, 8, 21, 20, 24, 36, 123456, tzinfo=UTC)
COMMON = b'"madeAt":"2026-08-21T20:24:36.123456Z","name":null'


def test_both_writers_spell_alike():
    assert encoder(Plain)(Plain(made_at=WHEN)) == b"{" + COMMON + b"}"
    raw = Raw(made_at=WHEN, payload=RawJson(b'{"a": 1e0}'))
    assert encoder(Raw)(raw) == b"{" + COMMON + b',"payload":{"a": 1e0}}'
    assert encoder(list[Raw])([raw]) == b"[{" + COMMON + b',"payload":{"a": 1e0}}]'
    assert encoder(None)({"a": WHEN}) == b'{"a":"2026-08-21T20:24:36.123456Z"}'


def test_responses():
    respond = responder(encoder(None), 202)
    assert (respond(None).status, respond(None).body) == (202, None)
    reply = respond(Reply(201, {"a": 1}, {"Location": "/x"}))
    assert (reply.status, reply.body, reply.headers["Location"]) == (201, b'{"a":1}', "/x")
    assert reply.media == "application/json"
    assert respond(Reply(body=b"{}")).body == b"{}"
    assert respond(RawJson(b"[]")).status == 202
    assert respond(reply) is reply
