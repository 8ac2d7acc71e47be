"""What is measured: figures, and the times of the library's own steps."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


class FailedError(Exception):
    """Something that is measured does not work."""


@dataclass
class Figure:
    """One line of the table: what was measured, each time, and what is to be reached."""

    what: str
    unit: str = "s"
    target: float | None = None
    note: str = ""
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle one of the values."""
        return statistics.median(self.values)

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table, in the order of _COLUMNS."""
        digits = 0 if self.unit == "MiB" else 2
        numbers = (self.median, min(self.values), max(self.values))
        shown = [f"{value:.{digits}f} {self.unit}" for value in numbers]
        target = "" if self.target is None else f"≤ {self.target:g} {self.unit}"
        return (self.what, *shown, str(len(self.values)), target)


class Recorder:
    """A progress that keeps how long each step took, in seconds."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, float]] = []
        self._lock = threading.Lock()

    @contextmanager
    def step(self, what: str) -> Iterator[Recorder]:
        """See lvslab.progress.Progress.step."""
        began = time.monotonic()
        yield self
        with self._lock:
            self.steps.append((what, time.monotonic() - began))

    def note(self, text: str) -> None:
        """Nobody reads it."""
        del text

    def take(self, beginning: str) -> float:
        """Return the time of the latest step of which the name begins so."""
        return next(took for what, took in reversed(self.steps) if what.startswith(beginning))
