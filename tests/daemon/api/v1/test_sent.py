"""A request made up again is the one that was sent."""

from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

from daemon import signing
from daemon.api.v1.sent import UNKNOWN, request_out, signers_at
from daemon.sealing import SealBroken
from daemon.signing import signed_headers
from daemon.target import Target
from events.board_views import KeptSecret
from tests.support.builders import an_endpoint

AT = datetime(2026, 1, 1, tzinfo=UTC)
NOW = int(AT.timestamp())
OLD, NEW = (signing.generate(bytes([n]) * 24) for n in (1, 2))
PAYLOAD = b'{"a": 1}'


def kept(key, created_s, expires_s=None):
    expires = None if expires_s is None else AT + timedelta(seconds=expires_s)
    return KeptSecret("sec", key.encode(), AT + timedelta(seconds=created_s), expires)


def test_line_for_line_as_the_dispatcher_writes_it():
    endpoint = an_endpoint(url="https://a.example:8443/hook?x=1")
    signers = [signing.signer(NEW), signing.signer(OLD)]
    sent = Target(endpoint, 1).head + signed_headers(signers, "msg_1", NOW, PAYLOAD)
    out = request_out(endpoint.url, "msg_1", NOW, PAYLOAD, signers)
    assert [f"{name}: {value}" for name, value in out.headers] == sent.decode().split("\r\n")[1:-2]
    assert (out.method, out.url) == ("POST", endpoint.url)


def test_the_keys_in_force_then():
    secrets = [kept(NEW, 10), kept(OLD, -100, expires_s=3600)]  # rotated ten seconds after it was sent
    for moment, expected in ((NOW, [OLD]), (NOW + 10, [NEW, OLD]), (NOW + 3600, [NEW]), (NOW - 200, [])):
        signers = signers_at(secrets, moment, lambda sealed: sealed)
        signature = dict(request_out("https://a.example/", "msg_1", moment, PAYLOAD, signers).headers)[
            "svix-signature"
        ]
        made = [Webhook(key).sign("msg_1", datetime.fromtimestamp(moment, UTC), PAYLOAD.decode()) for key in expected]
        assert signature == (" ".join(made) or UNKNOWN)


def test_what_does_not_open_is_unknown():
    def unseal(_sealed):
        raise SealBroken

    assert signers_at([kept(OLD, -1)], NOW, unseal) == []
    out = dict(request_out("https://a.example/", "msg_1", NOW, None, [signing.signer(OLD)]).headers)
    assert (out["webhook-signature"], out["content-length"], out["webhook-id"]) == (UNKNOWN, UNKNOWN, "msg_1")


def test_a_url_of_older_times():
    assert request_out("ftp://a/", "msg_1", NOW, PAYLOAD, []).headers == []
