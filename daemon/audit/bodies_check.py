"""Holds payloads and responses against the log: each is what its event says, or gone for a recorded reason."""

import hashlib
from collections.abc import Sequence
from typing import Final

import asyncpg
import msgspec

from daemon.audit.findings import Check, Findings
from events.message import Message

_PAYLOADS: Final = """
  select k.message, encode(sha256(c.body), 'hex')
  from unnest($1::date[], $2::smallint[], $3::text[]) k(day, partition, message)
  cross join lateral (
    select body from content.payload p
    where p.day = k.day and p.partition = k.partition and p.message = k.message limit 1) c"""
# Why a payload is gone: asked by stream, so that one index answers, and only for those that are gone.
_GONE: Final = """
  select k.message, case
    when exists (select from log.event e where e.partition = k.partition and e.stream = k.message
                 and e.endpoint is null and e.type = 'PayloadExpunged') then 'expunged'
    when exists (select from log.event e where e.partition = k.partition and e.stream = k.application
                 and e.type = 'ContentExpunged'
                 and convert_from(e.body, 'UTF8')::json ->> 'until' >= k.message collate "C"
                 and e.at >= k.accepted) then 'expunged'
    when exists (select from log.event e where e.partition = k.partition and e.stream = k.expiry
                 and e.type = 'ContentExpired') then 'expired' end
  from unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
       k(partition, application, message, expiry, accepted)"""
_RESPONSES: Final = """
  select r.seq, r.body, e.type, convert_from(e.body, 'UTF8')::json ->> 'response_digest'
  from content.response r left join lateral (
    select type, body from log.event x where x.partition = r.partition and x.seq = r.seq limit 1) e on true
  where r.partition = $1"""


class Bodies(msgspec.Struct):
    """How many bodies are there, and how many are not."""

    payloads: int = 0
    responses: int = 0
    expired: int = 0
    expunged: int = 0


class BodiesCheck:
    """Looks at the payloads of the messages it is given, and at all responses of a partition."""

    def __init__(self, connection: asyncpg.Connection, findings: Findings) -> None:
        self._connection = connection
        self._findings = findings
        self.bodies = Bodies()

    async def payloads(self, messages: Sequence[Message]) -> None:
        """Each payload is there with the digest that its event names, or its end is recorded."""
        if not messages:
            return
        keys = [(each.last_day, each.partition, each.id) for each in messages]
        digests = dict(await self._connection.fetch(_PAYLOADS, *zip(*keys, strict=True)))
        self.bodies.payloads += len(digests)
        for each in messages:
            digest = digests.get(each.id)
            if digest is not None and digest != each.digest:
                what = "its bytes are not those that were accepted"
                self._findings.add(Check.BODIES, f"payload of {each.id}", what)
        await self._gone([each for each in messages if each.id not in digests])

    async def _gone(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        keys = [
            (each.partition, each.application, each.id, f"content_{each.last_day}", each.accepted_at)
            for each in messages
        ]
        for message, reason in await self._connection.fetch(_GONE, *zip(*keys, strict=True)):
            if reason == "expired":
                self.bodies.expired += 1
            elif reason == "expunged":
                self.bodies.expunged += 1
            else:
                self._findings.add(Check.BODIES, f"payload of {message}", "is gone, and no event says why")

    async def responses(self, partition: int) -> None:
        """What is kept of the answers is what came."""
        async for seq, body, type_, digest in self._connection.cursor(_RESPONSES, partition, prefetch=500):
            self.bodies.responses += 1
            place = f"response of attempt ({partition}, {seq})"
            if type_ not in {"AttemptSucceeded", "AttemptFailed"}:
                self._findings.add(Check.BODIES, place, "there is no such attempt in the log")
            elif hashlib.sha256(body).hexdigest() != digest:
                self._findings.add(Check.BODIES, place, "its bytes are not those that came")
