"""How the library tells what it is doing without knowing a terminal.

The library calls :meth:`Progress.step` around everything that can take longer than a
second; ``cli/`` shows it (rich on a terminal, plain lines otherwise).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Step(Protocol):
    """One thing under way."""

    def note(self, text: str) -> None:
        """Say what is being waited for or done right now, within this step."""


class Progress(Protocol):
    """A listener. Implementations must not raise and must accept calls from any thread."""

    def step(self, what: str) -> AbstractContextManager[Step]:
        """Open a step ("starting lvs1"); it ends, timed, when the context is left."""


class _SilentStep:
    def note(self, text: str) -> None:
        del text


class Silent:
    """A progress that shows nothing."""

    @contextmanager
    def step(self, what: str) -> Iterator[Step]:
        """See :meth:`Progress.step`."""
        del what
        yield _SilentStep()
