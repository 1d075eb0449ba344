"""From bodies to settings."""

from daemon.api.v1.endpoint_models import EndpointIn, EndpointPatch
from events.catalogue import EndpointConfig


def test_a_body_becomes_a_config():
    body = {"url": "http://x.example", "version": 2, "retryDelaysSeconds": [1], "channels": ["c"], "disabled": True}
    expected = EndpointConfig(url="http://x.example/", api_version=2, retry_delays_s=(1.0,), channels=("c",))
    assert EndpointIn.model_validate(body).config() == expected


def test_a_patch_names_what_was_sent_and_no_more():
    body = {"url": "http://x.example", "uid": None, "filterTypes": ["a"], "secret": "ignored", "headers": None}
    patch = EndpointPatch.model_validate(body)
    assert patch.settings(only_sent=True) == {"url": "http://x.example/", "uid": None, "event_types": ("a",)}


def test_keys_are_not_shown():
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert key not in repr(EndpointIn.model_validate({"url": "http://x.example", "secret": key}))
