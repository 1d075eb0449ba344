"""Every way a caller can show who it is, and every way to fail at it."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from daemon.api.auth import Admin, AdminIds, App, Operator, Org, Tokens, bearer
from daemon.api.errors import Denied
from daemon.api.request import Request

SECRET = "s" * 32
START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = int(START.timestamp())
INVALID = (401, "authentication_failed", "Invalid token")
BAD = (400, "bad_token", "bad token")


class Clock:
    def __init__(self):
        self.time = START

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tokens(clock):
    return Tokens(SECRET, clock, leeway=timedelta(seconds=10))


def request(**headers):
    spelt = {name.replace("_", "-").lower().encode(): value.encode() for name, value in headers.items()}
    return Request("GET", b"/", spelt)


def signed(claims, key=SECRET, algorithm="HS256"):
    return jwt.encode(claims, key, algorithm)


def crafted(header, claims, signature=b""):
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def denied(check, *arguments):
    with pytest.raises(Denied) as caught:
        check(*arguments)
    return caught.value.status, caught.value.code, caught.value.detail


def test_claims_minted(tokens):
    def claims(token):
        return jwt.decode(token, options={"verify_signature": False})

    times = {"iat": NOW, "nbf": NOW}
    assert claims(tokens.mint_admin("root")) == {
        **times,
        "exp": NOW + 12 * 3600,
        "sub": "root",
        "aud": "admin",
    }
    assert claims(tokens.mint_org("org_a")) == {
        **times,
        "exp": NOW + 3650 * 86400,
        "iss": "svix-server",
        "sub": "org_a",
    }
    assert claims(tokens.mint_app("org_a", "app_b", frozenset({"z", "a"}))) == {
        **times,
        "exp": NOW + 28 * 86400,
        "iss": "svix-server",
        "sub": "app_b",
        "org": "org_a",
        "feature_flags": ["a", "z"],
    }
    assert "feature_flags" not in claims(tokens.mint_app("org_a", "app_b"))


def test_principals(tokens):
    assert tokens.verify(tokens.mint_admin("root")) == Admin("root")
    assert tokens.verify(tokens.mint_org("org_a")) == Org("org_a")
    assert tokens.verify(tokens.mint_app("org_a", "app_b", frozenset({"f"}))) == App(
        "org_a", "app_b", frozenset({"f"})
    )
    assert tokens.verify(signed({"sub": "org_a"})) == Org("org_a"), "Svix asks neither for exp nor for iss"
    assert "root" not in repr(Admin("root"))


GOOD = {"sub": "org_a", "exp": NOW + 60}


@pytest.mark.parametrize(
    ("token", "failure"),
    [
        ("", INVALID),
        ("garbled", INVALID),
        ("a.b.c", INVALID),
        ("é.b.c", INVALID),
        ("x" * 5000, INVALID),
        (signed(GOOD, "t" * 32), INVALID),
        (signed(GOOD, "t" * 48, "HS384"), INVALID),
        (signed(GOOD, SECRET * 2, "HS512"), INVALID),
        (crafted({"alg": "none", "typ": "JWT"}, GOOD), INVALID),
        (signed(GOOD)[:-4], INVALID),
        (signed({"exp": NOW + 60}), INVALID),
        (signed({"sub": "", "exp": NOW + 60}), INVALID),
        (signed({"sub": "org_a", "exp": NOW - 10}), INVALID),
        (signed({"sub": "org_a", "exp": "soon"}), INVALID),
        (signed({"sub": "org_a", "exp": True}), INVALID),
        (signed({"sub": "org_a", "exp": float("nan")}), INVALID),
        (signed({"sub": "org_a", "exp": 10**400}), INVALID),
        (signed({"sub": "org_a", "exp": None}), INVALID),
        (signed({"sub": "org_a", "nbf": NOW + 11}), INVALID),
        (signed({"sub": "org_a", "iat": NOW + 11}), INVALID),
        (signed({"sub": "org_a", "nbf": float("nan")}), INVALID),
        (signed({"sub": "app_a", "org": "org_a", "feature_flags": 5}), INVALID),
        (signed({"sub": "root", "aud": "admin"}), INVALID),
        (signed({"sub": "someone"}), BAD),
        (signed({"sub": "app_a"}), BAD),
        (signed({"sub": "org_a", "org": "org_a"}), BAD),
        (signed({"sub": "app_a", "org": "acme"}), BAD),
        (signed({"sub": "app_a", "org": 5}), BAD),
    ],
)
def test_failures(tokens, token, failure):
    assert denied(tokens.verify, token) == failure


def test_sub_that_is_no_string(tokens):
    signer = jwt.PyJWS()
    token = signer.encode(json.dumps({"sub": 5, "exp": NOW + 60}).encode(), SECRET, "HS256")
    assert denied(tokens.verify, token) == INVALID


def test_the_secret_is_no_token(tokens):
    status, code, detail = denied(tokens.verify, SECRET)
    assert (status, code) == (401, "authentication_failed")
    assert "not a token" in detail


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "token"])
def test_no_bearer(tokens, header):
    sent = request() if header is None else request(Authorization=header)
    assert denied(tokens.check_tenant, sent) == INVALID


def test_a_bearer_that_is_no_text(tokens):
    for given in (b"Bearer \xff\xfe", b"Bearer ey\xff"):
        assert denied(tokens.check_tenant, Request("GET", b"/", {b"authorization": given})) == INVALID


def test_bearer_is_case_insensitive():
    assert bearer(request(Authorization="bEARER  abc ")) == "abc"


@pytest.mark.parametrize(
    ("kind", "admin", "org", "tenant"),
    [("admin", 200, 401, 401), ("org", 403, 200, 200), ("app", 403, 403, 200)],
)
def test_who_may_what(tokens, kind, admin, org, tenant):
    token = {
        "admin": tokens.mint_admin("root"),
        "org": tokens.mint_org("org_a"),
        "app": tokens.mint_app("org_a", "app_b"),
    }[kind]
    sent = request(Authorization=f"Bearer {token}")
    for check, status in (
        (tokens.check_admin, admin),
        (tokens.check_org, org),
        (tokens.check_tenant, tenant),
    ):
        if status == 200:
            assert check(sent) == tokens.verify(token)
        else:
            assert denied(check, sent)[0] == status


def test_a_remembered_token_still_ends(tokens, clock):
    token = tokens.mint_admin("root")
    clock.time = START + timedelta(hours=12, seconds=9)
    assert tokens.verify(token) == Admin("root")
    clock.time = START + timedelta(hours=12, seconds=10)
    assert denied(tokens.verify, token) == INVALID
    clock.time = START - timedelta(seconds=11)
    assert denied(tokens.verify, token) == INVALID


def test_verifying_again_costs_no_signature_and_memory_is_bounded(clock, monkeypatch):
    tokens = Tokens(SECRET, clock, remembered=2)
    first, second, third = (tokens.mint_org(f"org_{n}") for n in range(3))
    decoded = []
    decode = jwt.decode
    monkeypatch.setattr(jwt, "decode", lambda token, *a, **k: decoded.append(token) or decode(token, *a, **k))
    for token in (first, second, first, third, first, second):
        tokens.verify(token)
    assert decoded == [first, second, third, second]


def test_short_secrets_are_refused(clock):
    with pytest.raises(ValueError, match="32 bytes"):
        Tokens("s" * 31, clock)


def test_admin_ids_rotate():
    ids = AdminIds(("old", "new"))
    assert ids.check(request(admin_id="old")) == Admin("old")
    assert ids.check(request(admin_id="new")) == Admin("new")
    for sent in (request(), request(admin_id=""), request(admin_id="ol"), request(admin_id="é")):
        assert denied(ids.check, sent)[0] == 403
    for none in ((), ("",), ("a", "")):
        with pytest.raises(ValueError, match="admin id"):
            AdminIds(none)


def test_operators(tokens, clock):
    reads, acts = tokens.mint_operator("ada"), tokens.mint_operator("ada", may_act=True, life=timedelta(days=3))
    claims = jwt.decode(reads, SECRET, ["HS256"], options={"verify_signature": False})
    assert claims == {"iat": NOW, "nbf": NOW, "exp": NOW + 12 * 3600, "sub": "ada", "aud": "operator", "act": False}
    assert tokens.verify(reads) == Operator("ada")
    assert tokens.verify(acts) == Operator("ada", may_act=True)
    assert tokens.verify(acts).actor == "operator:ada"

    def calling(token):
        return request(Authorization=f"Bearer {token}")

    assert tokens.check_watcher(calling(reads)) == tokens.check_operator(calling(reads)) == Operator("ada")
    assert tokens.check_acting(calling(acts)).may_act
    status, _, detail = denied(tokens.check_acting, calling(reads))
    assert (status, "--write" in detail) == (403, True)
    for check in (tokens.check_tenant, tokens.check_org):
        assert denied(check, calling(acts))[0] == 401
    assert denied(tokens.check_admin, calling(acts))[0] == 403
    for other in (tokens.mint_org("org_1"), tokens.mint_app("org_1", "app_1"), tokens.mint_admin("x")):
        assert denied(tokens.check_operator, calling(other))[0] == 403
    assert denied(tokens.check_watcher, calling(tokens.mint_admin("x"))) == INVALID
    assert tokens.check_watcher(calling(tokens.mint_org("org_1"))) == Org("org_1")
    clock.time += timedelta(hours=13)
    assert denied(tokens.verify, reads) == INVALID


@pytest.mark.parametrize("name", ["", "a b", "-a", "a" * 65, "a\n", "ada:root", "ü"])
def test_an_operators_name_is_sane(tokens, name):
    with pytest.raises(ValueError):
        tokens.mint_operator(name)
    assert denied(tokens.verify, signed({"sub": name, "aud": "operator", "exp": NOW + 60})) == INVALID


def test_an_operators_token_ends_and_acts_only_if_it_says_so(tokens):
    assert denied(tokens.verify, signed({"sub": "ada", "aud": "operator"})) == INVALID
    for act in ("true", 1, None, [True]):
        claims = {"sub": "ada", "aud": "operator", "exp": NOW + 60, "act": act}
        assert not tokens.verify(signed(claims)).may_act
