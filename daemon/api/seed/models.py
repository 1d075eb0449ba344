"""What the routes under /api read and write."""

from typing import Annotated, Final, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from daemon.api.models import Strict
from daemon.api.urls import Url

T = TypeVar("T")

USERNAME_RULE: Final = "a username has 3 to 64 letters, digits, '.', '_', '-' or '@'"
PASSWORD_CHARS_MIN: Final = 8
PASSWORD_CHARS_MAX: Final = 128
PASSWORD_RULE: Final = f"a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"
_SIGNS: Final = frozenset("._-@")
_USERNAME_CHARS: Final = range(3, 65)


def _username(name: str) -> str:
    if len(name) not in _USERNAME_CHARS or not all(c.isascii() and (c.isalnum() or c in _SIGNS) for c in name):
        raise ValueError(USERNAME_RULE)
    return name


def _password(password: str) -> str:
    if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        raise ValueError(PASSWORD_RULE)
    return password


class NewAdmin(Strict):
    """Whom to make an admin."""

    username: Annotated[str, AfterValidator(_username), Field(description=USERNAME_RULE)]
    password: Annotated[str, AfterValidator(_password), Field(description=PASSWORD_RULE)] = Field(repr=False)


class Credentials(Strict):
    """Who wants to log in. No rules: a name that cannot be is just not known."""

    username: str
    password: str = Field(repr=False, max_length=4096)


class NewWebhook(Strict):
    """Where webhooks are to go."""

    uri: Url


class OtherTarget(Strict):
    """Where they are to go instead."""

    new_target_url: Annotated[Url, Field(alias="newTargetURL")]


class Address(Strict):
    """What to tell the webhooks."""

    ip_addr: Annotated[str, Field(alias="ipAddr", max_length=64)]


class Whose(BaseModel):
    """Which webhooks are meant."""

    model_config = ConfigDict(frozen=True)

    own: Annotated[
        Literal["true", "false"], Field(description="true: the caller's own; false: those of every admin")
    ] = "true"


class Webhook(BaseModel):
    """A registered URL."""

    id: str
    url: str


class Data(BaseModel, Generic[T]):
    """An answer."""

    data: T


class Told(Data[T], Generic[T]):
    """An answer with a word on how it went."""

    code: int
    message: str


class AdminOut(BaseModel):
    """An admin."""

    id: str
    username: str


class Session(BaseModel):
    """A login: send the token as `Authorization: Bearer …`."""

    id: str
    token: str


class Sent(Data[Literal["sent"]]):
    """What was put on its way: the messages, and how many deliveries they are in all."""

    messages: list[str]
    deliveries: int


class Pong(BaseModel):
    """The answer to a ping."""

    ping: Literal["pong"] = "pong"
