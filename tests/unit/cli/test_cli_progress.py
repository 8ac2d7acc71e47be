from __future__ import annotations

import io
import re
import threading

import pytest
from rich.console import Console

from lvslab.cli.progress import PlainProgress, RichProgress, for_terminal


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_have_the_time_and_the_duration() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = PlainProgress(stream, clock=clock)
    clock.now += 12.34
    with progress.step("building the guest root") as step:
        step.note("unpacking")
        clock.now += 45.2
    assert stream.getvalue().splitlines() == [
        "[  12.3s] building the guest root ...",
        "[  57.5s] building the guest root ... done (45.2 s)",
    ]


def test_notes_are_shown_with_verbose() -> None:
    stream = io.StringIO()
    with PlainProgress(stream, verbose=True, clock=Clock()).step("x") as step:
        step.note("waiting for lvs1")
    assert stream.getvalue().splitlines()[1] == "[   0.0s]   waiting for lvs1"


def test_a_step_that_failed_says_so_and_the_error_goes_on() -> None:
    stream = io.StringIO()
    with pytest.raises(ValueError, match="no"), PlainProgress(stream, clock=Clock()).step("x"):
        raise ValueError("no")
    assert stream.getvalue().splitlines()[-1] == "[   0.0s] x ... failed (0.0 s)"


def test_lines_of_many_threads_stay_whole() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, clock=Clock())
    together = threading.Barrier(8)

    def work(name: str) -> None:
        together.wait(10)
        for _ in range(50):
            with progress.step(name):
                pass

    threads = [threading.Thread(target=work, args=(f"step{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 8 * 50 * 2
    shape = re.compile(r"\[   0\.0s\] step\d \.\.\.( done \(0\.0 s\))?")
    assert all(shape.fullmatch(line) for line in lines)


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_terminal_gets_a_line_per_finished_step_and_its_screen_back() -> None:
    console, clock = terminal(), Clock()
    progress = RichProgress(console, clock=clock)
    with progress.step("outer [x]"):
        with progress.step("inner") as step:
            step.note("half way")
            clock.now += 2.0
        clock.now += 1.0
    text = shown(console)
    assert "✓ inner (2.0 s)" in text
    assert "✓ outer [x] (3.0 s)" in text
    # The cursor was hidden for the spinner and is shown again.
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_a_terminal_shows_a_failed_step() -> None:
    console = terminal()
    with pytest.raises(ValueError, match="no"), RichProgress(console, clock=Clock()).step("x"):
        raise ValueError("no")
    assert "✗ x (0.0 s)" in shown(console)


def test_which_progress_for_which_stream() -> None:
    assert isinstance(for_terminal(terminal()), RichProgress)
    assert isinstance(for_terminal(Console(file=io.StringIO())), PlainProgress)
