"""Shows what the library is doing, on stderr: spinners on a terminal, plain lines otherwise."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress as RichBar
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from lvslab.progress import Progress


class _PlainStep:
    def __init__(self, say: Callable[[str], None], verbose: bool) -> None:
        self._say = say
        self._verbose = verbose

    def note(self, text: str) -> None:
        """Say it at once with ``-v``; else notes are only for terminals."""
        if self._verbose:
            self._say(f"  {text}")


class PlainProgress:
    """One line when a step begins and one when it ends, each with the time since the start.

    Several steps may be open at once, from any thread; a line is written whole or not at all.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._verbose = verbose
        self._clock = clock
        self._start = clock()
        self._lock = threading.Lock()

    def _say(self, text: str) -> None:
        with self._lock:
            self._stream.write(f"[{self._clock() - self._start:6.1f}s] {text}\n")
            self._stream.flush()

    @contextmanager
    def step(self, what: str) -> Iterator[_PlainStep]:
        """See :meth:`lvslab.progress.Progress.step`."""
        began = self._clock()
        self._say(f"{what} ...")
        try:
            yield _PlainStep(self._say, self._verbose)
        except BaseException:
            self._say(f"{what} ... failed ({self._clock() - began:.1f} s)")
            raise
        self._say(f"{what} ... done ({self._clock() - began:.1f} s)")


class _RichStep:
    def __init__(self, bar: RichBar, task: TaskID) -> None:
        self._bar = bar
        self._task = task

    def note(self, text: str) -> None:
        """Show it beside the step's name until the next note."""
        self._bar.update(self._task, note=escape(text))


class RichProgress:
    """A spinner a step while it lasts, and one line with its duration once it is done.

    The live display exists only while a step is open, so that nothing redraws a prompt, a
    shell or a table of the verb itself.
    """

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._lock = threading.Lock()
        self._bar: RichBar | None = None
        self._open = 0

    def _enter(self, what: str) -> tuple[RichBar, TaskID]:
        with self._lock:
            if self._bar is None:
                self._bar = RichBar(
                    SpinnerColumn(),
                    TextColumn("{task.description}"),
                    TimeElapsedColumn(),
                    TextColumn("[dim]{task.fields[note]}"),
                    console=self._console,
                    transient=True,
                )
                self._bar.start()
            self._open += 1
            return self._bar, self._bar.add_task(escape(what), total=None, note="")

    def _leave(self, bar: RichBar, task: TaskID, line: str) -> None:
        with self._lock:
            bar.remove_task(task)
            self._open -= 1
            if self._open == 0:
                bar.stop()
                self._bar = None
            self._console.print(line)

    @contextmanager
    def step(self, what: str) -> Iterator[_RichStep]:
        """See :meth:`lvslab.progress.Progress.step`."""
        began = self._clock()
        bar, task = self._enter(what)
        mark = "[red]✗[/]"
        try:
            yield _RichStep(bar, task)
            mark = "[green]✓[/]"
        finally:
            took = self._clock() - began
            self._leave(bar, task, f"{mark} {escape(what)} [dim]({took:.1f} s)[/]")


def for_terminal(console: Console, *, verbose: bool = False) -> Progress:
    """Return the progress that fits ``console`` (stderr): rich on a terminal, else plain."""
    if console.is_terminal and not console.is_dumb_terminal:
        return RichProgress(console)
    return PlainProgress(console.file, verbose=verbose)  # type: ignore[arg-type]
