"""A made-up hookd, second by second: what its stream and its API would say. Seeded, so that pictures repeat."""

import json
from datetime import UTC, datetime, timedelta
from random import Random

from events.ids import mint

START = datetime(2026, 3, 4, 9, 30, 0, tzinfo=UTC)
HOSTS = (
    "api.northwind.example/hooks", "shop.acme.example/webhooks/orders", "billing.globex.example/in",
    "hooks.initech.example", "events.umbrella.example/v2/receive", "ci.hooli.example:8443/build",
    "crm.stark.example/ingest", "pay.wayne.example/notify", "ops.tyrell.example/pager", "erp.cyberdyne.example/bus",
)  # fmt: skip
TYPES = ("order.created", "order.paid", "invoice.finalized", "user.updated", "build.finished", "payment.failed")


def rfc3339(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


class World:
    """`second(shown)` makes the next second: at most `shown` events in full, and the statistics of all."""

    def __init__(self, *, seed: int = 1, endpoints: int = 24, rate: int = 200, start: datetime = START) -> None:
        self.random = Random(seed)
        self.now = start
        self.rate = rate
        self.seq = [0] * 4
        self.application = self._id("app")
        self.endpoints = [self._id("ep") for _ in range(endpoints)]
        self.urls = {
            each: f"https://{HOSTS[at % len(HOSTS)]}" + (f"/{at}" if at >= len(HOSTS) else "")
            for at, each in enumerate(self.endpoints)
        }
        self.seconds = 0
        self.last: dict | None = None

    def _id(self, prefix: str) -> str:
        return mint(prefix, self.now, self.random.randbytes(20))

    @property
    def positions(self) -> str:
        return ".".join(map(str, self.seq))

    def event(self, type_: str, stream: str, body: dict, endpoint: str | None = None, actor: str = "hookd") -> dict:
        partition = len(stream) * 7 % 4 if not stream else ord(stream[-1]) % 4
        self.seq[partition] += 1
        self.now += timedelta(microseconds=self.random.randint(200, 1500))
        event = {
            "partition": partition, "seq": self.seq[partition], "at": rfc3339(self.now), "stream": stream,
            "version": 1, "type": type_, "actor": actor, "body": body,
        }  # fmt: skip
        return event | ({"endpoint": endpoint} if endpoint else {})

    def hello(self) -> dict:
        return {
            "process": "hookd-7f3a", "version": "0.1.0", "now": rfc3339(self.now), "partitions": 4,
            "positions": self.positions, "resumed": False,
        }  # fmt: skip

    def bad(self, at: int) -> bool:
        return at in {2, 5}

    def message(self) -> list[dict]:
        """One message to one endpoint, and its first attempt."""
        at = min(int(self.random.expovariate(0.25)), len(self.endpoints) - 1)
        endpoint = self.endpoints[at]
        message = self._id("msg")
        accepted = self.event(
            "MessageAccepted", message,
            {"application": self.application, "event_type": self.random.choice(TYPES), "digest": "ab" * 32,
             "size": self.random.randint(200, 4000), "endpoints": [endpoint]},
            actor="org:org_23rb8YdGqMT0qIzpgGwdXfHirMu",
        )  # fmt: skip
        ms = int(self.random.lognormvariate(3.5, 0.7))
        common = {"attempt": 1, "duration_ms": ms, "timestamp": int(self.now.timestamp()), "config": 1}
        if self.bad(at) or self.random.random() < 0.01:
            fault = self.random.choice(("status", "timeout", "connect", "reset"))
            next_at = rfc3339(self.now + timedelta(seconds=self.random.randint(3, 40)))
            body = common | {"fault": fault, "next_at": next_at}
            body |= (
                {"status": self.random.choice((500, 502, 503, 429))}
                if fault == "status"
                else {"detail": "no answer within 15 s"}
            )
            return [accepted, self.event("AttemptFailed", message, body, endpoint)]
        return [accepted, self.event("AttemptSucceeded", message, common | {"status": 200}, endpoint)]

    def second(self, shown: int = 100) -> tuple[list[dict], dict]:
        begin = self.now
        events: list[dict] = []
        while len(events) < shown:
            events += self.message()
        if self.seconds % 7 == 3:
            events.append(self._notable())
        self.seconds += 1
        self.now = max(self.now, begin + timedelta(seconds=1))
        return events, self.stats()

    def _notable(self) -> dict:
        endpoint = self.endpoints[2]
        since = rfc3339(self.now - timedelta(minutes=12))
        return self.event(
            "BreakerOpened", endpoint,
            {"until": rfc3339(self.now + timedelta(seconds=25)), "failures": 10, "fault": "status", "since": since,
             "status": 503},
        ) if self.seconds % 2 else self.event("EndpointDisabled", self.endpoints[7],
        {"reason": "switched off by an operator"},
                                              actor="operator:ada")  # fmt: skip

    def target(self, at: int) -> dict:
        endpoint = self.endpoints[at]
        share = 1 / (1.5 + at)
        attempts = max(int(self.rate * share * self.random.uniform(0.7, 1.3) / 3), 0)
        failed = attempts // 2 if self.bad(at) else (1 if self.random.random() < 0.1 and attempts else 0)
        row = {
            "endpoint": endpoint, "application": self.application, "url": self.urls[endpoint],
            "attempts": attempts, "delivered": attempts - failed, "failed": failed,
            "durationMs": {"p50": 18.0 + at * 3, "p95": 61.0 + at * 21} if attempts else None,
            "inFlight": min(attempts, 10), "backlog": 0, "backlogMore": False, "breaker": "closed", "batchSize": 10,
        }  # fmt: skip
        if at == 2:
            row |= {
                "attempts": 0, "delivered": 0, "failed": 0, "breaker": "open", "backlog": 1840, "backlogMore": True,
                "breakerUntil": rfc3339(self.now + timedelta(seconds=25)),
                "breakerReason": "10 failures in a row (503)",
            }  # fmt: skip
        if at == 5:
            row |= {"breaker": "ramp", "backlog": 312, "breakerReason": "timeouts, answering again"}
        if at == 7:
            row |= {
                "disabled": "switched off by an operator",
                "attempts": 0,
                "delivered": 0,
                "failed": 0,
                "backlog": 57,
            }
        return row

    def stats(self) -> dict:
        wave = 1 + 0.35 * self.random.random() + (0.5 if self.seconds // 20 % 3 == 1 else 0)
        attempts = int(self.rate * wave)
        failed = int(attempts * 0.02) + (self.seconds // 25 % 2) * int(attempts * 0.06)
        self.last = {
            "at": rfc3339(self.now), "process": "hookd-7f3a", "intervalS": 1.0,
            "accepted": int(self.rate * wave * 1.01), "attempts": attempts,
            "delivered": attempts - failed, "failed": failed,
            "durationMs": {"p50": 21.0, "p95": 84.0 + 20 * self.random.random(), "p99": 210.0},
            "delayMs": {"p50": 4.2, "p95": 19.0 + 9 * self.random.random(), "p99": 44.0},
            "inFlight": 40 + int(30 * wave), "queue": 12, "oldestDueS": 3.4, "loopLagMs": 1.2 + self.random.random(),
            "batchRows": 84.0, "appends": 61, "pending": 2209, "database": True, "standingBy": False,
            "partitions": [
                {"partition": each, "owner": "hookd-7f3a", "epoch": 3, "seq": seq + 100_000, "sealed": seq + 99_000}
                for each, seq in enumerate(self.seq)
            ],
            "checkpoint": {"at": rfc3339(self.now - timedelta(seconds=14)), "sealed": 401_233, "unsealed": 4_120},
            "targets": [self.target(at) for at in range(len(self.endpoints))],
        }  # fmt: skip
        return self.last

    # --- the API

    def delivery(self, message: str, endpoint: str) -> dict:
        url = self.urls.get(endpoint, "https://unknown.example/")
        payload = json.dumps(
            {"type": "order.created", "id": 4711, "total": "99.50", "items": [{"sku": "A-1", "n": 2}]}
        )
        headers = [
            ["content-type", "application/json"], ["webhook-id", message], ["webhook-timestamp", "1772616600"],
            ["webhook-signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="], ["user-agent", "hookd/0.1"],
        ]  # fmt: skip
        attempts = [
            {"position": f"1/{90 + n}", "at": rfc3339(self.now - timedelta(seconds=300 - 60 * n)), "attempt": n,
             "status": 503 if n < 3 else 200, "fault": "status" if n < 3 else None, "durationMs": 40 * n,
             "timestamp": 1772616600, "request": {"method": "POST", "url": url, "headers": headers},
             "response": "upstream connect error\nretry later" if n < 3 else '{"ok": true}', "responseBytes": 34}
            for n in (1, 2, 3)
        ]  # fmt: skip
        return {
            "message": message, "endpoint": endpoint, "application": self.application, "url": url,
            "state": "delivered", "attempts": attempts, "acceptedAt": rfc3339(self.now - timedelta(seconds=301)),
            "payload": payload,
            "trail": [self.event("MessageAccepted", message, {}), self.event("AttemptSucceeded",
            message, {}, endpoint)],
        }  # fmt: skip

    def endpoint(self, endpoint: str) -> dict:
        at = self.endpoints.index(endpoint) if endpoint in self.endpoints else 0
        attempts = [
            {"position": f"1/{n}", "at": rfc3339(self.now - timedelta(seconds=n)), "attempt": 1,
            "status": 200 if n % 5 else 503,
             "fault": None if n % 5 else "status", "durationMs": 20 + n, "message": self._id("msg")}
            for n in range(1, 30)
        ]  # fmt: skip
        return self.target(at) | {
            "pending": 1840, "oldestDue": rfc3339(self.now), "description": "Orders of the shop",
            "failingSince": rfc3339(self.now - timedelta(minutes=12)), "createdAt": rfc3339(START),
            "configuration": {"eventTypes": ["order.created", "order.paid"], "batchSize": 10, "throttleRate": None,
                              "retryDelaysS": [5, 300, 1800], "metadata": {"team": "commerce"}},
            "counts": {"delivered": 18_211, "failed": 401}, "attempts": attempts,
        }  # fmt: skip

    def message_answer(self, message: str) -> dict:
        return {
            "id": message, "application": self.application, "eventType": "order.created", "eventId": "evt_881",
            "acceptedAt": rfc3339(self.now), "size": 512, "digest": "ab" * 32,
            "payload": {"type": "order.created", "id": 4711, "total": 99.5, "paid": True, "note": None},
            "deliveries": [
                {"endpoint": each, "url": self.urls[each], "state": state, "attempts": n}
                for each, state, n in zip(self.endpoints, ("delivered", "retrying", "exhausted"),
                (1, 3, 8), strict=False)
            ],
        }  # fmt: skip

    def targets_page(self) -> dict:
        return {"data": [self.target(at) for at in range(len(self.endpoints))], "iterator": None, "done": True}
