"""URLs that endpoints may have: exactly those to which something can be sent."""

from typing import Annotated

from pydantic import AfterValidator, Field

from daemon.transport.destination import Destination

URL_CHARS_MAX = 4096


def normalized(url: str) -> str:
    """Spell scheme, host and port canonically; path and query stay as they are, and the fragment goes.

    Raises ValueError, with a text for people.
    """
    destination = Destination.of(url.strip())
    return f"{destination.scheme}://{destination.authority}{destination.target}"


Url = Annotated[str, Field(max_length=URL_CHARS_MAX), AfterValidator(normalized)]
