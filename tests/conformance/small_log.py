"""One partition's log with its tree, in memory, written event by event: also such as hookd would never write."""

from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from events import checkpoint, codec, leaf, receipt
from events.catalogue import (
    AttemptAbandoned,
    AttemptFailed,
    AttemptSucceeded,
    BreakerOpened,
    EndpointConfig,
    EndpointRegistered,
    EndpointUpdated,
    Event,
    MessageAccepted,
)
from events.checkpoint import Checkpoint, VerifierKey, log_id, origin_of
from events.leaf import RawEvent
from events.outcome import Fault
from events.receipt import Proven
from events.tile import Tiles, tree_of
from tests.support.builders import APP, EP, MSG, NOW

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
PARTITION = 3
KEY = VerifierKey(origin_of(log_id(PUBLIC), PARTITION), PUBLIC)
PAYLOAD = b'{"a":1}'
DIGEST = sha256(PAYLOAD).hexdigest()


def sign(covered: Checkpoint) -> str:
    return checkpoint.sign(covered, PRIVATE)


class SmallLog:
    """Takes events of any streams; versions are counted, unless given."""

    def __init__(self, partition: int = PARTITION) -> None:
        self.partition = partition
        self.raws: list[RawEvent] = []
        self.versions: dict[tuple[str, str | None], int] = {}

    @property
    def records(self) -> list[bytes]:
        return [leaf.record(raw) for raw in self.raws]

    def add(
        self,
        stream: str,
        event: Event,
        endpoint: str | None = None,
        version: int | None = None,
        seq: int | None = None,
    ) -> "SmallLog":
        before = self.versions.get((stream, endpoint), 0 if endpoint is None else 1)
        if version is None:
            version = self.versions[stream, endpoint] = before + 1
        seq = seq or len(self.raws) + 1
        at = leaf.at_us(NOW + timedelta(seconds=seq))
        kind, schema, body = type(event).__name__, codec.version_of(event), codec.encode(event)
        self.raws.append(
            RawEvent(self.partition, seq, at, stream, endpoint, version, kind, schema, "hookd", None, body)
        )
        return self

    def registered(self, url: str = "https://a.test/", endpoint: str = EP, application: str = APP) -> "SmallLog":
        return self.add(endpoint, EndpointRegistered(application, EndpointConfig(url), "sec_1"))

    def updated(self, url: str, endpoint: str = EP) -> "SmallLog":
        return self.add(endpoint, EndpointUpdated(EndpointConfig(url)))

    def opened(self, endpoint: str = EP) -> "SmallLog":
        return self.add(endpoint, BreakerOpened(NOW, 5, Fault.STATUS, NOW))

    def accepted(self, message: str = MSG, *endpoints: str, application: str = APP) -> "SmallLog":
        return self.add(message, MessageAccepted(application, "t", DIGEST, len(PAYLOAD), endpoints or (EP,)))

    def failed(self, attempt: int, config: int, *, message: str = MSG, endpoint: str = EP) -> "SmallLog":
        event = AttemptFailed(attempt, Fault.STATUS, 7, 1_767_323_045, config, status=500, next_at=NOW)
        return self.add(message, event, endpoint)

    def abandoned(self, attempt: int) -> "SmallLog":
        return self.add(MSG, AttemptAbandoned(attempt, 1_767_323_045, "stop", NOW), EP)

    def succeeded(self, attempt: int, config: int, *, message: str = MSG, endpoint: str = EP) -> "SmallLog":
        return self.add(message, AttemptSucceeded(attempt, 200, 9, 1_767_323_050, config), endpoint)

    def with_a_delivery(self) -> "SmallLog":
        """Two URLs, two failures, a breaker, a success; another message and endpoint beside it."""
        self.registered().registered("https://other.test/", "ep_2").accepted(MSG, EP, "ep_2")
        self.failed(1, 1).succeeded(1, 1, endpoint="ep_2").updated("https://b.test/").accepted("msg_2", EP)
        self.opened().failed(2, 3).abandoned(3).failed(1, 3, message="msg_2").succeeded(3, 3)
        return self.updated("https://c.test/")

    def note(self, size: int | None = None) -> str:
        grown = Tiles()
        grown.extend([leaf_of(record) for record in self.records[:size]])
        return sign(Checkpoint(origin_of(log_id(PUBLIC), self.partition), grown.size, grown.root()))

    def receipt(self, records: Iterable[bytes] | None = None, size: int | None = None, endpoint: str = EP) -> bytes:
        hashes = tree_of(Tiles().extend([leaf_of(record) for record in self.records]))
        return receipt.build(self.note(size), endpoint, self._trail(endpoint) if records is None else records, hashes)

    def check(self, data: bytes) -> Proven:
        return receipt.check(data, KEY)

    def _trail(self, endpoint: str) -> list[bytes]:
        """What one would read from the table: the message's stream and the endpoint's."""
        return [leaf.record(raw) for raw in self.raws if raw.stream in {MSG, endpoint}]


def leaf_of(record: bytes) -> bytes:
    return sha256(b"\x00" + leaf.DOMAIN + record).digest()
