import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import codec
from events.catalogue import EndpointConfig, EndpointDisabled, Event, EventTypeCreated, MessageAccepted

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXT, st.lists, max_leaves=5)


@given(TEXT, TEXT, st.none() | st.dictionaries(TEXT, JSON))
def test_what_is_encoded_is_decoded(name: str, description: str, schemas) -> None:
    event = EventTypeCreated("org_1", name, description, schemas=schemas)
    assert codec.decode("EventTypeCreated", 1, codec.encode(event)) == event


def test_defaults_are_left_out_and_fields_keep_their_order() -> None:
    assert codec.encode(EndpointConfig("http://e/")) == b'{"url":"http://e/"}'
    body = codec.encode(MessageAccepted("app_1", "t", "d", 2, ("ep_1",)))
    assert body == b'{"application":"app_1","event_type":"t","digest":"d","size":2,"endpoints":["ep_1"]}'


@pytest.mark.parametrize(
    ("name", "version", "body"),
    [
        ("Unheard", 1, b"{}"),
        ("EndpointDisabled", 2, b'{"reason":"x"}'),
        ("EndpointDisabled", 0, b'{"reason":"x"}'),
        ("EndpointDisabled", -1, b'{"reason":"x"}'),
        ("EndpointDisabled", 1, b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        ("EndpointDisabled", 1, b"{}"),
        ("EndpointDisabled", 1, b'{"reason":1}'),
        ("EndpointDisabled", 1, b"{"),
        ("EndpointDisabled", 1, b"\xff"),
        ("EndpointConfig", 1, b'{"url":"x"}'),
    ],
)
def test_the_unknown_is_an_error_that_names_itself(name: str, version: int, body: bytes) -> None:
    with pytest.raises(codec.UnreadableEvent, match=f"{name} v{version}"):
        codec.decode(name, version, body)


@pytest.fixture
def third_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if EndpointDisabled had had two older shapes: {"why"}, then {"cause"}."""

    def renamed(old: str, new: str):
        return lambda fields: {new: fields[old].strip()}

    monkeypatch.setattr(codec, "VERSIONS", {"EndpointDisabled": 3})
    steps = {("EndpointDisabled", 1): renamed("why", "cause"), ("EndpointDisabled", 2): renamed("cause", "reason")}
    monkeypatch.setattr(codec, "UPCASTERS", steps)


@pytest.mark.usefixtures("third_version")
@pytest.mark.parametrize(("version", "body"), [(1, b'{"why":" x "}'), (2, b'{"cause":"x "}'), (3, b'{"reason":"x"}')])
def test_old_shapes_are_lifted_step_by_step(version: int, body: bytes) -> None:
    assert codec.decode("EndpointDisabled", version, body) == EndpointDisabled("x")
    assert codec.version_of(EndpointDisabled("x")) == 3


@pytest.mark.usefixtures("third_version")
def test_an_old_shape_that_lifts_to_nonsense_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "UPCASTERS", {("EndpointDisabled", 2): lambda _: {}})
    with pytest.raises(codec.UnreadableEvent):
        codec.decode("EndpointDisabled", 2, b'{"cause":"x"}')


def test_every_event_is_known_by_its_name() -> None:
    assert {kind.__name__: kind for kind in Event.__subclasses__()} == codec.TYPES
    assert all(kind.__struct_config__.frozen for kind in codec.TYPES.values())


def test_every_old_version_has_its_upcaster() -> None:
    needed = {(name, version) for name, newest in codec.VERSIONS.items() for version in range(1, newest)}
    assert set(codec.UPCASTERS) == needed


def test_bytes_are_json() -> None:
    assert msgspec.json.decode(codec.encode(EndpointDisabled("ü"))) == {"reason": "ü"}
