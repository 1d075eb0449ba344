from daemon.live import frames


def test_frames():
    assert frames.frame("stats", b"{}") == b"event: stats\ndata: {}\n\n"
    assert frames.events([b"1", b"2"], "3.4") == b"id: 3.4\nevent: events\ndata: [1,2]\n\n"
    assert frames.skipped(7, "3.4") == b'id: 3.4\nevent: skipped\ndata: {"count":7,"positions":"3.4"}\n\n'
    assert frames.KEEP_ALIVE.startswith(b":")
