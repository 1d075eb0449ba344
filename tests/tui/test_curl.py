import subprocess

import pytest

from tests.tui.hostile import TEXTS
from tui.curl import command, quoted


def test_a_request_to_try_by_hand() -> None:
    made = command(
        "POST", "https://a/x", [("webhook-id", "m1"), ("Host", "a"), ("webhook-signature", "unknown")], '{"a": 1}'
    )
    assert made == "curl -i -X POST https://a/x \\\n  -H 'webhook-id: m1' \\\n  --data-binary '{\"a\": 1}'"


@pytest.mark.parametrize(
    "text", [each for each in TEXTS if "\0" not in each and "\ud800" not in each and len(each) < 1000]
)
def test_a_shell_reads_back_exactly_what_was_meant(text: str) -> None:
    shown = subprocess.run(["bash", "-c", f"printf %s {quoted(text)}"], capture_output=True, check=True).stdout
    assert shown.decode() == text
    assert quoted(text).isprintable()
