"""Whether the server is well, in the words of the Svix server."""

from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel

from daemon.api.layer import Surface
from daemon.api.operation import Call
from daemon.api.own import Vitals
from daemon.api.reply import Reply

TAG = "Health"


class Part(BaseModel):
    """One part of the server."""

    status: Literal["ok", "error"]


class Health(BaseModel):
    """All parts. hookd's queue is its database, and its cache cannot fail."""

    database: Part
    queue: Part
    cache: Part = Part(status="ok")


def declare(surface: Surface, vitals: Vitals) -> None:
    """Declare the routes."""

    @surface.op("GET", "/health", out=Health, tag=TAG)
    async def health(_call: Call[None]) -> Reply:
        """Say whether the server is well."""
        part = Part(status="ok" if vitals.database_ok else "error")
        status = HTTPStatus.OK if vitals.database_ok else HTTPStatus.INTERNAL_SERVER_ERROR
        return Reply(status=status, body=Health(database=part, queue=part))

    @surface.op("GET", "/health/ping", status=204, tag=TAG)
    async def ping(_call: Call[None]) -> None:
        """Answer, and say nothing more."""
