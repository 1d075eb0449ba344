"""The one door into the log, against a log that can be made to hesitate, fail and forget."""

import asyncio
from datetime import timedelta
from random import Random

import msgspec
import pytest
from structlog.testing import capture_logs

from daemon.decider import BATCH_ROWS_MAX
from daemon.recorder import GATHER_TURNS_MAX, QUEUE_BYTES_MAX, STALE_RETRIES_MAX, Busy, Committed, Recorder
from events.append import Append
from events.application import CreateApplication, UpdateApplication
from events.breaker import BreakerPolicy
from events.catalogue import AttemptFailed, AttemptSucceeded, ContentExpired, ContentExpunged, DeliveryCancelled
from events.content import ExpireContent
from events.decide import Rules
from events.delivery import Delivery, EndDelivery, RecordAttempt, ResendDelivery, evolve
from events.endpoint import ResetBreaker
from events.envelope import Fact
from events.fold import Fold
from events.log import Blocked, Stale, Unavailable
from events.message import AcceptMessage
from events.news import News, parse
from events.outcome import Fault, Outcome
from events.refusal import Refusal
from events.retry import RetryPolicy
from events.world import World
from tests.support.builders import APP, EP, MSG, NOW, a_delivery, accepting, creating, registering
from tests.support.memory_log import MemoryLog
from tests.support.virtual_loop import VirtualClock, virtual

KEY = (0, MSG, EP)
BAD = Outcome(Fault.STATUS, 1, 500)
OK = Outcome(None, 1, 200)


class MoodyLog(MemoryLog):
    """Does next what it is told: an exception before, or after ("after", exception)."""

    def __init__(self) -> None:
        super().__init__(1)
        self.moods: list = []
        self.appends: list[Append] = []
        self.away = False

    async def append(self, append: Append):
        await asyncio.sleep(0.01)
        mood = self.moods.pop(0) if self.moods else None
        if isinstance(mood, Exception):
            raise mood
        if callable(mood):
            await mood()
        recorded = await super().append(append)
        self.appends.append(append)
        if isinstance(mood, tuple):
            raise mood[1]
        return recorded

    async def load(self):
        await asyncio.sleep(0.01)
        if self.away:
            raise Unavailable("away")
        return await super().load()


class Desk:
    """A recorder at work, over a log with one application, endpoint and message."""

    async def open(self, **rules) -> "Desk":
        self.log = MoodyLog()
        creating(append := Append(NOW))
        registering(append)
        await MemoryLog.append(self.log, accepting(append, EP))
        loaded = await MemoryLog.load(self.log)
        self.world = World(1)
        self.world.replace(loaded.entities, loaded.known)
        self.recorder = Recorder(self.log, self.world, Rules(**rules), VirtualClock(NOW), Random(1), queue_max=5)
        self.recorder.name = "me"
        self.recorder.epochs[0] = 0
        self.heard: list[Committed] = []
        self.ignored: list = []
        self.recorder.followers.append(self.heard.append)
        self.recorder.on_ignored = self.ignored.append
        self.task = asyncio.create_task(self.recorder.run())
        return self

    @property
    def delivery(self) -> Delivery:
        return self.log.rows()[KEY]

    def ask(self, command) -> "asyncio.Task":
        async def asking():
            return await self.recorder.ask(command, "test")

        return asyncio.create_task(asking())

    def tell(self, outcome: Outcome, delivery: Delivery | None = None) -> None:
        self.recorder.tell(RecordAttempt(delivery or self.delivery, outcome, 1, 1, self.recorder.epochs.get(0, -1)))

    def check(self) -> list[str]:
        """The names of all events; the tables and the world are their fold."""
        fold = Fold(self.log.events[0])
        assert fold.deliveries == self.log.rows()
        assert fold.entities == self.log.tables.entities
        assert self.world._entities == fold.entities
        return [type(each.event).__name__ for each in self.log.events[0]][3:]


def create(number: int, uid: str | None = None) -> CreateApplication:
    return CreateApplication(f"app_{number}x", "org_1", "N", uid)


def accept(number: int, event_id: str | None = None) -> AcceptMessage:
    return AcceptMessage(f"msg_{number}x", APP, "t", b"{}", "d", event_id=event_id)


@virtual
async def test_what_is_asked_while_an_append_is_on_its_way_goes_together() -> None:
    desk = await Desk().open()
    first = desk.ask(create(0))
    await asyncio.sleep(0.001)
    rest = [desk.ask(create(number)) for number in range(1, 5)]
    await asyncio.gather(first, *rest)
    assert [len(append.caused) for append in desk.log.appends] == [1, 4]
    assert [len(each.events) for each in desk.heard] == [1, 4]
    desk.check()


@virtual
async def test_what_each_turn_of_the_loop_brings_goes_together_for_a_few_turns() -> None:
    desk = await Desk().open()
    asked = []

    async def ask_turn_by_turn(numbers: range) -> None:
        for number in numbers:
            asked.append(desk.ask(create(number)))
            await asyncio.sleep(0)

    await ask_turn_by_turn(range(3))
    await asyncio.gather(*asked)
    assert [len(append.caused) for append in desk.log.appends] == [3]

    desk.log.appends.clear()
    desk.recorder._queue_max = 100
    await ask_turn_by_turn(range(10, 10 + 3 * GATHER_TURNS_MAX))
    await asyncio.gather(*asked)
    first, rest = [len(append.caused) for append in desk.log.appends]
    assert first in (GATHER_TURNS_MAX, GATHER_TURNS_MAX + 1)  # whose turn it is within a turn is the loop's business
    assert first + rest == 3 * GATHER_TURNS_MAX
    desk.check()


@virtual
async def test_two_that_want_one_name_meet_before_the_log() -> None:
    desk = await Desk().open()
    won, lost = await asyncio.gather(desk.ask(create(1, "u")), desk.ask(create(2, "u")))
    assert won[0].uid == "u"
    assert isinstance(lost, Refusal)
    won, lost = await asyncio.gather(desk.ask(accept(1, "e")), desk.ask(accept(2, "e")))
    assert won[0].event_id == "e"
    assert lost.code == "conflict"
    assert isinstance(await desk.ask(accept(3, "e")), Refusal)


@virtual
async def test_a_race_lost_to_another_process_is_lost_alone() -> None:
    desk = await Desk().open()

    async def another() -> None:
        creating(append := Append(NOW), "app_other", uid="u")
        await MemoryLog.append(desk.log, append)

    desk.log.moods = [another]
    lost, won = await asyncio.gather(desk.ask(create(1, "u")), desk.ask(create(2)))
    assert isinstance(lost, Refusal)
    assert won[0].id == "app_2x"
    assert desk.world.application("u", "org_1").id == "app_other"
    desk.check()


@virtual
async def test_what_moved_on_is_read_and_decided_again() -> None:
    desk = await Desk().open(retry=RetryPolicy(jitter=0.0))
    old = desk.delivery
    desk.recorder.tell(EndDelivery(old, DeliveryCancelled("deleted")))
    await desk.recorder.drained()
    desk.tell(OK, old)
    await desk.recorder.drained()
    assert desk.check() == ["DeliveryCancelled", "AttemptSucceeded"]


@virtual
async def test_a_poisonous_command_goes_down_alone() -> None:
    desk = await Desk().open()
    with capture_logs():
        good, poison, uid, update = await asyncio.gather(
            desk.ask(create(1)), desk.ask(create(1)), desk.ask(create(2, "u")),
            desk.ask(UpdateApplication(APP, {"nonsense": 1})), return_exceptions=True,
        )  # fmt: skip
    assert good[0].id == "app_1x"
    assert isinstance(poison, Exception)
    assert uid[0].uid == "u", "what was decided before the fault was taken back, and does not stand in its own way"
    assert isinstance(update, Exception)
    desk.check()


@virtual
async def test_what_never_settles_fails_alone() -> None:
    desk = await Desk().open()
    desk.log.moods = [Stale("always")] * (2 * STALE_RETRIES_MAX)  # both together, then the first by itself
    with capture_logs():
        lost, won = await asyncio.gather(desk.ask(create(1)), desk.ask(create(2)), return_exceptions=True)
    assert isinstance(lost, Unavailable)
    assert won[0].id == "app_2x"
    desk.check()


@virtual
async def test_an_outcome_that_cannot_be_recorded_is_let_go() -> None:
    desk = await Desk().open()
    desk.log.moods = [ValueError("poison")]
    with capture_logs():
        desk.tell(OK)
        await desk.recorder.drained()
    assert len(desk.ignored) == 1


@virtual
async def test_while_the_database_is_away_asks_fail_and_outcomes_wait() -> None:
    desk = await Desk().open()
    desk.log.moods, desk.log.away = [Unavailable("gone")], True
    with capture_logs():
        desk.tell(BAD)
        asked = [desk.ask(create(1))]
        await asyncio.sleep(0.001)
        asked.append(desk.ask(create(3)))  # while the append is on its way
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(each, Unavailable) for each in results)
        await asyncio.sleep(60)
        assert not desk.recorder.available
        with pytest.raises(Busy, match="nothing was done"):
            await desk.ask(create(2))
        assert desk.check() == []
        desk.log.away = False
        await asyncio.sleep(5)
    assert desk.recorder.available
    assert desk.check() == ["AttemptFailed"]


@pytest.mark.parametrize("outcome", [OK, BAD, Outcome(Fault.INTERNAL, 1), Outcome(Fault.STATUS, 1, 410)])
@virtual
async def test_an_outcome_committed_without_an_answer_is_recorded_once(outcome: Outcome) -> None:
    desk = await Desk().open()
    desk.log.moods = [("after", Unavailable("lost"))]
    with capture_logs():
        desk.tell(outcome)
        await desk.recorder.drained()
    assert len(desk.ignored) == 1
    assert len([name for name in desk.check() if name.startswith("Attempt")]) == 1


@virtual
async def test_failures_are_counted_once_however_often_they_are_decided() -> None:
    desk = await Desk().open(breaker=BreakerPolicy(failures_max=3))
    desk.log.moods = [Stale("x"), Stale("x")]
    desk.tell(BAD)
    await desk.recorder.drained()
    assert desk.world.rows[EP].failures == 1
    assert "BreakerOpened" not in desk.check()


@virtual
async def test_outcomes_of_an_epoch_that_is_over_are_let_go_and_the_rest_is_recorded() -> None:
    desk = await Desk().open()
    await desk.log.take("another", [0])
    lost = []
    desk.recorder.on_lost = lost.append
    with capture_logs():
        desk.tell(OK)
        answer = await desk.ask(create(1))
        desk.tell(OK)  # begun when it was known
        await desk.recorder.drained()
    assert answer[0].id == "app_1x"
    assert len(desk.ignored) == 2
    assert desk.check() == ["ApplicationCreated"]
    assert (lost, desk.recorder.epochs) == ([{0}], {})


@virtual
async def test_more_than_it_takes_on_is_busy() -> None:
    desk = await Desk().open()
    asked = [desk.ask(create(number)) for number in range(6)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(each, Busy) for each in results] == [False] * 5 + [True]


@virtual
async def test_a_batch_is_bounded_and_the_rest_keeps_its_order() -> None:
    desk = await Desk().open()
    number = BATCH_ROWS_MAX + 10
    commands = [EndDelivery(desk.delivery, DeliveryCancelled("x"))]
    commands += [create(n) for n in range(number)]
    await desk.recorder.ask_all(commands)
    assert [len(append.caused) for append in desk.log.appends] == [BATCH_ROWS_MAX, 11]
    assert [each.stream for each in desk.log.events[0]][-2:] == [f"app_{number - 2}x", f"app_{number - 1}x"]


@virtual
async def test_a_follower_that_fails_undoes_nothing() -> None:
    desk = await Desk().open()
    desk.recorder.followers.insert(0, lambda _: 1 / 0)
    with capture_logs() as logs:
        await desk.ask(create(1))
    assert desk.check() == ["ApplicationCreated"]
    assert len(desk.heard) == 1
    assert [each["event"] for each in logs] == ["follower_failed"]


@virtual
async def test_who_asked_is_told_when_it_stops() -> None:
    desk = await Desk().open()
    asked = [desk.ask(create(1))]
    await asyncio.sleep(0.001)
    asked.append(desk.ask(create(2)))
    await asyncio.sleep(0)
    desk.task.cancel()
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(each, Unavailable) for each in results)


@virtual
async def test_what_was_let_go_of_is_not_let_go_of_again_when_it_stops() -> None:
    desk = await Desk().open()
    await asyncio.gather(desk.ask(accept(1)), desk.ask(accept(2)))
    assert desk.recorder._waiting_bytes == 0
    desk.task.cancel()
    await asyncio.gather(desk.task, return_exceptions=True)
    assert desk.recorder._waiting_bytes == 0


@virtual
async def test_response_bodies_are_kept_by_position() -> None:
    desk = await Desk().open()
    desk.tell(Outcome(Fault.STATUS, 1, 500, b"no", 2))
    await desk.recorder.drained()
    assert desk.log.tables.responses == {(NOW.date() + timedelta(days=90), 0, 4): b"no"}
    kinds = {type(each.event) for each in desk.log.events[0][3:]}
    assert kinds <= {AttemptFailed, AttemptSucceeded}


@virtual
async def test_who_asked_to_cancel_what_was_delivered_meanwhile_is_answered() -> None:
    """Else whoever waits for the answer cancels nothing ever again."""
    desk = await Desk().open()
    seen = desk.delivery
    desk.tell(OK)
    await desk.recorder.drained()
    cancel = EndDelivery(seen, DeliveryCancelled(reason="the endpoint was deleted"))
    with capture_logs():
        await asyncio.wait_for(desk.recorder.ask_all([cancel]), 60)
    assert desk.check() == ["AttemptSucceeded"]


@virtual
async def test_payloads_that_wait_are_bounded_in_bytes() -> None:
    desk = await Desk().open()
    half = b"x" * (QUEUE_BYTES_MAX // 2)
    asked = [desk.ask(AcceptMessage(f"msg_{number}y", APP, "t", half, "d")) for number in range(3)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(each, Busy) for each in results] == [False, False, True]
    assert len(desk.log.appends) == 2  # one append carries no more than its share either
    assert not isinstance(await desk.ask(accept(9)), Busy)


@virtual
async def test_a_day_that_is_blocked_holds_up_nobody() -> None:
    desk = await Desk().open()
    (day,) = await desk.log.days()
    desk.log.in_use.add(day)
    expire = ExpireContent(day, {0: (1, 0)})
    asked = [desk.ask(create(1)), desk.ask(expire), desk.ask(create(2)), desk.ask(accept(3))]
    made, blocked, also, message = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(blocked, Blocked)
    assert [type(each[0]).__name__ for each in (made, also, message)] == ["Application", "Application", "Message"]
    assert desk.check() == ["ApplicationCreated", "ApplicationCreated", "MessageAccepted"]
    desk.log.in_use.clear()
    assert await desk.ask(expire) == [ContentExpired(day, 1, 0)]
    assert desk.heard[-1].purged
    assert not desk.heard[0].purged
    assert await desk.log.days() == []
    desk.check()


RESENT = "DeliveryResent"


@virtual
@pytest.mark.parametrize("outcome", [OK, BAD, Outcome(Fault.INTERNAL, 1)])
async def test_an_outcome_of_before_it_was_sent_again_is_recorded_once(outcome: Outcome) -> None:
    """The delivery moved on, but not by this attempt: only its events tell."""
    desk = await Desk().open(retry=RetryPolicy(jitter=0.0))
    old = desk.delivery
    assert await desk.ask(ResendDelivery(msgspec.structs.replace(old, attempts=1)))
    desk.tell(outcome, old)
    await desk.recorder.drained()
    desk.tell(outcome, old)  # as if the first had been committed without an answer
    with capture_logs():
        await desk.recorder.drained()
    assert len(desk.check()) == 2
    assert desk.check()[0] == RESENT
    assert len(desk.ignored) == 1


@virtual
async def test_sent_again_beside_its_own_success() -> None:
    desk = await Desk().open()
    old = desk.delivery
    await desk.ask(create(1))
    desk.tell(OK, old)
    answers = await asyncio.gather(
        *(desk.ask(ResendDelivery(msgspec.structs.replace(old, attempts=1))) for _ in range(2))
    )
    assert [len(each) for each in answers] == [1, 0]
    assert desk.check()[1:] == ["AttemptSucceeded", RESENT]
    assert desk.delivery.version == 3


@virtual
async def test_what_was_read_before_it_moved_on_is_decided_again() -> None:
    desk = await Desk().open()
    desk.tell(OK)
    await desk.recorder.drained()
    delivered = evolve(a_delivery(), AttemptSucceeded(1, 200, 1, 1, 1))
    assert len(await desk.ask(ResendDelivery(delivered))) == 1
    assert await desk.ask(ResendDelivery(delivered)) == [], "it is due already"
    desk.tell(OK)
    await desk.recorder.drained()
    assert len(await desk.ask(ResendDelivery(delivered))) == 1, "by its events it was delivered again"
    assert desk.check() == ["AttemptSucceeded", RESENT, "AttemptSucceeded", RESENT]
    assert await desk.ask(ResendDelivery(msgspec.structs.replace(delivered, message="msg_9"))) == []


@virtual
async def test_failures_forgotten_are_remembered_if_it_did_not_happen() -> None:
    desk = await Desk().open(breaker=BreakerPolicy(failures_max=3))
    desk.tell(BAD)
    await desk.recorder.drained()
    row = desk.world.rows[EP]
    desk.log.moods = [Unavailable("gone")]
    with capture_logs(), pytest.raises(Unavailable):
        await desk.ask(ResetBreaker(EP, APP))
    assert desk.world.rows == {EP: row}
    await asyncio.sleep(1)
    await desk.ask(ResetBreaker(EP, APP))
    assert desk.world.rows == {}


@virtual
async def test_many_are_asked_in_the_name_of_one() -> None:
    desk = await Desk().open()
    answers = await desk.recorder.ask_all([create(1, "u"), create(2, "u"), create(3)], "operator:ada", "req_1")
    assert [isinstance(each, Refusal) for each in answers] == [False, True, False]
    told = [each for each in desk.log.events[0] if each.actor == "operator:ada"]
    assert {each.request for each in told} == {"req_1"}


# --- what other processes do --------------------------------------------------------------------------------------


async def elsewhere(desk: Desk, *changes, news: str | None = None) -> None:
    """What another process appends."""
    append = Append(NOW)
    for change in changes:
        change(append)
    append.news = news
    await MemoryLog.append(desk.log, append)


def expunged(append: Append) -> None:
    append.add(Fact(0, APP, 0, ContentExpunged("msg_2", 0, 0)), "test", None)


@virtual
async def test_what_others_have_decided_is_learned_before_an_append_and_decided_on() -> None:
    desk = await Desk().open()
    await elsewhere(desk, lambda append: registering(append, "ep_2"))
    message = (await desk.ask(accept(1)))[0]
    assert message.deliveries == 2
    await elsewhere(desk, lambda append: creating(append, "app_other", uid="u"))
    assert isinstance(await desk.ask(create(1, "u")), Refusal)
    desk.check()


@virtual
async def test_what_is_told_twice_is_learned_once_and_between_appends() -> None:
    desk = await Desk().open()
    await elsewhere(desk, lambda append: creating(append, "app_other"))
    asked = desk.ask(create(1))
    await asyncio.sleep(0.001)
    await asyncio.gather(desk.recorder.learn([0]), desk.recorder.learn([0]), asked)
    assert desk.world.application("app_other", "org_1") is not None
    desk.check()
    assert desk.world.known == {0: desk.log.head[0].config}


@virtual
async def test_what_was_expunged_through_another_process_is_not_stored_by_this_one() -> None:
    desk = await Desk().open()
    await elsewhere(desk, expunged)
    desk.tell(Outcome(Fault.STATUS, 1, 500, b"no", 2))
    await desk.recorder.drained()
    assert desk.recorder.expunged == {APP: "msg_2"}
    assert desk.log.tables.responses == {}
    assert "AttemptFailed" in desk.check()


@virtual
async def test_what_was_expunged_of_older_messages_lets_no_newer_answers_in() -> None:
    desk = await Desk().open()
    await elsewhere(desk, expunged)
    await elsewhere(desk, lambda append: append.add(Fact(0, APP, 0, ContentExpunged("msg_1", 0, 0)), "test", None))
    await desk.ask(create(1))
    assert desk.recorder.expunged == {APP: "msg_2"}


@virtual
async def test_what_was_expunged_while_the_database_was_away_is_not_stored_either() -> None:
    desk = await Desk().open()

    async def meanwhile() -> None:
        await elsewhere(desk, expunged)
        raise Unavailable("gone")

    desk.log.moods = [meanwhile]
    with capture_logs():
        desk.tell(Outcome(Fault.STATUS, 1, 500, b"no", 2))
        await desk.recorder.drained()
    assert desk.log.tables.responses == {}
    assert "AttemptFailed" in desk.check()


@virtual
async def test_others_are_told_of_configuration_and_of_what_they_own() -> None:
    desk = await Desk().open()
    for command in (create(1), accept(1)):
        await desk.ask(command)
    del desk.recorder.epochs[0]
    for command in (create(2), accept(2)):
        await desk.ask(command)
    mine, none = frozenset({0}), frozenset[int]()
    assert [each.news and parse(each.news) for each in desk.log.appends] == [
        News("me", mine, none),
        None,
        News("me", mine, mine),
        News("me", none, mine),
    ]


@virtual
async def test_an_outcome_of_before_the_partition_was_lost_and_taken_again_is_let_go() -> None:
    desk = await Desk().open()
    attempt = RecordAttempt(desk.delivery, OK, 1, 1, 0)
    desk.recorder.epochs[0] = desk.log.head[0].epoch = 2
    with capture_logs():
        desk.recorder.tell(attempt)
        await desk.recorder.drained()
    assert (desk.check(), desk.ignored) == ([], [attempt])


@virtual
async def test_flushed_waits_for_what_was_told_and_not_for_more() -> None:
    desk = await Desk().open()
    await asyncio.wait_for(desk.recorder.flushed(), 1)
    desk.tell(BAD)
    flushed = asyncio.create_task(desk.recorder.flushed())
    await asyncio.sleep(0.001)
    later = [desk.ask(create(number)) for number in range(3)]
    await flushed
    assert [len(append.caused) for append in desk.log.appends] == [1]
    await asyncio.gather(*later)
    desk.check()


@virtual
async def test_flushed_lets_the_recorder_have_its_turn() -> None:
    """Nobody holds it: whoever only tries again and again would stop everything."""
    desk = await Desk().open()
    desk.tell(BAD)
    await asyncio.wait_for(desk.recorder.flushed(), 1)
    assert desk.check() == ["AttemptFailed"]


@virtual
async def test_loading_anew_takes_in_all_that_others_did() -> None:
    desk = await Desk().open()
    await elsewhere(desk, lambda append: registering(append, "ep_2"))
    await desk.recorder.load()
    assert desk.world.endpoint("ep_2") is not None
    assert desk.world.known == {0: 4}
    assert len(await desk.ask(accept(1))) == 1
    assert len(desk.log.appends) == 1


@virtual
async def test_what_is_asked_together_counts_against_the_bounds() -> None:
    desk = await Desk().open()
    half = b"x" * (QUEUE_BYTES_MAX // 2)
    together = [AcceptMessage(f"msg_{number}y", APP, "t", half, "d") for number in range(2)]
    first = desk.recorder.ask_all(together)
    second = desk.ask(create(1))
    first, second = await asyncio.gather(first, second, return_exceptions=True)
    assert not any(isinstance(each, Refusal) for each in first)
    assert isinstance(second, Busy)
    assert not isinstance(await desk.ask(create(2)), Busy)


@virtual
async def test_nobody_is_admitted_while_enough_waits() -> None:
    desk = await Desk().open()
    desk.recorder.admit()
    asked = asyncio.gather(*(desk.ask(create(number)) for number in range(5)))
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="wait already"):
        desk.recorder.admit()
    await asked
    desk.recorder.admit()
