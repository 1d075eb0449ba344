"""What operators do to deliveries and endpoints: looked up, page by page where it is many, each change recorded.

Whoever asks again, after a crash too, goes on where the work was left: what is done is not found any more.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from daemon import signing
from daemon.batch import where_it_stands
from daemon.clock import Clock
from daemon.expunging import Asker
from daemon.recorder import Recorder
from daemon.sealing import Sealer
from events import ids
from events.catalogue import DeliveryCancelled
from events.content import Body
from events.delivery import Delivery, EndDelivery, ResendDelivery
from events.endpoint import Endpoint, RotateSecret
from events.log import Log
from events.message import Message
from events.refusal import Refusal, not_found

PAGE: Final = 500
WITHIN_S: Final = 15.0  # after which a request is answered, done or not
OLD_KEYS_MAX: Final = 10  # that still sign along
MICROSECOND: Final = timedelta(microseconds=1)
SKEW: Final = timedelta(hours=1)  # at most between the minting of a message's id and its acceptance

_FIRST: Final = datetime(2015, 1, 1, tzinfo=UTC)  # what ids can tell apart
_LAST: Final = datetime(2150, 1, 1, tzinfo=UTC)

MISSING_PAYLOAD: Final = "missing_payload"
LIMIT_REACHED: Final = "limit_reached"


class Done(msgspec.Struct, frozen=True):
    """How many were touched. Not `done`: there are more, ask again."""

    touched: int
    done: bool = True


class Acts:
    """Every method may raise recorder.Busy and log.Unavailable. `dry`: count what would be touched, do nothing."""

    def __init__(self, log: Log, recorder: Recorder, sealer: Sealer, clock: Clock) -> None:
        self._log = log
        self._recorder = recorder
        self._sealer = sealer
        self._clock = clock

    async def settle(self, partitions: Collection[int] | None) -> None:
        """Every delivery that waits (in these partitions; None: in all) has its row, to be looked up."""
        await self._log.settle(partitions)

    async def resend(
        self, message: Message, endpoint: Endpoint, asker: Asker, *, dry: bool = False
    ) -> Done | Refusal:
        """Send one delivery now, whatever became of it. 0: it is due already."""
        key = message.partition, message.id, endpoint.id
        delivery = (await self._log.deliveries([key])).get(key)
        if delivery is None:
            delivery = where_it_stands(key, (await self._log.stories([key])).get(key, ()))
        if delivery is None:
            return not_found("Delivery")
        if not await self._with_payload([delivery]):
            return Refusal(MISSING_PAYLOAD, "the payload is gone: there is nothing to send")
        if dry:
            return Done(1)
        answer = await self._recorder.ask(ResendDelivery(delivery), asker.actor, asker.request)
        return answer if isinstance(answer, Refusal) else Done(len(answer))

    async def recover(
        self, endpoint: Endpoint, since: datetime, until: datetime | None, asker: Asker, *, dry: bool = False
    ) -> Done:
        """Send again what was accepted from `since` on, before `until` (None: until now), and ended undelivered.

        What has no payload any more is left out.
        """
        self._recorder.admit()
        began = self._clock.now()
        touched = 0
        async for page in self._failed(endpoint, since, until or began + MICROSECOND):
            if dry:
                touched += len(page)
                continue
            commands = [ResendDelivery(each) for each in page]
            answers = await self._recorder.ask_all(commands, asker.actor, asker.request)
            touched += sum(bool(each) and not isinstance(each, Refusal) for each in answers)
            if self._clock.now() - began > timedelta(seconds=WITHIN_S):
                return Done(touched, done=False)
        return Done(touched)

    async def _failed(self, endpoint: Endpoint, since: datetime, until: datetime) -> AsyncIterator[list[Delivery]]:
        after, last = _bound(since, -SKEW), _bound(until, SKEW)
        while page := await self._log.ended(endpoint.partition, endpoint.id, after, last, PAGE):
            after = page[-1].message
            if found := await self._with_payload([each for each in page if since <= each.accepted_at < until]):
                yield found

    async def _with_payload(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        bodies = {each.message: Body(each.last_day, each.partition, message=each.message) for each in deliveries}
        kept = {body.message for body in await self._log.kept(bodies.values())} if bodies else set()
        return [each for each in deliveries if each.message in kept]

    async def cancel_pending(self, endpoint: Endpoint, reason: str, asker: Asker, *, dry: bool = False) -> Done:
        """Stop trying to deliver what is pending. What is under way just now may still arrive, and then counts."""
        self._recorder.admit()
        if dry:
            return Done(await self._log.waiting(endpoint.partition, endpoint.id))
        await self._log.settle([endpoint.partition])
        began, touched = self._clock.now(), 0
        cancelled = DeliveryCancelled(reason=reason)
        while page := (await self._log.due([(endpoint.partition, endpoint.id, PAGE)])).get(endpoint.id, ()):
            commands = [EndDelivery(each, cancelled) for each in page]
            answers = await self._recorder.ask_all(commands, asker.actor, asker.request)
            gone = sum(bool(each) for each in answers)
            touched += gone
            if not gone or self._clock.now() - began > timedelta(seconds=WITHIN_S):
                return Done(touched, done=False)
        return Done(touched)

    async def rotate(
        self, endpoint: Endpoint, key: str, secret: str, grace_s: float, asker: Asker, *, dry: bool = False
    ) -> Done | Refusal:
        """Sign with `key` from now on, under the id `secret`; the key before signs along for `grace_s` seconds.

        signing.BadKey.
        """
        signing.signer(key)
        now = self._clock.now()
        old = await self._log.secrets([(endpoint.partition, endpoint.id)])
        if sum(each.expires_at is not None and each.expires_at > now for each in old) >= OLD_KEYS_MAX:
            return Refusal(LIMIT_REACHED, f"{OLD_KEYS_MAX} older keys still sign along: wait for one to expire")
        if dry:
            return Done(1)
        sealed = self._sealer.seal(key.encode(), endpoint.id)
        command = RotateSecret(endpoint.id, endpoint.application, secret, sealed, grace_s)
        answer = await self._recorder.ask(command, asker.actor, asker.request)
        return answer if isinstance(answer, Refusal) else Done(1)


def _bound(moment: datetime, skew: timedelta) -> str:
    """The id before those of messages minted later, as far as ids reach."""
    return ids.mint(ids.MESSAGE, min(max(moment, _FIRST), _LAST) + skew, bytes(ids.ENTROPY_BYTES))
