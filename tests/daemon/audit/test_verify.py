"""What somebody with every right on the database can do to a log, and what the auditor sees of it."""

import asyncpg
import pytest

from daemon.audit import kept
from daemon.audit.findings import Check
from tests.daemon.audit.evidence import Evidence

REWRITTEN = (
    "kept: kept checkpoint of partition 0 at 166: history was rewritten: "
    "the first 166 events are not those that were signed then"
)
COLUMNS = "at, stream, endpoint, version, type, schema, actor, request, body"


async def test_a_log_that_nobody_touched_holds(evidence: Evidence) -> None:
    report = await evidence.verify(await evidence.checkpoint())
    assert report.holds, report.findings
    assert (report.partitions, report.events, report.sealed) == (16, 6 + 40 * 4, 6 + 40 * 4)
    assert (report.checkpoints, report.kept, report.undelivered) == (1, 1, 80)
    assert (report.bodies.payloads, report.bodies.responses) == (40, 40)


async def test_what_is_not_sealed_yet_is_said_and_holds(evidence: Evidence) -> None:
    await evidence.message("msg_new")
    report = await evidence.verify()
    assert report.holds, report.findings
    assert report.events - report.sealed == 4


async def test_an_edited_event_is_named(evidence: Evidence) -> None:
    await evidence.tamper("update log.event set actor = 'somebody else' where seq = 50")
    assert await evidence.found(await evidence.checkpoint()) == [
        "tree: event (0, 50): is not the event that was sealed here",
        "checkpoints: checkpoint of partition 0 at 166: the first 166 events are not those that were signed",
        REWRITTEN,
    ]


async def test_an_edited_body_is_named_and_its_state_differs(evidence: Evidence) -> None:
    await evidence.tamper(
        """update log.event set body = convert_to(replace(convert_from(body, 'UTF8'), 'org_1', 'org_2'), 'UTF8')
           where type = 'ApplicationCreated'""",
    )
    found = await evidence.found()
    assert "tree: event (0, 2): is not the event that was sealed here" in found
    assert (
        "state: state.application app_1: org is 'org_1', and by the log 'org_2'; "
        "its last event is (0, 2) ApplicationCreated" in found
    )


async def test_a_body_that_is_no_event_is_named(evidence: Evidence) -> None:
    await evidence.tamper(r"update log.event set body = '\x7b22' where seq = 70")
    found = await evidence.found()
    assert any(each.startswith("bytes: event (0, 70): ") for each in found)
    assert "tree: event (0, 70): is not the event that was sealed here" in found


async def test_a_deleted_event_is_named(evidence: Evidence) -> None:
    await evidence.tamper("delete from log.event where seq = 77")
    assert (await evidence.found())[0] == "order: event (0, 77): is missing"


async def test_a_deleted_range_is_named(evidence: Evidence) -> None:
    await evidence.tamper("delete from log.event where seq between 77 and 79")
    assert (await evidence.found())[0] == "order: event (0, 77): and all up to (0, 79) are missing"


async def test_two_events_that_changed_places_are_named(evidence: Evidence) -> None:
    await evidence.tamper(
        "update log.event set seq = -1 where seq = 8",
        "update log.event set seq = 8 where seq = 12",
        "update log.event set seq = 12 where seq = -1",
    )
    found = await evidence.found()
    assert "tree: event (0, 8): is not the event that was sealed here" in found
    assert "tree: event (0, 12): is not the event that was sealed here" in found


async def test_an_event_put_between_two_others_is_named(evidence: Evidence) -> None:
    """Everything behind it moves up, and the head with it: no gap, and the states still fit."""
    await evidence.tamper(
        "update log.event set seq = -(seq + 1) where seq > 100",
        "update log.event set seq = -seq where seq < 0",
        f"insert into log.event (partition, seq, {COLUMNS}) select partition, 101, {COLUMNS} "
        "from log.event where type = 'PartitionTaken'",
        "update log.head set seq = seq + 1 where partition = 0",
        "update content.response set seq = seq + 1 where seq > 100",
    )
    found = await evidence.found()
    assert found[0] == "tree: event (0, 101): is not the event that was sealed here"
    assert not any(each.startswith("order") for each in found)


async def test_events_that_nobody_accounts_for_are_named(evidence: Evidence) -> None:
    await evidence.tamper(
        f"insert into log.event (partition, seq, {COLUMNS}) select partition, 168, {COLUMNS} "
        "from log.event where seq = 6",
        f"insert into log.event (partition, seq, {COLUMNS}) select 99, 1, {COLUMNS} from log.event where seq = 6",
    )
    found = await evidence.found()
    assert "order: event (99, 1): 1 events of a partition without a head" in found
    assert "order: event (0, 167): is missing" in found
    assert "order: partition 0: the head row says 166, the last event is 168" in found


async def test_a_log_cut_off_with_all_its_traces_shows_against_a_kept_checkpoint(evidence: Evidence) -> None:
    kept_copy = await evidence.checkpoint()
    await evidence.tamper(
        "delete from log.event where seq > 162",
        "update log.head set seq = 162 where partition = 0",
        "delete from state.event_id where message = 'msg_039'",
        "delete from state.delivery where message = 'msg_039'",
        "delete from content.payload where message = 'msg_039'",
        "delete from content.response where seq > 162",
    )
    assert (await evidence.found())[0] == (
        "tree: partition 0: the tree covers 166 events, the log has 162: the last ones were cut off"
    )
    await evidence.tamper("delete from log.tile", "delete from log.checkpoint")
    assert await evidence.found() == []  # nothing inside shows it any more ...
    assert await evidence.found(kept_copy) == [  # ... but what was kept outside does
        "kept: kept checkpoint of partition 0 at 166: it covers 166 events, the log has 162: history was cut off"
    ]


async def test_a_history_written_anew_and_sealed_again_shows_against_a_kept_checkpoint(evidence: Evidence) -> None:
    kept_copy = await evidence.checkpoint()
    await evidence.tamper(
        "update log.event set actor = 'somebody else' where seq = 50",
        "delete from log.tile",
        "delete from log.checkpoint",
    )
    await evidence.another_notary()
    await evidence.notary.seal()
    assert await evidence.found() == []
    assert await evidence.found(kept_copy) == [REWRITTEN]


async def test_a_log_signed_by_another_key_is_no_tree_of_ours(evidence: Evidence) -> None:
    note = (await evidence.checkpoint()).replace("hookd/", "hookd/0", 1)
    with pytest.raises(kept.BadCopy, match="is no tree of this log"):
        await evidence.verify(note)


async def test_a_kept_copy_with_a_bad_signature_is_refused(evidence: Evidence) -> None:
    note = (await evidence.checkpoint()).replace("\n166\n", "\n165\n")
    with pytest.raises(kept.BadCopy, match="does not fit the text"):
        await evidence.verify(note)
    with pytest.raises(kept.BadCopy, match="these are no checkpoints"):
        await evidence.verify("hello")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            r"update log.tile set hashes = overlay(hashes placing '\x00' from 33) where level = 0",
            "tree: event (0, 2): is not the event that was sealed here",
        ),
        (
            r"update log.checkpoint set root = overlay(root placing '\x0000' from 1)",
            "checkpoints: checkpoint of partition 0 at 166: its row says something else than what was signed",
        ),
        (
            "update log.checkpoint set note = replace(note, chr(10) || '166', chr(10) || '165')",
            "checkpoints: checkpoint of partition 0 at 166: the signature by ",
        ),
        (
            "update state.delivery set attempts = 3 where message = 'msg_004' and endpoint = 'ep_2'",
            "state: state.delivery msg_004 → ep_2: attempts is 3, and by the log 1; its last event is (0, 26)",
        ),
        (
            "delete from state.delivery where message = 'msg_004' and endpoint = 'ep_3'",
            "state: state.delivery msg_004 → ep_3: the log says that it exists, and there is no row",
        ),
        (
            """insert into state.delivery select partition, message, 'ep_9', accepted_at, next_at, state, attempts,
               version, reason, retention_days from state.delivery where message = 'msg_004' and endpoint = 'ep_3'""",
            "state: state.delivery msg_004 → ep_9: there is a row, and the log says that there should be none",
        ),
        (
            "update state.endpoint set url = 'http://evil.test/' where id = 'ep_1'",
            "state: state.endpoint ep_1: url is 'http://evil.test/', and by the log 'http://e.test/other'",
        ),
        (
            "update state.event_id set message = 'msg_011' where message = 'msg_010'",
            "state: state.event_id msg_010: message is 'msg_011', and by the log 'msg_010'",
        ),
        (
            "insert into state.event_id values (0, 'app_1', 'another', 'msg_010')",
            "state: state.event_id, partition 0: 1 rows more than the log accepted messages with a name",
        ),
        (
            "insert into state.mention values (0, 0, 'ep_1', '{0}')",
            "state: state.mention, partition 0, stretch 0: what it tells of ep_1 is not what the log does",
        ),
        (
            "delete from content.payload where message = 'msg_010'",
            "bodies: payload of msg_010: is gone, and no event",
        ),
        (
            r"update content.payload set body = '\x7b7d' where message = 'msg_010'",
            "bodies: payload of msg_010: its bytes are not those that were accepted",
        ),
        (
            r"update content.response set body = '\x00' where seq = 9",
            "bodies: response of attempt (0, 9): its bytes are not those that came",
        ),
        (
            "update content.response set seq = 1 where seq = 9",
            "bodies: response of attempt (0, 1): there is no such attempt in the log",
        ),
    ],
)
async def test_every_table_is_looked_at(evidence: Evidence, statement: str, expected: str) -> None:
    await evidence.tamper(statement)
    found = await evidence.found()
    assert any(each.startswith(expected) for each in found), found


@pytest.mark.parametrize("named", ["msg_038", "msg_039"])
async def test_a_name_given_twice_is_named_though_one_row_fits(evidence: Evidence, named: str) -> None:
    """Side by side, so that they are looked up together."""
    await evidence.tamper(
        "update log.event set body = replace(convert_from(body, 'UTF8'), 'of msg_039', 'of msg_038')::bytea "
        "where type = 'MessageAccepted' and stream = 'msg_039'",
        "delete from state.event_id where message in ('msg_038', 'msg_039')",
        f"insert into state.event_id values (0, 'app_1', 'name of msg_038', '{named}')",
        "delete from log.tile",
        "delete from log.checkpoint",
    )
    other = "msg_039" if named == "msg_038" else "msg_038"
    (found,) = await evidence.found()
    assert found.startswith(f"state: state.event_id {other}: message is '{named}', and by the log '{other}'")


async def test_the_owner_of_the_database_cannot_do_any_of_it(evidence: Evidence) -> None:
    connection = await evidence.database.dedicated()
    try:
        for statement in (
            "update log.event set actor = 'x'", "delete from log.event", "truncate log.event",
            "delete from log.tile", "truncate log.tile", "delete from log.checkpoint",
            "update log.checkpoint set size = 1",
        ):  # fmt: skip
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_many_findings_are_counted_and_the_first_are_shown(evidence: Evidence) -> None:
    await evidence.tamper("update log.event set actor = 'x' where seq > 20")
    report = await evidence.verify()
    assert report.counts[Check.TREE] == 146
    assert sum(each.check is Check.TREE for each in report.findings) == 20


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (
            [
                f"insert into log.event (partition, seq, {COLUMNS})"  # noqa: ISC004
                f" select 0, -5, {COLUMNS} from log.event where seq = 6"
            ],
            "order: event (0, -5): stands before the first event",
        ),
        (
            [
                f"insert into log.event (partition, seq, {COLUMNS}) select 0, 167, "  # noqa: ISC004
                f"{COLUMNS.replace('body', 'replace(convert_from(body, $$UTF8$$), $$ep_$$, $$no_$$)::bytea')}"
                " from log.event where seq = 7",
                "update log.head set seq = 167 where partition = 0",
            ],
            "order: message msg_000: is accepted twice",
        ),
        (
            ["delete from log.tile"],
            "tree: partition 0, level 0 of the tiles: is not that of a tree of 166 events",
        ),
        (
            ["update log.tile set hashes = substr(hashes, 1, 3200)"],
            "tree: partition 0, level 0 of the tiles: is not that of a tree of 166 events",
        ),
        (
            ["insert into log.tile select partition, -1, 0, hashes from log.tile"],
            "tree: partition 0, level -1 of the tiles: is not that of a tree of 166 events",
        ),
        (
            ["insert into log.tile select 99, 0, 0, hashes from log.tile"],
            "tree: log.tile, partition 99: rows of a partition without a head",
        ),
        (
            ["insert into log.checkpoint select 99, size, at, root, note from log.checkpoint"],
            "checkpoints: log.checkpoint, partition 99: rows of a partition without a head",
        ),
        (
            ["create table t as select * from state.delivery limit 1", "update t set partition = 99",
             "insert into state.delivery select * from t"],
            "state: state.delivery, partition 99: rows of a partition without a head",
        ),
        (
            ["create table t as select * from state.endpoint where id = 'ep_1'", "update t set partition = 1",
             "insert into state.endpoint select * from t", "update state.endpoint set url = url where partition = 0"],
            "state: state.endpoint ep_1: there is a row, and the log says that there should be none",
        ),
        (
            ["create table t as select * from state.application", "update t set id = 'ep_1'",
             "insert into state.application select * from t"],
            "state: state.application ep_1: there is a row, and the log says that there should be none",
        ),
        (
            ["insert into content.payload select day, partition, 'msg_evil', body from content.payload limit 1"],
            "bodies: payloads of partition 0: 1 more than the messages have",
        ),
        (
            ["insert into content.payload select day, 99, message, body from content.payload limit 1"],
            "bodies: payloads of partition 99: 1 of a partition without a head",
        ),
        (
            ["insert into content.response select day, 99, seq, body from content.response limit 1"],
            "bodies: responses of partition 99: 1 of a partition without a head",
        ),
        (
            ["comment on schema content is 'imported: bodies are not in an export'",
             "delete from content.payload where message = 'msg_003'"],
            "bodies: payload of msg_003: is gone, and no event says why",
        ),
    ],
)  # fmt: skip
async def test_what_no_reading_of_the_log_comes_to_is_named(
    evidence: Evidence, statements: list[str], expected: str
) -> None:
    await evidence.tamper(*statements)
    found = await evidence.found()
    assert any(each.startswith(expected) for each in found), found


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "9999-12-31", "200000-01-01"])
async def test_a_moment_beyond_the_calendar_is_named(evidence: Evidence, moment: str) -> None:
    await evidence.tamper(f"update log.event set at = '{moment}' where type = 'MessageAccepted'")
    assert "tree: event (0, 7): is not the event that was sealed here" in await evidence.found()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"size":8', '"size":8,"retention_days":99999'),
        ('"size":8', '"size":8,"retention_days":-1'),
        ('"size":8', '"size":10000000000'),
        ('"app_1"', r'"a\u0000b"'),
        ('"ep_3"', r'"ep\u0000"'),
    ],
)
async def test_values_that_fit_no_table_are_named(evidence: Evidence, old: str, new: str) -> None:
    await evidence.tamper(
        f"""update log.event set body = convert_to(replace(convert_from(body, 'UTF8'), '{old}', '{new}'), 'UTF8')
            where type = 'MessageAccepted'"""
    )
    assert "tree: event (0, 7): is not the event that was sealed here" in await evidence.found()


@pytest.mark.parametrize(
    "body", [r"\x", r"\xff", r"\x7b22", r"\x5b315d", r"\x7b22726573706f6e73655f646967657374223a317d"]
)
async def test_odd_bytes_in_place_of_attempts_are_named(evidence: Evidence, body: str) -> None:
    await evidence.tamper(f"update log.event set body = '{body}' where type = 'AttemptFailed'")
    found = await evidence.found()
    assert found[0].startswith("bytes: event (0, 9): AttemptFailed v1: ")
    assert "tree: event (0, 9): is not the event that was sealed here" in found
    assert "bodies: response of attempt (0, 9): its bytes are not those that came" in found


@pytest.mark.parametrize("column", ["actor", "stream", "version", "at", "type", "body"])
async def test_a_null_where_none_may_be_is_named(evidence: Evidence, column: str) -> None:
    await evidence.tamper(
        f"alter table log.event alter {column} drop not null", f"update log.event set {column} = null where seq = 9"
    )
    assert any(each.startswith("bytes: event (0, 9): no record of an event") for each in await evidence.found())


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("update state.delivery set state = 'weird' where message = 'msg_003'", "state.delivery msg_003 → ep_2"),
        ("update state.delivery set next_at = '0100-01-01 BC' where message = 'msg_003'", "state.delivery msg_003"),
        ("update state.application set metadata = '[1]'", "state.application app_1"),
        ("update state.application set created_at = '20000-01-01'", "state.application app_1"),
    ],
)
async def test_rows_that_cannot_be_read_are_named(evidence: Evidence, statement: str, place: str) -> None:
    await evidence.tamper(statement)
    assert any(each.startswith(f"state: {place}") for each in await evidence.found())
