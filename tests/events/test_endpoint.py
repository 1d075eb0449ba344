from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.catalogue import (
    ApplicationDeleted,
    BreakerClosed,
    BreakerOpened,
    EndpointConfig,
    EndpointDeleted,
    EndpointDisabled,
    EndpointEnabled,
    EndpointRegistered,
    EndpointUpdated,
)
from events.endpoint import Endpoint, evolve
from events.outcome import Fault
from tests.support.builders import APP, EP, NOW, an_endpoint

LATER = NOW + timedelta(seconds=1)
OPENED = BreakerOpened(LATER, 3, Fault.DNS, NOW)


def after(*events) -> Endpoint:
    endpoint = an_endpoint()
    for event in events:
        endpoint = evolve(endpoint, event, EP, 0, LATER)
    return endpoint


def test_it_is_registered_as_configured() -> None:
    config = EndpointConfig("http://e.test/hook", event_types=("a",), retry_delays_s=(1.0,), batch_size=3)
    endpoint = evolve(None, EndpointRegistered(APP, config, "sec_1"), EP, 0, NOW)
    assert endpoint == an_endpoint(event_types=("a",), retry_delays_s=(1.0,), batch_size=3)
    assert endpoint.config == config


def test_it_is_what_its_events_say() -> None:
    assert after(EndpointUpdated(EndpointConfig("http://x/"))).url == "http://x/"
    assert after(EndpointDisabled("x")).disabled == "x"
    assert after(EndpointDeleted()).deleted_at == LATER
    opened = after(OPENED, OPENED)
    assert (opened.breaker_until, opened.breaker_opens, opened.failing_since, opened.version) == (LATER, 2, NOW, 3)
    assert after(OPENED, BreakerClosed()).breaker == an_endpoint().breaker
    assert after(OPENED, EndpointDisabled("x"), EndpointEnabled()).breaker == an_endpoint().breaker


def test_events_of_others_are_a_fault() -> None:
    with pytest.raises(AssertionError):
        after(ApplicationDeleted())


NAMES = st.sampled_from("abc")
SETS = st.none() | st.lists(NAMES, max_size=3, unique=True).map(tuple)


@given(SETS, SETS, NAMES, SETS)
def test_what_it_wants(event_types, channels, event_type: str, of_message) -> None:
    by_type = event_types is None or event_type in event_types
    by_channel = channels is None or bool(set(channels) & set(of_message or ()))
    assert an_endpoint(event_types=event_types, channels=channels).wants(event_type, of_message) == (
        by_type and by_channel
    )
