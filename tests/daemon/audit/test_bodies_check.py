"""What is held against payloads and responses; test_verify.py tampers with the rest."""

from datetime import timedelta

import pytest

from daemon.audit.bodies_check import BodiesCheck
from events.append import Append
from events.catalogue import ContentExpired, PayloadExpunged, ResponseExpunged
from events.envelope import Fact
from events.log import Blocked
from tests.daemon.audit.evidence import Evidence
from tests.support.builders import NOW, P

COLUMNS = "at, stream, endpoint, version, type, schema, actor, request, body"


async def test_an_expunged_body_that_is_there_again_is_named(evidence: Evidence) -> None:
    append = Append(NOW + timedelta(seconds=5))
    append.add(Fact(P, "msg_003", 0, PayloadExpunged()), "hookd", None)
    append.add(Fact(P, "msg_003", 0, ResponseExpunged(9)), "hookd", None)
    await evidence.append(append)
    found = await evidence.found()
    assert "bodies: payload of msg_003: was expunged, and is there" in found
    assert "bodies: response of attempt (0, 9): was expunged, and is there" in found


async def test_an_unreadable_event_of_an_application_explains_no_missing_payload(evidence: Evidence) -> None:
    await evidence.tamper(
        "delete from content.payload where message = 'msg_003'",
        f"""insert into log.event (partition, seq, {COLUMNS})
            select 0, 167, at, 'app_1', null, 0, 'ContentExpunged', 1, actor, request, '\\xff'
            from log.event where seq = 6""",
        "update log.head set seq = 167 where partition = 0",
    )
    assert "bodies: payload of msg_003: is gone, and no event says why" in await evidence.found()


async def test_a_day_that_is_being_verified_is_not_dropped(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = NOW.date() + timedelta(days=90)
    append = Append(NOW + timedelta(days=91))
    append.add(Fact(P, f"content_{day}", 0, ContentExpired(day, 40, 40)), "hookd", None)
    append.dropped.append(day)
    opened = BodiesCheck.open

    async def late(self: BodiesCheck) -> None:
        with pytest.raises(Blocked):
            await evidence.append(append)
        await opened(self)

    monkeypatch.setattr(BodiesCheck, "open", late)
    assert await evidence.found() == []
    monkeypatch.undo()
    await evidence.append(append)
    report = await evidence.verify()
    assert report.holds, report.findings
    assert (report.bodies.payloads, report.bodies.expired) == (0, 40)
