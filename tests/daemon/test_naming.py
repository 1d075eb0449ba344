from daemon.naming import crew_of, process_name, worker_name


def test_a_worker_is_known_by_its_parent_and_number() -> None:
    parent = process_name()
    assert crew_of(worker_name(parent, 12)) == (parent, "12")
    assert crew_of(parent) is None
    assert process_name() != parent
