"""Brings from the tables what targets are short of: due rows, payloads, signing keys. Many targets, one statement."""

import asyncio
from collections.abc import Sequence
from itertools import islice
from typing import Final

import structlog

from daemon import signing
from daemon.clock import Clock
from daemon.dispatcher import Dispatcher
from daemon.payloads import Payloads
from daemon.recorder import Recorder
from daemon.sealing import SealBroken, Sealer
from daemon.signing import Sign
from daemon.target import Target
from events.catalogue import DeliveryCancelled, DeliveryExpired
from events.delivery import Delivery, EndDelivery
from events.log import Log, SealedSecret, Unavailable

log = structlog.get_logger()

TARGETS_MAX: Final = 200  # served by one round
PAYLOADS_PAGE: Final = 64  # read by one statement
PAYLOADS_MAX: Final = 8  # fetched ahead for one target
PAGE: Final = 500
RETRY_S: Final = 0.5
UNSIGNED_PAUSE_S: Final = 30.0  # before an endpoint whose key does not open is tried again


class Feeder:
    """Serves starving targets, and cancels what has nobody to go to."""

    def __init__(
        self, log: Log, dispatcher: Dispatcher, recorder: Recorder, payloads: Payloads, sealer: Sealer, clock: Clock
    ) -> None:
        self._log = log
        self._dispatcher = dispatcher
        self._recorder = recorder
        self._payloads = payloads
        self._sealer = sealer
        self._clock = clock
        self._hungry = asyncio.Event()
        self._orphaned = asyncio.Event()
        self._orphans: set[tuple[int, str]] = set()
        dispatcher.on_starving = self._hungry.set
        dispatcher.on_orphans = self.orphan

    # --- feeding

    async def feed(self) -> None:
        """Serve round after round, for ever."""
        starving = self._dispatcher.starving
        while True:
            if not starving:
                self._hungry.clear()
                await self._hungry.wait()
            round_ = list(islice(starving, TARGETS_MAX))
            for target in round_:
                del starving[target]
            try:
                await self._serve(round_)
            except BaseException as error:
                starving.update(dict.fromkeys(round_))
                if not isinstance(error, Unavailable):
                    raise
                await asyncio.sleep(RETRY_S)

    async def _serve(self, targets: Sequence[Target]) -> None:
        await self._read_rows([target for target in targets if target.lane.wants(self._clock.now())])
        rotated = await self._fetch_secrets([target for target in targets if target.signers is None])
        await self._fetch_payloads(targets)
        for target in targets:
            if target in rotated:
                self._dispatcher.starving[target] = None
            elif target.signers is None:
                self._dispatcher.pause(target, UNSIGNED_PAUSE_S)
            else:
                self._dispatcher.attend(target)

    async def _read_rows(self, targets: Sequence[Target]) -> None:
        if not targets:
            return
        asked = {target.endpoint.id: target.lane.reading() for target in targets}
        try:
            await self._recorder.untried.written()
            rows = await self._log.due(
                (target.endpoint.partition, target.endpoint.id, asked[target.endpoint.id]) for target in targets
            )
        except BaseException:
            for target in targets:
                target.lane.read_failed()
            raise
        now = self._clock.now()
        for target in targets:
            key = target.endpoint.id
            target.lane.read(rows.get(key, ()), asked[key], now)

    async def _fetch_secrets(self, targets: Sequence[Target]) -> set[Target]:
        """Answers those whose key was rotated meanwhile: what was read may be out of date."""
        if not targets:
            return set()
        before = {target: target.endpoint.secret for target in targets}
        sealed: dict[str, list[SealedSecret]] = {}
        for secret in await self._log.secrets((each.endpoint.partition, each.endpoint.id) for each in targets):
            sealed.setdefault(secret.owner, []).append(secret)
        rotated = {target for target in targets if target.endpoint.secret != before[target]}
        for target in targets:
            if target not in rotated:
                target.signers = self._signers(target, sealed.get(target.endpoint.id, ()))
        return rotated

    def _signers(self, target: Target, secrets: Sequence[SealedSecret]) -> Sequence[Sign] | None:
        """The current key first, then those still good for a while. None: nothing to sign with, send nothing."""
        now = self._clock.now()
        good = [each for each in secrets if each.expires_at is None or each.expires_at > now]
        good.sort(key=lambda each: each.id != target.endpoint.secret)
        target.signers_until = min((each.expires_at for each in good if each.expires_at is not None), default=None)
        try:
            signers = [signing.signer(self._sealer.open(each.sealed, each.owner).decode()) for each in good]
        except (SealBroken, ValueError):  # ValueError: what was sealed is no key
            log.exception("secret_not_opened", endpoint=target.endpoint.id)
            return None
        return signers or None

    async def _fetch_payloads(self, targets: Sequence[Target]) -> None:
        wanted: dict[str, Delivery] = {}
        for target in targets:
            for delivery in target.lane.peek(PAYLOADS_MAX):
                if self._payloads.get(delivery.message) is None:
                    wanted[delivery.message] = delivery
        if not wanted:
            return
        forgotten = self._payloads.forgotten
        asked, payloads = await self._read_payloads(wanted)
        if forgotten != self._payloads.forgotten:  # meanwhile: it may be one of these, so they are read again
            payloads = {}
            asked = {}
        for message in reversed(asked):  # the first to go are put last: a small cache drops the others
            if message in payloads:
                self._payloads.put(message, payloads[message])
        for target in targets:
            self._expire(target, asked.keys() - payloads.keys())

    async def _read_payloads(self, wanted: dict[str, Delivery]) -> tuple[dict[str, Delivery], dict[str, bytes]]:
        """As many as memory should hold at once: which were asked for, and those that are there."""
        asked: dict[str, Delivery] = {}
        payloads: dict[str, bytes] = {}
        rest = iter(wanted.items())
        while page := dict(islice(rest, PAYLOADS_PAGE)):
            asked |= page
            payloads |= await self._log.payloads(
                (each.last_day, each.partition, each.message) for each in page.values()
            )
            if sum(map(len, payloads.values())) >= self._payloads.size_max:
                break
        return asked, payloads

    def _expire(self, target: Target, gone: set[str]) -> None:
        for delivery in target.lane.peek(PAYLOADS_MAX):
            if delivery.message in gone:
                target.lane.pull(delivery.message)
                event = DeliveryExpired(reason="the payload is gone")
                self._recorder.tell(EndDelivery(delivery, event))

    # --- cancelling

    def orphan(self, partition: int, endpoint: str) -> None:
        """The endpoint is gone: whatever is pending for it is to be cancelled."""
        self._orphans.add((partition, endpoint))
        self._orphaned.set()

    async def cancel_orphans(self) -> None:
        """Cancel what has nobody to go to, page by page, for ever."""
        while True:
            if not self._orphans:
                self._orphaned.clear()
                await self._orphaned.wait()
            partition, endpoint = orphan = self._orphans.pop()
            try:
                await self._cancel(partition, endpoint)
            except BaseException as error:
                self._orphans.add(orphan)
                if not isinstance(error, Unavailable):
                    raise
                await asyncio.sleep(RETRY_S)

    async def _cancel(self, partition: int, endpoint: str) -> None:
        await self._log.settle([partition])
        while True:
            page = (await self._log.due([(partition, endpoint, PAGE)])).get(endpoint, ())
            if not page:
                return
            cancelled = DeliveryCancelled(reason="the endpoint was deleted")
            await self._recorder.ask_all([EndDelivery(delivery, cancelled) for delivery in page])
