"""The golden files: every shape of every event ever written, byte for byte. See tests/golden/README.md."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from events import codec
from events.catalogue import (
    AdminCreated,
    ApplicationCreated,
    ApplicationDeleted,
    ApplicationUpdated,
    AttemptAbandoned,
    AttemptFailed,
    AttemptSucceeded,
    BreakerClosed,
    BreakerOpened,
    BreakerReset,
    ContentExpired,
    ContentExpunged,
    DeliveryCancelled,
    DeliveryExhausted,
    DeliveryExpired,
    DeliveryGone,
    DeliveryResent,
    EndpointConfig,
    EndpointDeleted,
    EndpointDisabled,
    EndpointEnabled,
    EndpointRegistered,
    EndpointUpdated,
    Event,
    EventTypeCreated,
    EventTypeUpdated,
    MessageAccepted,
    PartitionTaken,
    PayloadExpunged,
    ResponseExpunged,
    SecretRotated,
)
from events.outcome import Fault

FOLDER = Path(__file__).parents[1] / "golden"
GOLDEN = sorted(FOLDER.glob("*.json"))

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
DIGEST = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
CONFIG = EndpointConfig(
    "https://example.com/x", "uid", "d x", ("a.b", "c"), ("ch",), {"k": "x"}, 5, 20, (1.0, 2.5), 2
)
SCHEMAS = {"1": {"type": "object", "x": [1, 2.5, None, True]}}

EXPECTED: dict[str, Event] = {
    "PartitionTaken.v1.full": PartitionTaken("host:1:x", 7, "host:0:x"),
    "PartitionTaken.v1.minimal": PartitionTaken("host:1:x", 1),
    "AdminCreated.v1.full": AdminCreated("root-x", "app_1"),
    "ApplicationCreated.v1.full": ApplicationCreated("org_1", "Acme x", "acme", 50, {"k": "x"}),
    "ApplicationCreated.v1.minimal": ApplicationCreated("org_1", "Acme"),
    "ApplicationUpdated.v1.full": ApplicationUpdated("Acme x", "acme", 50, {"k": "x"}),
    "ApplicationUpdated.v1.minimal": ApplicationUpdated("Acme"),
    "ApplicationDeleted.v1.full": ApplicationDeleted(),
    "EventTypeCreated.v1.full": EventTypeCreated("org_1", "a.x", "d x", True, True, SCHEMAS, "flag"),
    "EventTypeCreated.v1.minimal": EventTypeCreated("org_1", "a.b", ""),
    "EventTypeUpdated.v1.full": EventTypeUpdated("d x", True, True, SCHEMAS, "flag"),
    "EventTypeUpdated.v1.minimal": EventTypeUpdated(""),
    "EndpointRegistered.v1.full": EndpointRegistered("app_1", CONFIG, "sec_1"),
    "EndpointRegistered.v1.minimal": EndpointRegistered("app_1", EndpointConfig("https://example.com/"), "sec_1"),
    "EndpointUpdated.v1.full": EndpointUpdated(CONFIG),
    "EndpointUpdated.v1.minimal": EndpointUpdated(EndpointConfig("https://example.com/")),
    "EndpointDisabled.v1.full": EndpointDisabled("by x"),
    "EndpointEnabled.v1.full": EndpointEnabled(),
    "EndpointDeleted.v1.full": EndpointDeleted(),
    "BreakerOpened.v1.full": BreakerOpened(AT, 10, Fault.STATUS, AT, 503),
    "BreakerOpened.v1.minimal": BreakerOpened(AT, 10, Fault.TIMEOUT, AT),
    "BreakerClosed.v1.full": BreakerClosed(),
    "MessageAccepted.v1.full": MessageAccepted("app_1", "a.x", DIGEST, 2, ("ep_1", "ep_2"), ("ch",), "evt-x"),
    "MessageAccepted.v1.minimal": MessageAccepted("app_1", "a.b", DIGEST, 2),
    "AttemptSucceeded.v1.full": AttemptSucceeded(1, 200, 12, 1767323045, 3, 2),
    "AttemptSucceeded.v1.minimal": AttemptSucceeded(1, 200, 12, 1767323045, 3),
    "AttemptFailed.v1.full": AttemptFailed(2, Fault.STATUS, 12, 1767323045, 3, 503, "x", AT, 99),
    "AttemptFailed.v1.minimal": AttemptFailed(2, Fault.DNS, 12, 1767323045, 3),
    "AttemptAbandoned.v1.full": AttemptAbandoned(1, 1767323045, "shut down x", AT),
    "DeliveryExhausted.v1.full": DeliveryExhausted(8),
    "DeliveryGone.v1.full": DeliveryGone(),
    "DeliveryCancelled.v1.full": DeliveryCancelled("the endpoint x was deleted"),
    "DeliveryExpired.v1.full": DeliveryExpired("the payload x is gone"),
    "ApplicationCreated.v1.later": ApplicationCreated("org_1", "Acme", retention_days=30),
    "ApplicationUpdated.v1.later": ApplicationUpdated("Acme", retention_days=30),
    "MessageAccepted.v1.later": MessageAccepted("app_1", "a.b", DIGEST, 2, retention_days=30),
    "AttemptSucceeded.v1.later": AttemptSucceeded(1, 200, 12, 1767323045, 3, 2, DIGEST),
    "AttemptFailed.v1.later": AttemptFailed(
        2, Fault.STATUS, 12, 1767323045, 3, 503, response_bytes=2, response_digest=DIGEST
    ),
    "DeliveryResent.v1.full": DeliveryResent(AT, AT, 30),
    "DeliveryResent.v1.minimal": DeliveryResent(AT, AT),
    "BreakerReset.v1.full": BreakerReset(),
    "SecretRotated.v1.full": SecretRotated("sec_2x", "sec_1", AT),
    "ContentExpired.v1.full": ContentExpired(date(2026, 1, 2), 2, 3),
    "PayloadExpunged.v1.full": PayloadExpunged("asked by x"),
    "PayloadExpunged.v1.minimal": PayloadExpunged(),
    "ResponseExpunged.v1.full": ResponseExpunged(7, "x"),
    "ResponseExpunged.v1.minimal": ResponseExpunged(7),
    "ContentExpunged.v1.full": ContentExpunged("msg_x", 2, 3, "x"),
    "ContentExpunged.v1.minimal": ContentExpunged("msg_1", 2, 3),
}


def golden(path: Path) -> tuple[str, int, Event]:
    """Type, version and event of a golden file."""
    name, version, _ = path.stem.split(".")
    number = int(version.removeprefix("v"))
    return name, number, codec.decode(name, number, path.read_bytes())


def test_every_file_is_expected_and_every_expectation_has_its_file() -> None:
    assert {path.stem for path in GOLDEN} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(codec.TYPES))
def test_every_version_of_every_event_has_a_file(name: str) -> None:
    for version in range(1, codec.VERSIONS.get(name, 1) + 1):
        assert f"{name}.v{version}.full" in EXPECTED


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_bytes_mean_what_they_always_meant(path: Path) -> None:
    name, _, event = golden(path)
    assert type(event).__name__ == name
    assert event == EXPECTED[path.stem]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_current_version_is_written_with_the_same_bytes(path: Path) -> None:
    _, version, event = golden(path)
    if version == codec.version_of(event):
        assert codec.encode(event) == path.read_bytes()


@pytest.mark.parametrize("name", sorted(codec.TYPES))
def test_every_field_is_set_by_the_full_file_or_by_a_later_one(name: str) -> None:
    stem = f"{name}.v{codec.VERSIONS.get(name, 1)}"
    events = [EXPECTED[key] for key in (f"{stem}.full", f"{stem}.later") if key in EXPECTED]
    kind = type(events[0])
    defaults = dict(zip(reversed(kind.__struct_fields__), reversed(kind.__struct_defaults__), strict=False))
    assert not [
        field for field, default in defaults.items() if all(getattr(each, field) == default for each in events)
    ]
