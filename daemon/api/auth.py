"""Who calls: admin ids sent in a header, and signed tokens (HS256) for admins, organizations, apps and operators.

The token shapes and the failures are those of the Svix server: any organization a token names exists, and
no token is looked up or revoked.
"""

import hmac
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import jwt
from aiohttp import hdrs

from daemon.api.errors import Denied
from daemon.api.operation import Auth
from daemon.api.request import Request

ALGORITHM = "HS256"
SECRET_BYTES_MIN = 32  # RFC 7518 §3.2: as long as the hash
TOKEN_CHARS_MAX = 4096
CACHED_TOKENS_MAX = 1024

ADMIN_LIFE = timedelta(hours=12)
ORG_LIFE = timedelta(days=3650)
APP_LIFE = timedelta(days=28)
OPERATOR_LIFE = timedelta(hours=12)
LEEWAY = timedelta(seconds=30)

OPERATOR_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")

ADMIN_ID_HEADER = "admin-id"
_BEARER: Mapping[str, Mapping[str, str]] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
# PyJWT reads the wall clock, so the times are checked here, against the clock given.
_OPTIONS: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}


@dataclass(frozen=True, slots=True)
class Admin:
    """An administrator. The id is a credential as well, so it is not shown."""

    id: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Org:
    """An organization: everything of its own. `actor` is how the log names it."""

    org_id: str
    actor: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Spell the actor once."""
        object.__setattr__(self, "actor", f"org:{self.org_id}")


@dataclass(frozen=True, slots=True)
class App:
    """One application of an organization; its flags open event types to it. `actor` is how the log names it."""

    org_id: str
    app_id: str
    feature_flags: frozenset[str] = frozenset()
    actor: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Spell the actor once."""
        object.__setattr__(self, "actor", f"app:{self.app_id}")


@dataclass(frozen=True, slots=True)
class Operator:
    """One of those who run this hookd: sees every organization. `actor` is how the log names them."""

    name: str
    may_act: bool = False
    actor: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Spell the actor once."""
        object.__setattr__(self, "actor", f"operator:{self.name}")


Principal = Admin | Org | App | Operator


class AdminIds:
    """The admin ids in force, all equally: while they rotate, the old and the new one."""

    def __init__(self, ids: tuple[str, ...]) -> None:
        """Take at least one id, and none that is empty. Raises ValueError."""
        if not ids or not all(ids):
            raise ValueError("at least one admin id is needed, and none may be empty")
        self._ids = tuple(known.encode() for known in ids)
        scheme = {"adminId": {"type": "apiKey", "in": "header", "name": ADMIN_ID_HEADER}}
        self.header: Auth[Admin] = Auth(self.check, scheme, (403,))

    def check(self, request: Request) -> Admin:
        """Read the header `admin-id`. Raises Denied (403)."""
        given = request.header(ADMIN_ID_HEADER.encode())
        if not self.holds(given):
            raise _forbidden("The header admin-id is missing or wrong")
        return Admin(given)

    def holds(self, given: str) -> bool:
        """Compare with every id, each in constant time, so that the time taken tells nothing."""
        found = 0
        for known in self._ids:
            found |= hmac.compare_digest(known, given.encode(errors="surrogateescape"))
        return bool(found)


@dataclass(frozen=True, slots=True)
class _Verified:
    principal: Principal
    starts: float  # seconds since 1970, leeway included
    ends: float


class Tokens:
    """Mints and verifies tokens. Times are unix seconds, as in the claims; `now` must be aware.

    Verifying costs about 30 µs, so what was verified is remembered, at most `remembered` tokens; the times
    are looked at on every use.
    """

    def __init__(
        self,
        secret: str,
        now: Callable[[], datetime],
        *,
        leeway: timedelta = LEEWAY,
        remembered: int = CACHED_TOKENS_MAX,
    ) -> None:
        """Take the shared secret, used as its UTF-8 bytes. Raises ValueError if it is short."""
        self._key = secret.encode()
        if len(self._key) < SECRET_BYTES_MIN:
            raise ValueError(f"the token secret must have at least {SECRET_BYTES_MIN} bytes")
        self._now = now
        self._leeway = leeway.total_seconds()
        self._remembered = remembered
        self._verified: OrderedDict[str, _Verified] = OrderedDict()
        self.admin: Auth[Admin] = Auth(self.check_admin, _BEARER, (401, 403))
        self.org: Auth[Org] = Auth(self.check_org, _BEARER, (400, 401, 403))
        self.tenant: Auth[Org | App] = Auth(self.check_tenant, _BEARER, (400, 401))
        self.operator: Auth[Operator] = Auth(self.check_operator, _BEARER, (400, 401, 403))
        self.acting: Auth[Operator] = Auth(self.check_acting, _BEARER, (400, 401, 403))
        self.watcher: Auth[Operator | Org | App] = Auth(self.check_watcher, _BEARER, (400, 401))

    def mint_admin(self, admin_id: str, life: timedelta = ADMIN_LIFE) -> str:
        """Mint the token of an admin: `{iat, nbf, exp, sub, aud: "admin"}`."""
        return self._mint({"sub": admin_id, "aud": "admin"}, life)

    def mint_org(self, org_id: str, life: timedelta = ORG_LIFE) -> str:
        """Mint the token of an organization: `{iat, nbf, exp, iss, sub}`."""
        return self._mint({"iss": "svix-server", "sub": org_id}, life)

    def mint_app(
        self,
        org_id: str,
        app_id: str,
        feature_flags: frozenset[str] | None = None,
        life: timedelta = APP_LIFE,
    ) -> str:
        """Mint the token of one application: `{iat, nbf, exp, iss, sub, org, feature_flags?}`."""
        flags = {} if feature_flags is None else {"feature_flags": sorted(feature_flags)}
        return self._mint({"iss": "svix-server", "sub": app_id, "org": org_id, **flags}, life)

    def mint_operator(self, name: str, *, may_act: bool = False, life: timedelta = OPERATOR_LIFE) -> str:
        """Mint the token of an operator: `{iat, nbf, exp, sub, aud: "operator", act}`. ValueError for a bad name."""
        if not OPERATOR_NAME.fullmatch(name):
            raise ValueError("an operator's name is 1 to 64 letters, digits and any of . _ @ + -")
        return self._mint({"sub": name, "aud": "operator", "act": may_act}, life)

    def verify(self, token: str) -> Principal:
        """Say whose token it is. Raises Denied (401, or 400 for an id that is none)."""
        known = self._verified.get(token)
        if known is None:
            known = self._remember(token, self._decode(token))
        else:
            self._verified.move_to_end(token)
        if not known.starts <= self._now().timestamp() < known.ends:
            raise _unauthenticated()
        return known.principal

    def check_admin(self, request: Request) -> Admin:
        """Let an admin's token pass. Raises Denied."""
        principal = self.verify(bearer(request))
        if not isinstance(principal, Admin):
            raise _forbidden("Only an admin's token may do this")
        return principal

    def check_org(self, request: Request) -> Org:
        """Let an organization's token pass; an application's is refused with 403. Raises Denied."""
        principal = self.check_tenant(request)
        if not isinstance(principal, Org):
            raise _forbidden("Only an organization's token may do this")
        return principal

    def check_tenant(self, request: Request) -> Org | App:
        """Let an organization's or an application's token pass. Raises Denied."""
        principal = self.verify(bearer(request))
        if isinstance(principal, Admin):
            raise _unauthenticated()
        if isinstance(principal, Operator):
            raise _unauthenticated("An operator's token is not taken here: this is for an organization's")
        return principal

    def check_operator(self, request: Request) -> Operator:
        """Let an operator's token pass. Raises Denied."""
        principal = self.verify(bearer(request))
        if not isinstance(principal, Operator):
            raise _forbidden("Only an operator's token may do this: hookd token --operator NAME prints one")
        return principal

    def check_acting(self, request: Request) -> Operator:
        """Let an operator's token pass that may change things. Raises Denied."""
        principal = self.check_operator(request)
        if not principal.may_act:
            raise _forbidden("This token may only read: hookd token --operator NAME --write prints one that may act")
        return principal

    def check_watcher(self, request: Request) -> Operator | Org | App:
        """Let an operator's, an organization's or an application's token pass. Raises Denied."""
        principal = self.verify(bearer(request))
        if isinstance(principal, Admin):
            raise _unauthenticated()
        return principal

    def _mint(self, claims: Mapping[str, object], life: timedelta) -> str:
        now = int(self._now().timestamp())
        times = {"iat": now, "nbf": now, "exp": now + int(life.total_seconds())}
        return jwt.encode({**times, **claims}, self._key, ALGORITHM)

    def _decode(self, token: str) -> _Verified:
        if hmac.compare_digest(token.encode(errors="surrogateescape"), self._key):
            raise _unauthenticated("This is the secret that signs tokens, not a token: mint one and keep this safe")
        if len(token) > TOKEN_CHARS_MAX:
            raise _unauthenticated()
        try:
            claims = jwt.decode(token, self._key, [ALGORITHM], options=_OPTIONS)
        except (jwt.InvalidTokenError, RecursionError):
            raise _unauthenticated() from None
        principal = principal_of(claims)
        starts = max(_time(claims, "nbf", -float("inf")), _time(claims, "iat", -float("inf")))
        # Svix takes a token without an end; an admin's and an operator's must have one.
        ends = _time(claims, "exp", -float("inf") if isinstance(principal, Admin | Operator) else float("inf"))
        return _Verified(principal, starts - self._leeway, ends + self._leeway)

    def _remember(self, token: str, verified: _Verified) -> _Verified:
        self._verified[token] = verified
        if len(self._verified) > self._remembered:
            self._verified.popitem(last=False)
        return verified


def bearer(request: Request) -> str:
    """Read the token of the Authorization header. Raises Denied (401)."""
    given = request.header(b"authorization")
    if not given.isascii():
        raise _unauthenticated()
    if given.startswith("Bearer ey"):  # as nearly everybody spells it
        return given[7:].rstrip()
    scheme, _, token = given.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthenticated()
    return token.strip()


def principal_of(claims: Mapping[str, Any]) -> Principal:
    """Say whom verified claims name. Raises Denied: 401 without `sub`, 400 for an id without its prefix."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise _unauthenticated()
    if claims.get("aud") == "admin":
        return Admin(subject)
    if claims.get("aud") == "operator":
        if not OPERATOR_NAME.fullmatch(subject):
            raise _unauthenticated()
        return Operator(subject, claims.get("act") is True)
    org_id = claims.get("org")
    if org_id is None:
        return Org(_prefixed(subject, "org_"))
    flags = claims.get("feature_flags") or ()
    if not isinstance(flags, list | tuple):
        raise _unauthenticated()
    return App(_prefixed(org_id, "org_"), _prefixed(subject, "app_"), frozenset(map(str, flags)))


def _prefixed(value: object, prefix: str) -> str:
    if not isinstance(value, str) or not value.startswith(prefix):
        raise Denied(HTTPStatus.BAD_REQUEST, "bad_token", "bad token")
    return value


def _time(claims: Mapping[str, Any], name: str, absent: float) -> float:
    value = claims.get(name, absent)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unauthenticated()
    try:
        return float(value)
    except OverflowError:
        raise _unauthenticated() from None


def _unauthenticated(detail: str = "Invalid token") -> Denied:
    headers: dict[str, str] = {hdrs.WWW_AUTHENTICATE: "Bearer"}
    return Denied(HTTPStatus.UNAUTHORIZED, "authentication_failed", detail, headers=headers)


def _forbidden(detail: str) -> Denied:
    return Denied(HTTPStatus.FORBIDDEN, "insufficient access", detail)
