"""Everything that can be set, in one frozen object; the one reader of the environment.

Values come from the environment, then from `.env` in the working folder, then (secrets, with the embedded database
only) from the data home. All are checked at once, and all that is wrong is said at once.
"""

import base64
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from daemon.sealing import KEY_BYTES
from events.breaker import BreakerPolicy
from events.content import RETENTION_DAYS, RETENTION_DAYS_MAX
from events.decide import Rules
from events.retry import DELAYS_S, RetryPolicy

WORKERS_DEFAULT_MAX: Final = 8
SECRETS_FILE: Final = "secrets.env"
SECRET_KEY_BYTES_MIN: Final = 32
ADMIN_ID_CHARS_MIN: Final = 16
COMPOSE_ONLY: Final = frozenset({"POSTGRES_PASSWORD"})  # in the same .env, for compose.yaml
LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
_LIST: Final = re.compile(r"[\s,]+")


class BadSettings(Exception):
    """What is wrong with the settings, one line each: variable, and what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


Network = IPv4Network | IPv6Network
Seconds = Annotated[float, Field(ge=0, le=30 * 86400)]


class Settings(BaseModel):
    """Every variable is the field's name in capitals; `.env.example` lists them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port the API listens on; 0 takes a free one.")
    hookd_home: Path | None = Field(None, description="Where the embedded database and generated secrets lie.")
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL 15 or newer to use instead of the embedded one: postgresql://user:pw@host/db."
    )
    partitions: int = Field(16, ge=1, le=1024, description="Partitions of the log; fixed once the database is made.")

    workers: int = Field(0, ge=0, le=64, description="Processes that share the work; 0: one a core, up to 8.")

    secret_key: SecretStr = Field(SecretStr(""), description="Signs and checks JWTs (HS256): 32 characters or more.")
    admin_ids: tuple[SecretStr, ...] = Field(
        (), description="Values the admin-id header may have, comma-separated, so that they can rotate."
    )
    sealing_keys: tuple[SecretStr, ...] = Field(
        (), description="Base64 of 32 bytes each, comma-separated: the first seals secrets at rest, all open them."
    )

    trigger_batch_size: int = Field(10, ge=1, le=1000, description="Attempts at once to one endpoint.")
    max_in_flight: int = Field(1000, ge=1, le=50_000, description="Attempts at once in each process.")
    attempt_timeout_s: Seconds = Field(15.0, gt=0, description="How long one attempt may take in all.")
    connect_timeout_s: Seconds = Field(5.0, gt=0, description="How long connecting may take, TLS included.")
    allow_networks: tuple[Network, ...] = Field(
        (), description="Private networks that endpoints may lie in, as CIDR, comma-separated."
    )
    ca_file: Path | None = Field(None, description="Certificates to trust beside the system's, as PEM.")

    retry_delays_s: tuple[Seconds, ...] = Field(
        DELAYS_S, max_length=50, description="Longest wait before each further attempt, comma-separated."
    )
    retry_attempts_max: int | None = Field(
        None, ge=1, le=100, description="Attempts a delivery gets at most; unset: one more than there are delays."
    )
    retry_jitter: float = Field(
        1.0, ge=0, le=1, description="1 spreads each wait over 0..delay, 0 waits the whole delay."
    )
    retry_after_max_s: Seconds = Field(36000.0, description="Longest Retry-After that is heeded.")
    breaker_failures_max: int = Field(
        10, ge=1, le=10_000, description="Failures in a row after which an endpoint is left alone for a while."
    )
    disable_after_s: Seconds = Field(5 * 86400.0, description="An endpoint that has failed for so long is disabled.")

    retention_days: int = Field(
        RETENTION_DAYS,
        ge=1,
        le=RETENTION_DAYS_MAX,
        description="Days payloads and responses are kept, where neither application nor message says else.",
    )
    seal_interval_s: Seconds = Field(
        10.0, ge=0.05, le=3600, description="How often the log's trees are brought up to date and signed."
    )
    payload_cache_bytes: int = Field(
        64 << 20, ge=1 << 20, description="Memory of each process for payloads that are about to be delivered."
    )
    stop_grace_s: Seconds = Field(20.0, description="How long a stop waits for attempts under way.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: console on a terminal, JSON elsewhere."
    )

    @field_validator("admin_ids", "sealing_keys", "allow_networks", "retry_delays_s", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, _LIST.split(value))) if isinstance(value, str) else value

    @field_validator("ca_file")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"there is no file {value}")
        return value

    @field_validator("database_url")
    @classmethod
    def _address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")
        return value

    @property
    def embedded(self) -> bool:
        """Whether hookd brings its own PostgreSQL."""
        return self.database_url is None

    @property
    def processes(self) -> int:
        """How many processes to start. More than the default only help where PostgreSQL has cores of its own."""
        return self.workers or min(_cores(), WORKERS_DEFAULT_MAX)

    @property
    def rules(self) -> Rules:
        """The rules as these settings make them."""
        return Rules(
            retry=RetryPolicy(
                delays_s=self.retry_delays_s,
                attempts_max=self.retry_attempts_max,
                jitter=self.retry_jitter,
                retry_after_max_s=self.retry_after_max_s,
            ),
            breaker=BreakerPolicy(failures_max=self.breaker_failures_max, disable_after_s=self.disable_after_s),
            retention_days=self.retention_days,
        )

    @property
    def networks(self) -> tuple[Network, ...]:
        """What endpoints may lie in. On the embedded database, a newcomer's own machine is allowed too."""
        if self.embedded and not self.allow_networks:
            return tuple(ip_network(each) for each in LOOPBACK)
        return self.allow_networks

    @property
    def sealing_key_bytes(self) -> list[bytes]:
        """The sealing keys, decoded."""
        return [base64.b64decode(key.get_secret_value()) for key in self.sealing_keys]

    @property
    def admin_id_values(self) -> tuple[str, ...]:
        """The admin ids in clear: for the check of a header, never for a log."""
        return tuple(each.get_secret_value() for each in self.admin_ids)


VARIABLES: Final = {name.upper(): field for name, field in Settings.model_fields.items()}


def load(
    environ: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
    default_home: Callable[[str | None], Path],
    **given: Any,
) -> Settings:
    """Read the settings; `given` (options of a command) win over the environment. BadSettings.

    With the embedded database, secrets that are nowhere set are generated once and kept in the data home (0600).
    """
    environ = os.environ if environ is None else environ
    values, problems = _collect(environ, folder or Path.cwd())
    values |= {name: value for name, value in given.items() if value is not None}
    values = {name: value for name, value in values.items() if value != ""}
    home = Path(values.get("hookd_home") or default_home(environ.get("XDG_DATA_HOME"))).expanduser()
    values["hookd_home"] = home
    generated = {} if values.get("database_url") else _kept_secrets(home)
    settings, wrong = _check(generated | values)
    problems += wrong.values()
    problems += [problem for name, problem in _weak_secrets(settings) if name not in wrong]
    if problems:
        raise BadSettings(problems)
    return settings


def call_of(settings: Settings, default_home: Callable[[str | None], Path]) -> str:
    """How to call hookd again so that it finds these settings: for commands that are shown to people."""
    words = ["uv run hookd"] if os.environ.get("UV") else ["hookd"]
    usual = os.environ.get("HOOKD_HOME") or default_home(os.environ.get("XDG_DATA_HOME"))
    if settings.embedded and settings.hookd_home != Path(usual):
        words.insert(0, f"HOOKD_HOME={settings.hookd_home}")
    return " ".join(words)


def hand_down(**values: str) -> None:
    """Give variables to the processes that this one starts: unlike arguments, other accounts do not see them."""
    os.environ.update(values)


def wants_colour(*, terminal: bool) -> bool:
    """Whether to print in colour: on a terminal, unless NO_COLOR is set (no-color.org)."""
    return terminal and not os.environ.get("NO_COLOR")


def fresh_secrets() -> tuple[str, ...]:
    """Strong values for the three secrets, as lines of a `.env` file."""
    return (
        f"SECRET_KEY={secrets.token_urlsafe(48)}",
        f"ADMIN_IDS={secrets.token_urlsafe(24)}",
        f"SEALING_KEYS={base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}",
    )


def generate_secrets(home: Path) -> None:
    """Write a file of strong secrets into the data home, unless there is one."""
    path = home / SECRETS_FILE
    if path.exists():
        return
    remark = "# Made by hookd on its first start. Keep it: without SEALING_KEYS no stored secret opens again."
    lines = (remark, *fresh_secrets())
    # As root the database runs as another account, which must be able to pass through; the file itself is closed.
    home.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
    fresh = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join(lines) + "\n")
    fresh.rename(path)


def _collect(environ: Mapping[str, str], folder: Path) -> tuple[dict[str, Any], list[str]]:
    """What is set, by field, and what is wrong with the `.env` file."""
    try:
        dotenv = {name: value for name, value in dotenv_values(folder / ".env").items() if value is not None}
    except UnicodeDecodeError:
        return {}, [".env: is not UTF-8 text"]
    unknown = sorted(dotenv.keys() - VARIABLES.keys() - COMPOSE_ONLY)
    problems = [f"{name}: .env sets it, but hookd knows no such variable" for name in unknown]
    merged = {**dotenv, **environ}
    return {name.lower(): merged[name] for name in VARIABLES if merged.get(name, "") != ""}, problems


def _kept_secrets(home: Path) -> dict[str, Any]:
    generate_secrets(home)
    kept = dotenv_values(home / SECRETS_FILE)
    return {name.lower(): value for name, value in kept.items() if name in VARIABLES}


def _check(values: Mapping[str, Any]) -> tuple[Settings, dict[str, str]]:
    """The settings, with defaults where a value is wrong, and by variable what is wrong with it."""
    try:
        return Settings(**values), {}
    except ValidationError as error:
        wrong = {
            str(each["loc"][0]): each["msg"].removeprefix("Value error, ")
            for each in error.errors(include_url=False, include_input=False)
        }
    settings = Settings(**{name: value for name, value in values.items() if name not in wrong})
    return settings, {name.upper(): f"{name.upper()}: {text}" for name, text in wrong.items()}


def _weak_secrets(settings: Settings) -> Iterator[tuple[str, str]]:
    if len(settings.secret_key.get_secret_value().encode()) < SECRET_KEY_BYTES_MIN:
        yield "SECRET_KEY", f"SECRET_KEY: set it to {SECRET_KEY_BYTES_MIN} random characters or more"
    short = [each for each in settings.admin_id_values if len(each) < ADMIN_ID_CHARS_MIN]
    if short or not settings.admin_ids:
        yield "ADMIN_IDS", f"ADMIN_IDS: set one id or more, each of {ADMIN_ID_CHARS_MIN} random characters or more"
    if not settings.sealing_keys or not all(map(_is_key, settings.sealing_keys)):
        yield "SEALING_KEYS", f"SEALING_KEYS: set one or more, each the base64 of {KEY_BYTES} random bytes"


def _cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _is_key(key: SecretStr) -> bool:
    try:
        return len(base64.b64decode(key.get_secret_value(), validate=True)) == KEY_BYTES
    except ValueError:  # binascii.Error, or characters beyond ASCII
        return False
