import io

from daemon.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Watch:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(out: io.StringIO, seconds: list[float]) -> str:
    watch = Watch()
    with Progress("reading the log", 4000, out, watch) as progress:
        for each in seconds:
            watch.now += each
            progress.advance(1000)
    return out.getvalue()


def test_nothing_is_said_for_two_seconds_nor_to_anything_but_a_terminal() -> None:
    assert run(Terminal(), [0.5] * 3) == ""
    assert run(io.StringIO(), [5.0] * 3) == ""


def test_a_line_says_how_far_it_is_and_goes_away() -> None:
    said = run(Terminal(), [3.0, 0.01, 3.0])
    assert said.count("\r") == 3  # twice shown, once taken away
    assert "reading the log [######                  ]  25% of 4,000, 9 s left" in said
    assert "75% of 4,000, 2 s left" in said
    assert said.endswith("\r\x1b[K")


def test_the_line_makes_room_for_others() -> None:
    out, watch = Terminal(), Watch()
    with Progress("w", 2, out, watch) as progress:
        progress.clear()
        watch.now += 3
        progress.advance(1)
        progress.clear()
        print("something else", file=out)
    assert out.getvalue().endswith("\r\x1b[Ksomething else\n")


def test_what_has_no_end_has_no_rest() -> None:
    assert Progress("w", 0, io.StringIO(), Watch()).line(101.0) == f"w [{' ' * 24}]   0% of 1"
