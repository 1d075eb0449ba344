from events.outcome import Fault, Outcome


def test_faults_are_closed_and_read_as_words() -> None:
    assert {str(each) for each in Fault} == {
        "status", "dns", "blocked", "connect", "tls", "timeout", "reset", "protocol", "internal",
    }  # fmt: skip


def test_an_outcome_needs_only_its_fault_and_duration() -> None:
    assert Outcome(None, 1, 200) == Outcome(None, 1, 200, b"", 0, None, "")
