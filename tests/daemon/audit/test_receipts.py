"""From the database to a file that a stranger can check."""

import pytest

from daemon.audit.receipts import NoDelivery, NotSealed, make
from events.receipt import BadReceipt, check
from tests.conformance import verifier
from tests.daemon.audit.evidence import PAYLOAD, Evidence


async def _receipt(evidence: Evidence, message: str, endpoint: str) -> bytes:
    async with evidence.database.reading() as connection:
        return await make(connection, message, endpoint)


async def test_a_delivered_one_is_proven_with_the_key_alone(evidence: Evidence) -> None:
    proven = check(await _receipt(evidence, "msg_007", "ep_1"), await evidence.notary.key())
    assert (proven.state, proven.url, len(proven.attempts)) == ("delivered", "http://e.test/other", 1)
    assert proven.final
    assert proven.matches(PAYLOAD)
    assert not proven.matches(PAYLOAD + b" ")


async def test_a_failed_one_is_proven_too(evidence: Evidence) -> None:
    proven = check(await _receipt(evidence, "msg_007", "ep_2"), await evidence.notary.key())
    assert (proven.state, proven.attempts[0].status, proven.url) == ("exhausted", 500, "http://e.test/hook")
    assert not proven.final


async def test_strangers_who_read_only_the_specs_agree(evidence: Evidence) -> None:
    key = (await evidence.notary.key()).public
    shown = verifier.check_receipt(await _receipt(evidence, "msg_011", "ep_1"), key)
    assert shown["message"] == "msg_011"


async def test_what_does_not_exist_or_is_not_sealed_is_said(evidence: Evidence) -> None:
    with pytest.raises(NoDelivery, match="msg_none"):
        await _receipt(evidence, "msg_none", "ep_1")
    with pytest.raises(BadReceipt):
        await _receipt(evidence, "msg_007", "ep_none")
    await evidence.message("msg_new")
    with pytest.raises(NotSealed, match="not under a checkpoint yet"):
        await _receipt(evidence, "msg_new", "ep_1")
    await evidence.notary.seal()
    assert check(await _receipt(evidence, "msg_new", "ep_1"), await evidence.notary.key()).final


@pytest.mark.parametrize("damage", ["delete from log.tile", "update log.checkpoint set note = ''"])
async def test_a_damaged_tree_gives_no_receipt(evidence: Evidence, damage: str) -> None:
    await evidence.tamper(damage)
    async with evidence.database.reading() as connection:
        with pytest.raises(BadReceipt, match="the stored tree of partition 0 is damaged"):
            await make(connection, "msg_003", "ep_2")
