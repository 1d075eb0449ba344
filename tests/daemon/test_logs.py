import io
import json
import logging

import pytest
import structlog

from daemon.logs import HIDDEN, configure

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
URL = "postgresql://hookd:hunter2@db/hookd"
SECRETS = [KEY, TOKEN, "hunter2"]


@pytest.fixture(params=["json", "console"])
def written(request: pytest.FixtureRequest):
    before = structlog.get_config()
    stream = io.StringIO()
    configure("info", request.param, stream)
    yield stream
    structlog.configure(**before)


def clean(stream: io.StringIO) -> str:
    text = stream.getvalue()
    assert text
    for secret in SECRETS:
        assert secret not in text
    return text


@pytest.mark.parametrize(
    "fields",
    [
        {"secret": "hunter2"},
        {"Authorization": "hunter2"},
        {"admin_id": "hunter2", "database_url": "hunter2"},
        {"anything": f"the key {KEY} and {TOKEN} at {URL}"},
        {"deep": {"x": [{"password": "hunter2"}, (KEY, {TOKEN})]}},
        {"body": b"hunter2"},
        {"error": RuntimeError(f"cannot reach {URL}")},
    ],
)
def test_no_secret_is_written(written: io.StringIO, fields: dict) -> None:
    structlog.get_logger().info("something_happened", **fields)
    text = clean(written)
    assert HIDDEN in text or "bytes" in text
    assert "something_happened" in text


def fail(hidden: str) -> None:  # a variable of a frame
    try:
        raise ValueError(KEY + hidden[:0])  # noqa: TRY301
    except ValueError as error:
        raise RuntimeError(f"refused: {URL}") from error


def test_no_secret_is_written_with_an_exception(written: io.StringIO) -> None:
    try:
        fail("retnuh"[::-1] + str(2))
    except RuntimeError:
        structlog.get_logger().exception("it_failed")
    text = clean(written)
    assert "RuntimeError" in text
    assert "ValueError" in text


def test_json_is_one_object_a_line() -> None:
    before = structlog.get_config()
    stream = io.StringIO()
    configure("warning", "auto", stream)  # no terminal
    log = structlog.get_logger()
    log.info("not_shown")
    log.warning("shown", count=3, nothing=None, ratio=0.5)
    structlog.configure(**before)
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert (entry["event"], entry["level"], entry["count"], entry["nothing"], entry["ratio"]) == (
        "shown", "warning", 3, None, 0.5,
    )  # fmt: skip
    assert entry["timestamp"].endswith("Z")


def test_libraries_speak_through_the_same_lines(written: io.StringIO) -> None:
    logging.getLogger("some.package").warning("no answer from %s", "postgresql://u:hunter2@db")
    assert "library_said" in written.getvalue()
    assert "some.package" in written.getvalue()
    assert "postgresql://***@db" in written.getvalue()
