"""Something that goes on until it is healed: two operations in turn."""

from __future__ import annotations

from .loop import Until
from .proto import Refused, now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .loop import Task

    Step = tuple[dict[str, Any], float]

#: Seconds that the operation under way has to come to its end.
_END = 60.0


class Alternating:
    """Two operations in turn, each followed by its pause in seconds."""

    def __init__(
        self,
        steps: tuple[Step, Step],
        perform: Callable[[dict[str, Any]], Task],
        warn: Callable[[str], None],
    ) -> None:
        self._steps = steps
        self._perform = perform
        self._warn = warn
        self._told: set[str] = set()
        self._ending = False
        self._ended = False

    def task(self) -> Task:
        """Task: go on until :meth:`end`.

        An operation that is refused (another fault has stopped the service meanwhile) is told
        once and tried again in its turn.
        """
        try:
            while not self._ending:
                for operation, pause in self._steps:
                    if self._ending:
                        break
                    due = now() + pause
                    try:
                        yield from self._perform(operation)
                    except Refused as error:
                        if error.what not in self._told:
                            self._told.add(error.what)
                            self._warn(error.what)
                    yield Until(lambda: self._ending, due)
        finally:
            self._ended = True

    def end(self) -> Task:
        """Task: no more of it. Raises Refused when the operation under way does not end."""
        self._ending = True
        if not (yield Until(lambda: self._ended, now() + _END)):
            raise Refused("what alternates did not come to an end", "heal again")
