"""The transparency log over HTTP: what it serves is what was signed, and no more."""

import struct

import pytest

from daemon.api import log as module
from events.append import Append
from events.catalogue import EventTypeCreated
from events.envelope import Fact
from events.tile import all_tiles, path
from tests.conformance import verifier
from tests.daemon.api.running import serve
from tests.support.builders import NOW
from tests.support.sealed import record


@pytest.fixture
async def running(database):
    async with serve(database) as it:
        yield it


async def get(running, path, status=200, headers=None):
    response = await running.client.get(f"/log{path}", headers=headers)
    body = await response.read()
    assert response.status == status, body
    return response, body


def operator(running):
    return {"Authorization": f"Bearer {running.tokens.mint_operator('ann')}"}


async def trees(running):
    return await (await running.client.get("/log")).json()


async def test_what_there_is(running):
    key = await running.notary.key()
    told = await trees(running)
    assert (told["log_id"], told["partitions"]) == (key.log_id, 16)
    first = told["trees"][0]
    assert first == {
        "partition": 0,
        "origin": f"hookd/{key.log_id}/0",
        "vkey": key.of_partition(0).text(),
        "size": 0,
        "sealed_at": None,
    }
    await get(running, f"/{first['origin']}/checkpoint", 404)
    await running.notary.seal()
    later = (await trees(running))["trees"]
    assert {each["size"] for each in later} == {1}  # each partition was taken once
    assert later[0]["sealed_at"].startswith("20")


async def test_a_verifier_that_knows_only_the_specifications_is_content(running):
    await running.notary.seal()
    tree = (await trees(running))["trees"][3]
    base = f"/{tree['origin']}"
    name, _, public = verifier.parse_key(tree["vkey"])
    _, old = await get(running, f"{base}/checkpoint")
    await record(running.log, 700, partition=3)
    await running.notary.seal()
    response, note = await get(running, f"{base}/checkpoint")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    _, old_size, old_root = verifier.parse_checkpoint(verifier.open_note(old.decode(), name, public))
    origin, size, root = verifier.parse_checkpoint(verifier.open_note(note.decode(), name, public))
    assert (origin, old_size, size) == (name, 1, 701)
    served = {}
    for tile in all_tiles(size):
        response, served[path(*tile)] = await get(running, f"{base}/{path(*tile)}")
        assert response.headers["Content-Type"] == "application/octet-stream"
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    tiled = verifier.TiledTree(served.__getitem__, size)
    tiled.verify_levels()
    assert tiled.root() == root
    verifier.verify_consistency(old_size, size, old_root, root, tiled.consistency(old_size))
    entries = []
    for bundle in ("000", "001", "002.p/189"):
        response, content = await get(running, f"{base}/tile/entries/{bundle}", 200, operator(running))
        assert "private" in response.headers["Cache-Control"]
        entries += unbundled(content)
    assert [tiled.mth(index, index + 1) for index in range(size)] == list(map(verifier.leaf_hash, entries))
    verifier.verify_inclusion(verifier.leaf_hash(entries[300]), 300, size, tiled.inclusion(300), root)
    record_of = verifier.parse_record(entries[300].removeprefix(b"hookd event v1\n"))
    assert (record_of["partition"], record_of["seq"], record_of["type"]) == (3, 301, "MessageAccepted")


def unbundled(bundle):
    entries = []
    while bundle:
        (size,) = struct.unpack_from(">H", bundle)
        entries.append(bundle[2 : 2 + size])
        bundle = bundle[2 + size :]
    return entries


async def test_older_and_narrower_tiles_stay_to_be_had(running):
    await running.notary.seal()
    base = f"/{(await trees(running))['trees'][0]['origin']}"
    _, before = await get(running, f"{base}/tile/0/000.p/1")
    await record(running.log, 300)
    await running.notary.seal()
    assert (await get(running, f"{base}/tile/0/000.p/1"))[1] == before
    assert (await get(running, f"{base}/tile/0/000"))[1].startswith(before)


@pytest.mark.parametrize(
    "wanted",
    [
        "0/checkpoint/x", "00/checkpoint", "99/checkpoint", "70000/checkpoint", "x/checkpoint", "0/tile/0/000",
        "0/tile/0/000.p/4", "0/tile/0/001.p/1", "0/tile/1/000.p/1", "0/tile/0/0", "0/tile/00/000.p/1",
        "0/tile/0/x000/000.p/1", "0/tile/0/000.p/0", "0/tile/0/000.p/256", "0/tile/64/000.p/1", "0/tile/0",
        "0/tile/0/x999/x999/x999/x999/x999/x999/x999/999.p/1", "0/tile/entries/000", "0/tile/entries/000.p/4",
        "0/tile/entries/000.p/00001", "0/tile/entries/x",
    ],
)  # fmt: skip
async def test_there_is_nothing_beyond_what_was_signed(running, wanted):
    await record(running.log, 2)
    await running.notary.seal()
    await record(running.log, 1, begin=2)
    log_id = (await running.notary.key()).log_id
    response, _ = await get(running, f"/hookd/{log_id}/{wanted}", 404, operator(running))
    assert response.headers["Content-Type"] == "application/problem+json"


async def test_another_log_is_not_here(running):
    await running.notary.seal()
    await get(running, "/hookd/0123456789abcdef/0/checkpoint", 404)


async def test_entries_are_for_the_operator(running):
    await running.notary.seal()
    base = f"/{(await trees(running))['trees'][0]['origin']}"
    path = f"{base}/tile/entries/000.p/1"
    await get(running, path, 401)
    await get(running, path, 403, running.headers)
    await get(running, path, 200, operator(running))


async def test_an_entry_too_long_for_a_bundle_is_a_problem_of_that_bundle(running):
    long = EventTypeCreated("org_1", "a.b", "x" * module.ENTRY_BYTES_MAX)
    append = Append(NOW)
    append.add(Fact(0, "evtype_1", 1, long), "test", None)
    await running.log.append(append)
    await record(running.log, 300)
    await running.notary.seal()
    base = f"/{(await trees(running))['trees'][0]['origin']}"
    response, _ = await get(running, f"{base}/tile/entries/000", 422, operator(running))
    told = await response.json()
    assert told["code"] == "entry_too_long"
    assert told["detail"].startswith("Entry 1 has 65")
    await get(running, f"{base}/tile/entries/001.p/46", headers=operator(running))


async def test_a_head_request_is_answered_without_a_body(running):
    await running.notary.seal()
    origin = (await trees(running))["trees"][0]["origin"]
    response = await running.client.head(f"/log/{origin}/checkpoint")
    assert (response.status, await response.read()) == (200, b"")
    assert int(response.headers["Content-Length"]) > 100


async def test_the_document_says_what_entries_ask_for(running):
    document = await (await running.client.get("/log/openapi.json")).json()
    log_id = (await running.notary.key()).log_id
    operation = document["paths"][f"/log/hookd/{log_id}/{{partition}}/tile/entries/{{path}}"]["get"]
    assert operation["security"] == [{"bearer": []}]
