"""Bodies removed by request: looked up, named in an event, and deleted together with it.

One request at a time, and none while a day is dropped, so that what an event counts is what went.
"""

import asyncio
from datetime import timedelta
from typing import Final

import msgspec

from daemon.clock import Clock
from daemon.recorder import Recorder
from events import ids
from events.application import Application
from events.content import Body, ExpungeContent, ExpungePayload, ExpungeResponse
from events.log import Log
from events.message import Message

CHUNK: Final = 1000  # messages whose bodies go in one transaction
WITHIN_S: Final = 15.0  # after which a request is answered, done or not


class Asker(msgspec.Struct, frozen=True):
    """Who wants it, through which request, and why."""

    actor: str
    request: str | None = None
    reason: str = ""


class Expunged(msgspec.Struct, frozen=True):
    """What went of an application. Not `done`: there is more, ask again."""

    payloads: int
    responses: int
    done: bool


class Expunger:
    """Removes bodies on request. Every method may raise recorder.Busy and log.Unavailable."""

    def __init__(self, log: Log, recorder: Recorder, clock: Clock) -> None:
        self._log = log
        self._recorder = recorder
        self._clock = clock
        self.turn = asyncio.Lock()

    async def payload(self, message: Message, asker: Asker) -> bool:
        """Remove a message's payload; False when it is gone already."""
        return await self._one(message, Body(message.last_day, message.partition, message=message.id), asker)

    async def response(self, message: Message, seq: int, asker: Asker) -> bool:
        """Remove what was answered to the attempt at position `seq`; False when there is nothing."""
        return await self._one(message, Body(message.last_day, message.partition, seq=seq), asker)

    async def _one(self, message: Message, body: Body, asker: Asker) -> bool:
        kind = ExpungePayload if body.message is not None else ExpungeResponse
        async with self.turn:
            if not await self._log.kept([body]):
                return False
            await self._recorder.ask(kind(message.id, body, asker.reason), asker.actor, asker.request)
            return True

    async def application(self, application: Application, asker: Asker) -> Expunged:
        """Remove every body of the messages that an application has now, chunk by chunk in the order of acceptance.

        Each chunk is its own transaction. Whoever asks again, after a crash too, goes on where bodies are left.
        """
        began = self._clock.now()
        partition, until = (
            application.partition,
            ids.mint(ids.MESSAGE, began + timedelta(seconds=1), bytes(ids.ENTROPY_BYTES)),
        )
        payloads = responses = 0
        after = highest = ""
        await self._store_no_more(application, until, asker)
        while True:
            async with self.turn:
                found = await self._log.stored(partition, application.id, after, until, CHUNK)
                if found is None:
                    return Expunged(payloads, responses, done=True)
                highest = max(highest, found.until)
                if found.bodies:
                    command = ExpungeContent(application.id, partition, highest, found.bodies, asker.reason)
                    await self._recorder.ask(command, asker.actor, asker.request)
                else:  # not before: while these were read, another process may have stored what it was answered
                    after = found.last
            gone = sum(body.message is not None for body in found.bodies)
            payloads, responses = payloads + gone, responses + len(found.bodies) - gone
            if found.bodies and self._clock.now() - began > timedelta(seconds=WITHIN_S):
                return Expunged(payloads, responses, done=False)

    async def _store_no_more(self, application: Application, until: str, asker: Asker) -> None:
        """Attempts that are under way now may still succeed; what is answered to them is not stored.

        Whichever process makes them: none appends to the partition any more before it has heard of this event.
        """
        self._recorder.expunged[application.id] = until
        barrier = ExpungeContent(application.id, application.partition, until, (), asker.reason)
        await self._recorder.ask(barrier, asker.actor, asker.request)
