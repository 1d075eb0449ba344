"""What happens here when partitions come and go: deliveries are taken up, and let go of."""

from typing import Final

import structlog

from daemon.dispatcher import Dispatcher
from daemon.feeder import Feeder
from daemon.following import Follower
from daemon.ownership import Owner
from daemon.recorder import Recorder
from events.log import Log
from events.world import World

log = structlog.get_logger()

HAND_OVER_S: Final = 3.0
"""How long a partition that others are to have is kept for attempts that are under way."""


class Handover:
    """Makes the dispatcher deliver for what the owner owns, and for nothing else."""

    def __init__(
        self, log: Log, world: World, recorder: Recorder, follower: Follower, dispatcher: Dispatcher, feeder: Feeder
    ) -> None:
        self._log = log
        self._world = world
        self._recorder = recorder
        self._follower = follower
        self._dispatcher = dispatcher
        self._feeder = feeder
        recorder.on_lost = self._forget
        recorder.on_reconnected = self._reread

    def serve(self, owner: Owner) -> None:
        """Hear of what it takes and is about to give."""
        owner.on_taken = self._take_over
        owner.on_leased = self._dispatcher.lease
        owner.on_leaving = self._hand_over
        owner.busy = self._busy

    async def _take_over(self, positions: dict[int, int]) -> None:
        """Begin where the last owner left off: configuration, log positions, pending deliveries."""
        await self._recorder.learn(positions)
        self._follower.begin(positions)
        pending = await self._log.pending(positions)
        for partition, endpoint_id, due_at in pending:
            endpoint = self._world.endpoint(endpoint_id)
            if endpoint is None:
                self._feeder.orphan(partition, endpoint_id)
            else:
                self._dispatcher.awaken(endpoint, due_at)
        log.info("deliveries_resumed", endpoints=len(pending))

    def _busy(self) -> set[int]:
        return {each.endpoint.partition for each in self._dispatcher.targets() if each.flying}

    async def _hand_over(self, partitions: frozenset[int]) -> None:
        self._forget(partitions)
        await self._dispatcher.left(HAND_OVER_S)

    def _forget(self, partitions: frozenset[int]) -> None:
        self._follower.forget(partitions)
        self._dispatcher.forget(partitions)

    def _reread(self) -> None:
        """The database was away: what was committed meanwhile, if anything, is read from the log."""
        self._dispatcher.reconfigure()
        self._follower.heard()
