import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import leaf, receipt
from events.catalogue import (
    AttemptSucceeded,
    BreakerClosed,
    BreakerReset,
    DeliveryCancelled,
    DeliveryExhausted,
    DeliveryGone,
    DeliveryResent,
    PayloadExpunged,
    ResponseExpunged,
    SecretRotated,
)
from events.checkpoint import VerifierKey, log_id, origin_of
from events.delivery import DeliveryState
from events.merkle import inclusion_proof
from events.outcome import Fault
from events.receipt import BadReceipt, ProvenAttempt
from events.tile import Tiles, tiles_for, tree_of
from tests.conformance import verifier
from tests.conformance.small_log import DIGEST, KEY, PAYLOAD, PUBLIC, SmallLog, leaf_of
from tests.support.builders import APP, EP, MSG, NOW

Change = Callable[[dict[str, Any]], object]


def story() -> SmallLog:
    return SmallLog().with_a_delivery()


def changed(data: bytes, change: Change) -> bytes:
    """The receipt as a forger would hand it on."""
    fields = msgspec.json.decode(data)
    change(fields)
    return msgspec.json.encode(fields)


def refused(log: SmallLog, data: bytes, why: str) -> None:
    """Ours says why; the independent verifier refuses it too."""
    with pytest.raises(BadReceipt, match=why):
        log.check(data)
    with pytest.raises((verifier.Invalid, KeyError, ValueError)):
        verifier.check_receipt(data, KEY.public)


def kinds(data: bytes) -> list[str]:
    return [leaf.parse(each.record).type for each in msgspec.json.decode(data, type=receipt.Receipt).events]


def whole(log: SmallLog, *seqs: int) -> list[dict[str, Any]]:
    """Events with true proofs, of which a forger has as many as he likes."""
    hashes = tree_of(Tiles().extend([leaf_of(record) for record in log.records]))
    events = [
        receipt.Included(seq - 1, log.records[seq - 1], tuple(inclusion_proof(seq - 1, len(log.raws), hashes)))
        for seq in seqs
    ]
    return msgspec.to_builtins(events)


def test_what_a_delivery_proves() -> None:
    log = story()
    proven = log.check(log.receipt())
    assert (proven.message, proven.endpoint, proven.application) == (MSG, EP, APP)
    assert (proven.state, proven.reason, proven.final) == (DeliveryState.DELIVERED, None, True)
    assert proven.holds.startswith("for good")
    assert proven.url == "https://b.test/"
    assert (proven.origin, proven.partition, proven.size, proven.seq) == (KEY.name, 3, 13, 12)
    assert (proven.payload_digest, proven.payload_size) == (DIGEST, len(PAYLOAD))
    assert proven.accepted_at == NOW + timedelta(seconds=3)
    assert proven.attempts == (
        ProvenAttempt(
            1, "failed", NOW + timedelta(seconds=4), 1_767_323_045, 4, "https://a.test/", 500, Fault.STATUS, 7
        ),
        ProvenAttempt(
            2, "failed", NOW + timedelta(seconds=9), 1_767_323_045, 9, "https://b.test/", 500, Fault.STATUS, 7
        ),
        ProvenAttempt(3, "abandoned", NOW + timedelta(seconds=10), 1_767_323_045, 10),
        ProvenAttempt(
            3, "succeeded", NOW + timedelta(seconds=12), 1_767_323_050, 12, "https://b.test/", 200, None, 9
        ),
    )
    assert proven.matches(PAYLOAD)
    assert not proven.matches(b'{"a":2}')
    assert not proven.matches(PAYLOAD + b" ")


def test_a_receipt_is_a_small_file_for_people_too() -> None:
    data = story().receipt()
    assert data.startswith(b'{\n  "version": "hookd receipt v1",\n  "message": "msg_1",\n')
    assert data.endswith(b"}\n")
    assert kinds(data) == [
        "EndpointRegistered", "MessageAccepted", "AttemptFailed", "EndpointUpdated", "BreakerOpened",
        "AttemptFailed", "AttemptAbandoned", "AttemptSucceeded",
    ], "no event of the endpoint after the one that was used, none of others"  # fmt: skip


def test_any_name_of_the_logs_key_will_do() -> None:
    log = story()
    assert receipt.check(log.receipt(), KEY.of_partition(9)) == log.check(log.receipt())
    assert receipt.check(log.receipt(), VerifierKey("our hooks", PUBLIC)) == log.check(log.receipt())


def test_the_tiles_for_a_receipt_are_known_before() -> None:
    log = story()
    wanted = tiles_for(lambda hashes: receipt.build(log.note(), EP, log.records[:1] + log.records[2:4], hashes))
    assert wanted == [(0, 0)]


def test_as_of_an_older_checkpoint() -> None:
    log = story()
    proven = log.check(log.receipt(size=9))
    assert (proven.state, proven.final, proven.reason) == (DeliveryState.PENDING, False, "status 500")
    assert proven.holds == (
        "as of event 9 of the 9 that the checkpoint covers: a receipt cannot show that nothing followed"
    )
    proven = log.check(log.receipt(size=3))
    assert (proven.state, proven.url, proven.attempts, proven.seq) == (DeliveryState.PENDING, None, (), 3)
    with pytest.raises(BadReceipt, match="is not among the first 2 events"):
        log.receipt(size=2)


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (DeliveryExhausted(1), DeliveryState.EXHAUSTED),
        (DeliveryGone(), DeliveryState.GONE),
        (DeliveryCancelled("deleted"), DeliveryState.CANCELLED),
    ],
)
def test_what_was_not_delivered(end, state: DeliveryState) -> None:
    log = SmallLog().registered().accepted().failed(1, 1).add(MSG, end, EP)
    proven = log.check(log.receipt())
    assert (proven.state, proven.final) == (state, False)
    assert verifier.check_receipt(log.receipt(), KEY.public)["state"] == state


def test_a_success_proves_delivery_for_good_whatever_follows() -> None:
    log = story().add(MSG, DeliveryResent(NOW, NOW), EP)
    proven = log.check(log.receipt())
    assert (proven.state, proven.final, len(proven.attempts)) == (DeliveryState.PENDING, True, 4)
    assert proven.holds.startswith("delivered before, for good, and sent again; this as of event 14 of the 14")
    other = verifier.check_receipt(log.receipt(), KEY.public)
    assert (other["state"], other["final"]) == ("pending", True)
    log.add(MSG, DeliveryCancelled("no"), EP)
    assert (log.check(log.receipt()).state, log.check(log.receipt()).final) == (DeliveryState.CANCELLED, True)
    log = story().add(MSG, DeliveryCancelled("no"), EP)
    with pytest.raises(BadReceipt, match="cannot follow delivered"):
        log.receipt()


def test_a_rotated_key_and_a_reset_breaker_say_nothing_of_the_url() -> None:
    log = SmallLog().registered().accepted().add(EP, SecretRotated("sec_2", "sec_1", NOW)).add(EP, BreakerReset())
    log.failed(1, 3)
    assert log.check(log.receipt()).url == "https://a.test/"
    assert verifier.check_receipt(log.receipt(), KEY.public)["attempts"] == [(500, "https://a.test/")]


def test_one_who_stops_early_proves_less() -> None:
    """The one thing a sender can leave out is the end; what is left says of itself that it may not be the end."""
    log = story()
    proven = log.check(changed(log.receipt(), lambda it: it["events"].pop()))
    assert (proven.state, proven.final) == (DeliveryState.PENDING, False)


@pytest.mark.parametrize("seq", [3, 4, 9, 10])
def test_nothing_before_the_end_can_be_left_out(seq: int) -> None:
    log = story()

    def leave_out(it: dict[str, Any]) -> None:
        it["events"] = [each for each in it["events"] if each["index"] != seq - 1]

    why = "accepted 0 times" if seq == 3 else "has version . of the delivery, where . follows"
    refused(log, changed(log.receipt(), leave_out), why)


@pytest.mark.parametrize(
    ("seq", "why"),
    [
        (1, "used version 1 of the endpoint, which is not shown"),
        (6, "has version 3 of the endpoint, where 2 follows"),
        (8, "used version 3 of the endpoint, which is not shown"),
    ],
)
def test_no_url_can_be_left_out(seq: int, why: str) -> None:
    log = story()

    def leave_out(it: dict[str, Any]) -> None:
        it["events"] = [each for each in it["events"] if each["index"] != seq - 1]

    refused(log, changed(log.receipt(), leave_out), why)


def test_a_url_begins_with_an_event_that_says_it() -> None:
    log = SmallLog().registered().opened().accepted().succeeded(1, 2)
    assert log.check(log.receipt()).url == "https://a.test/"
    refused(log, changed(log.receipt(), lambda it: it["events"].pop(0)), "says no URL, and none was said before")


def test_the_order_is_that_of_the_log() -> None:
    log = story()

    def swap(it: dict[str, Any]) -> None:
        it["events"][-1], it["events"][-2] = it["events"][-2], it["events"][-1]

    refused(log, changed(log.receipt(), swap), "not the order of the log")
    refused(log, changed(log.receipt(), lambda it: it["events"].append(it["events"][-1])), "not the order of the log")


@pytest.mark.parametrize(
    ("seqs", "why"),
    [
        ((1, 3, 5), "belongs to msg_1 ep_2, not to the delivery of msg_1 to ep_1"),
        ((1, 3, 6, 8, 11), "belongs to msg_2 ep_1, not to the delivery of msg_1 to ep_1"),
        ((1, 3, 7), "belongs to msg_2, not to the delivery"),
        ((2, 3), "belongs to ep_2, not to the delivery"),
    ],
)
def test_events_of_others_are_no_help(seqs: tuple[int, ...], why: str) -> None:
    log = story()
    refused(log, changed(log.receipt(), lambda it: it.update(events=whole(log, *seqs))), why)


def test_a_receipt_under_other_names() -> None:
    log = story()
    refused(log, changed(log.receipt(), lambda it: it.update(message="msg_2")), "belongs to msg_1")
    refused(log, changed(log.receipt(), lambda it: it.update(endpoint="ep_2")), "belongs to ep_1")
    only = changed(log.receipt(), lambda it: it.update(endpoint="ep_9", events=whole(log, 3)))
    refused(log, only, "was not accepted for the endpoint ep_9")


@pytest.mark.parametrize("nth", [0, 3, 7])
def test_an_event_under_another_index(nth: int) -> None:
    log = story()

    def move(it: dict[str, Any]) -> None:
        it["events"][nth]["index"] += 1

    refused(log, changed(log.receipt(), move), "is said to be leaf")


def test_every_proof_and_every_record_counts() -> None:
    log = story()

    def bend(it: dict[str, Any]) -> None:
        it["events"][2]["proof"][0] = it["events"][2]["proof"][1]

    def rewrite(it: dict[str, Any]) -> None:
        raw = log.raws[3]
        record = leaf.record(msgspec.structs.replace(raw, body=raw.body.replace(b"500", b"200")))
        it["events"][2]["record"] = msgspec.to_builtins(record)

    refused(log, changed(log.receipt(), bend), r"event \(3, 4\) AttemptFailed is not proven to be in the tree")
    refused(log, changed(log.receipt(), rewrite), r"event \(3, 4\) AttemptFailed is not proven to be in the tree")


def test_events_beyond_the_checkpoint() -> None:
    log = story()
    refused(log, changed(log.receipt(), lambda it: it.update(checkpoint=log.note(9))), "is not proven|not covered")
    refused(
        log,
        changed(log.receipt(size=3), lambda it: it["events"].append(whole(log, 4)[0])),
        "is not covered by the checkpoint, which ends at 3",
    )


def test_the_checkpoint_must_be_signed_by_the_log() -> None:
    log = story()
    data = log.receipt()
    refused(
        log, changed(data, lambda it: it.update(checkpoint=log.note().replace("\n13\n", "\n14\n"))), "does not fit"
    )
    refused(log, changed(data, lambda it: it.update(checkpoint="x")), "the checkpoint: a note is")
    elsewhere = log.note().replace(log_id(PUBLIC), "0" * 16)
    refused(log, changed(data, lambda it: it.update(checkpoint=elsewhere)), "the checkpoint is of the log 0000")
    refused(log, changed(data, lambda it: it.update(checkpoint=log.note().replace("hookd/", "x/"))), "the origin")
    with pytest.raises(BadReceipt, match="and the key of the log"):
        receipt.check(data, VerifierKey(KEY.name, bytes(32)))


def test_a_partition_is_not_another() -> None:
    log, other = story(), SmallLog(4).with_a_delivery()
    moved = changed(log.receipt(), lambda it: it.update(checkpoint=other.note()))
    refused(log, moved, re.escape(f"is of another partition than {origin_of(log_id(PUBLIC), 4)}"))
    assert other.check(other.receipt()).partition == 4


def test_a_log_that_contradicts_itself_proves_nothing() -> None:
    """Even under a good signature: a receipt is checked like the log it comes from."""
    twice = SmallLog().registered().accepted().succeeded(1, 1).failed(2, 1)
    with pytest.raises(BadReceipt, match="cannot follow delivered"):
        twice.receipt()
    later = SmallLog().registered().accepted().succeeded(1, 2).updated("https://late.test/")
    with pytest.raises(BadReceipt, match="used version 2 of the endpoint, which is not shown before it"):
        later.receipt()
    again = SmallLog().registered().accepted().accepted().succeeded(1, 1)
    with pytest.raises(BadReceipt, match="accepted 2 times"):
        again.receipt()
    early = SmallLog().registered().failed(1, 1).accepted()
    with pytest.raises(BadReceipt, match="stands before the message was accepted"):
        early.receipt()
    foreign = SmallLog().registered(application="app_2").accepted().succeeded(1, 1)
    with pytest.raises(BadReceipt, match="registers no endpoint of the application app_1"):
        foreign.receipt()
    astray = SmallLog().registered().accepted().add(MSG, BreakerClosed(), EP)
    with pytest.raises(BadReceipt, match="is no event of a message, its delivery or an endpoint"):
        astray.receipt()
    misplaced = SmallLog().registered().accepted().add(MSG, AttemptSucceeded(1, 200, 1, 1, 1))
    with pytest.raises(BadReceipt, match="is no event of a message, its delivery or an endpoint"):
        misplaced.receipt()


def test_a_leaf_that_says_it_stands_elsewhere() -> None:
    log = SmallLog().registered().accepted().add(MSG, DeliveryGone(), EP, seq=9)
    data = changed(log.receipt(log.records[:2]), lambda it: it["events"].extend(whole(log, 3)))
    refused(log, data, re.escape("event (3, 9) DeliveryGone is said to be leaf 2: that is event 3"))
    log = SmallLog().registered().accepted()
    log.raws.append(msgspec.structs.replace(log.raws[-1], partition=5, seq=3))
    data = changed(log.receipt(log.records[:2]), lambda it: it["events"].extend(whole(log, 3)))
    refused(log, data, re.escape("event (5, 3) MessageAccepted is of another partition"))


@given(st.sets(st.integers(1, 13)))
@settings(max_examples=300)
def test_whatever_is_shown_two_verifiers_agree(seqs: set[int]) -> None:
    log = story()
    data = changed(log.receipt(), lambda it: it.update(events=whole(log, *sorted(seqs))))
    try:
        seen = verifier.check_receipt(data, KEY.public)
    except verifier.Invalid:
        with pytest.raises(BadReceipt):
            log.check(data)
        return
    proven = log.check(data)
    assert (proven.state, [(each.status, each.url) for each in proven.attempts]) == (seen["state"], seen["attempts"])
    moves = [raw.seq for raw in log.raws if raw.stream == MSG and raw.endpoint == EP]
    shown = [seq for seq in moves if seq in seqs]
    assert shown == moves[: len(shown)], "only the end can be missing"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda it: it.update(version="hookd receipt v2"), "no hookd receipt v1: Invalid enum value"),
        (lambda it: it.update(more=1), "unknown field"),
        (lambda it: it.pop("message"), "missing required field"),
        (lambda it: it["events"][0].update(index="1"), "Expected `int`"),
        (lambda it: it["events"][0].update(record="%"), "Invalid base64"),
        (lambda it: it["events"][0].update(record="QUJD"), "no record of an event"),
        (lambda it: it.update(events=[]), "accepted 0 times"),
    ],
)
def test_what_is_no_receipt(change: Change, why: str) -> None:
    log = story()
    with pytest.raises(BadReceipt, match=why):
        log.check(changed(log.receipt(), change))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"version":"\xff"}'])
def test_what_is_no_json(data: bytes) -> None:
    with pytest.raises(BadReceipt, match="this is no hookd receipt v1"):
        receipt.check(data, KEY)


def test_a_receipt_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipt, "RECEIPT_BYTES_MAX", 10)
    with pytest.raises(BadReceipt, match="no more than 10 bytes"):
        receipt.check(b"x" * 11, KEY)


def test_bodies_removed_are_not_part_of_the_story() -> None:
    log = SmallLog().registered().accepted().succeeded(1, 1)
    log.add(MSG, PayloadExpunged("asked for"), version=0).add(MSG, ResponseExpunged(3), EP, version=0)
    data = log.receipt()
    assert kinds(data) == ["EndpointRegistered", "MessageAccepted", "AttemptSucceeded"]
    assert log.check(data).final
    more = changed(data, lambda it: it["events"].extend(whole(log, 4)))
    with pytest.raises(BadReceipt, match="PayloadExpunged is no event of a message, its delivery or an endpoint"):
        log.check(more)


def test_an_acceptance_begins_the_messages_stream() -> None:
    log = SmallLog().registered().accepted()
    log.raws[1] = msgspec.structs.replace(log.raws[1], version=2)
    with pytest.raises(BadReceipt, match="has version 2 of the message, not 1"):
        log.receipt()


def test_an_event_of_a_newer_release_is_not_guessed_at() -> None:
    log = SmallLog().registered().accepted()
    log.raws.append(msgspec.structs.replace(log.raws[-1], seq=3, endpoint=EP, version=2, type="AttemptDreamt"))
    with pytest.raises(BadReceipt, match=r"event \(3, 3\) AttemptDreamt cannot be read by this release"):
        log.receipt()
