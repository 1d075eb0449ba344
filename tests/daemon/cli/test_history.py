"""`hookd audit trail`, `as-of` and `diff`, run in this process on a real log."""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from daemon.cli import app
from daemon.cli.common import Refused
from daemon.postgres.database import Database
from events import ids
from events.append import Append
from events.catalogue import (
    AttemptFailed,
    AttemptSucceeded,
    EndpointConfig,
    EndpointDeleted,
    EndpointUpdated,
    EventTypeCreated,
)
from events.outcome import Fault
from events.postgres import PostgresLog
from events.when import iso
from tests.support.builders import APP, EP, MSG, NOW, accepting, born_in, changing, creating, moving, registering

SECOND = timedelta(seconds=1)
Ask = Callable[..., Coroutine[Any, Any, Result]]


@pytest.fixture
async def ask(database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ask:
    """Runs `hookd audit …` on a log in which an endpoint changes, fails, succeeds and goes."""
    opened = await Database.open(database, readers=1)
    log = PostgresLog(opened.dedicated, opened.reading)
    first, second, third = (Append(NOW + nth * SECOND) for nth in range(3))
    creating(first)
    endpoint = registering(first, metadata={"note": "\x1b[31mred"})
    changing(first, None, "evtype_1", EventTypeCreated("org_1", "a.b", "x"))
    accepting(first, EP, "ep_2")
    late = AttemptFailed(1, Fault.TLS, 30_000, 1, 1, detail="certificate has expired", next_at=NOW + 60 * SECOND)
    failed = moving(second, born_in(first)[0], late)
    updated = changing(second, endpoint, EP, EndpointUpdated(EndpointConfig("http://new.test/", description="two")))
    moving(third, failed, AttemptSucceeded(2, 200, 12, 1, 2))
    changing(third, updated, EP, EndpointDeleted())
    for each in (first, second, third):
        await log.append(each)
    await log.close()
    await opened.close()
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "DATABASE_URL": database, "SECRET_KEY": "k" * 32, "ADMIN_IDS": "a" * 16, "SEALING_KEYS": "c" * 43 + "=",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)

    async def asking(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, ["audit", *arguments])

    return asking


def objects(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


async def test_the_trail_a_line_a_fact(ask: Ask) -> None:
    lines = (await ask("trail", EP)).stdout.splitlines()
    assert lines == [
        "2026-01-01T12:00:00.000000Z  0/2  endpoint registered: http://e.test/hook  by test  request req_1",
        (
            "2026-01-01T12:00:01.000000Z  0/5  attempt 1 failed: tls: certificate has expired (30000 ms); "
            "next at 2026-01-01 12:01:00.000Z  msg_1  by test"
        ),
        "2026-01-01T12:00:01.000000Z  0/6  endpoint updated: http://new.test/  by test  request req_1",
        "2026-01-01T12:00:02.000000Z  0/7  attempt 2 succeeded: 200 in 12 ms  msg_1  by test",
        "2026-01-01T12:00:02.000000Z  0/8  endpoint deleted  by test  request req_1",
    ]
    assert len((await ask("trail", f"{MSG}/{EP}")).stdout.splitlines()) == 3
    assert len((await ask("trail", ids.attempt_id(0, 5))).stdout.splitlines()) == 1


async def test_the_trail_for_programs_and_between_moments(ask: Ask) -> None:
    told = objects(await ask("trail", EP, "--json"))
    assert [each["type"] for each in told] == [
        "EndpointRegistered", "AttemptFailed", "EndpointUpdated", "AttemptSucceeded", "EndpointDeleted"
    ]  # fmt: skip
    assert {"partition": 0, "seq": 5, "stream": MSG, "endpoint": EP, "version": 2}.items() <= told[1].items()
    bounded = ["--since", iso(NOW + SECOND), "--until", iso(NOW + SECOND)]
    assert objects(await ask("trail", EP, "--json", *bounded)) == told[1:3]
    assert objects(await ask("trail", EP, "--json", "--since", "0/6", "--until", "0/7")) == told[2:4]
    last = await ask("trail", EP, "--json", "--limit", "2")
    assert objects(last) == told[3:]
    assert "the last 2 facts" in last.stderr
    assert "nothing happened" in (await ask("trail", EP, "--until", "2020-01-01")).stderr


async def test_what_an_endpoint_was(ask: Ask) -> None:
    (was,) = objects(await ask("as-of", EP, "--at", iso(NOW), "--json"))
    assert (was["position"], was["standing"], was["state"]["url"]) == ("0/4", "live", "http://e.test/hook")
    said = (await ask("as-of", EP, "--at", "0/2")).stdout
    assert said.startswith(f"endpoint {EP} at position 0/2\n")
    assert re.search(r"\n  url: +http://e.test/hook\n", said)
    assert "\x1b" not in said
    assert "deleted at 2026-01-01T12:00:02.000000Z" in (await ask("as-of", EP)).stdout
    absent = (await ask("as-of", EP, "--at", "2026-01-01T11:00:00Z")).stdout
    assert absent.splitlines() == [
        f"{EP} was not there at 2026-01-01T11:00:00.000000Z, position 0/0",
        "  it came to be at 2026-01-01T12:00:00.000000Z (0/2) by test",
    ]
    (absent_too,) = objects(await ask("as-of", EP, "--at", "0/1", "--json"))
    assert (absent_too["standing"], absent_too["state"]) == ("not_yet", None)
    assert (await ask("as-of", EP, "--at", "-999w")).exit_code == 0


async def test_what_a_message_was(ask: Ask) -> None:
    said = (await ask("as-of", MSG, "--at", "0/5")).stdout
    assert f"  to {EP}\n" in said
    assert re.search(r"\n    reason: +tls\n", said)
    (delivery,) = objects(await ask("as-of", f"{MSG}/{EP}", "--json"))
    assert (delivery["kind"], delivery["state"]["state"], delivery["id"]) == ("delivery", "delivered", f"{MSG}/{EP}")


async def test_all_that_was(ask: Ask) -> None:
    told = objects(await ask("as-of", "--all", "--at", iso(NOW)))
    names = [each["state"].get("id") or each["state"]["endpoint"] for each in told]
    assert names == [APP, EP, "evtype_1", EP, "ep_2"]
    assert [each["kind"] for each in told] == ["application", "endpoint", "event_type", "delivery", "delivery"]
    later = objects(await ask("as-of", "--all"))
    assert [each["kind"] for each in later] == ["application", "event_type", "delivery"]
    assert objects(await ask("as-of", "--all", "--at", "1/0")) == []


async def test_what_changed(ask: Ask) -> None:
    said = (await ask("diff", EP, "--from", "0/4", "--to", "0/6")).stdout
    assert said.splitlines()[0] == f"endpoint {EP} from position 0/4 to 0/6: changed"
    assert "  url: http://e.test/hook → http://new.test/  (0/6)" in said.splitlines()
    assert "1 fact in between:" in said.splitlines()
    (told,) = objects(await ask("diff", EP, "--from", "0/4", "--json"))
    assert (told["was"], told["now"], [each["seq"] for each in told["events"]]) == ("live", "deleted", [6, 8])
    assert {"field": "description", "before": "", "after": "two", "by": ["0/6"]} in told["changes"]
    verdicts = {
        ("0/0", "0/1"): "not there yet", ("0/0", "0/2"): "created", ("0/0", "0/8"): "created and deleted",
        ("0/2", "0/3"): "the same", ("0/8", "0/8"): "deleted before",
    }  # fmt: skip
    for (start, end), verdict in verdicts.items():
        first = (await ask("diff", EP, "--from", start, "--to", end)).stdout.splitlines()[0]
        assert first.endswith(f"to {end}: {verdict}")


async def test_all_that_changed(ask: Ask) -> None:
    assert (await ask("diff", "--all", "--from", iso(NOW))).stdout.splitlines() == [
        f"deleted endpoint {EP}  (0/6 by test, 0/8 by test)",
        f"deliveries to {EP}: 1 pending → delivered",
    ]
    assert (await ask("diff", "--all", "--from", "0/0", "--to", "0/6")).stdout.splitlines() == [
        f"created application {APP}  (0/1 by test)",
        f"created endpoint {EP}  (0/2 by test, 0/6 by test)",
        "created event type evtype_1  (0/3 by test)",
        f"deliveries to {EP}: 1 new → pending",
        "deliveries to ep_2: 1 new → pending",
    ]
    changed, _ = objects(await ask("diff", "--all", "--from", "0/5", "--to", "0/7", "--json"))
    assert (changed["kind"], changed["how"], changed["fields"]["url"]) == (
        "endpoint", "changed", ["http://e.test/hook", "http://new.test/"]
    )  # fmt: skip
    moved = objects(await ask("diff", "--all", "--from", "0/5", "--json"))[-1]
    assert (moved["kind"], moved["endpoint"], moved["moves"]) == ("deliveries", EP, {"pending → delivered": [MSG]})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trail", "ep_9"], "the log knows nothing of ep_9"),
        (["trail", EP, "--since", "then"], "--since: 'then' is no moment"),
        (["trail", EP, "--until", "1/0"], "another partition"),
        (["as-of", "ep_9"], "the log knows nothing of ep_9"),
        (["as-of"], "give the id of one thing, or --all"),
        (["as-of", EP, "--all"], "give the id of one thing, or --all"),
        (["as-of", EP, "--at", "2026-01-01T12:00"], "lacks its offset"),
        (["as-of", EP, "--at", "0/99"], "--at: 0/99 is not reached yet: partition 0 ends at 0/8"),
        (["as-of", "--all", "--at", "999/1"], "not reached yet"),
        (["as-of", ids.attempt_id(0, 5)], "an attempt never changes"),
        (["diff", EP, "--from", "0/5", "--to", "0/4"], "--from (0/5) comes after --to (0/4)"),
        (["diff", "--from", "0/5"], "give the id of one thing, or --all"),
        (["diff", "--all", "--from", "0/5", "--to", "1/0"], "another partition"),
        (["diff", "--all", "--from", "0/5", "--to", "0/4"], "comes after"),
    ],
)
async def test_what_cannot_be_answered_is_said(ask: Ask, arguments: list[str], words: str) -> None:
    result = await ask(*arguments)
    assert isinstance(result.exception, Refused)
    assert words in str(result.exception)
