"""One loop over descriptors, timers and waiting tasks. No threads, no asyncio.

asyncio takes twice as long to import as the whole agent, and under an emulated processor
that is a second of every start.
"""

from __future__ import annotations

import heapq
import select

from .proto import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

#: Seconds between two looks at a condition that the kernel has no event for.
POLL = 0.02


class Until:
    """What a task yields to wait: until ``predicate()`` or ``deadline`` (CLOCK_MONOTONIC).

    The task gets back whether the predicate held. With ``poll`` the predicate is looked at
    every POLL seconds, else only when something happened.
    """

    __slots__ = ("deadline", "poll", "predicate")

    def __init__(
        self, predicate: Callable[[], bool], deadline: float, *, poll: bool = False
    ) -> None:
        self.predicate = predicate
        self.deadline = deadline
        self.poll = poll


if TYPE_CHECKING:
    Task = Generator[Until, bool, Any]


class Loop:
    """Runs callbacks and tasks until :meth:`stop`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._live: set[int] = set()
        self._next_timer = 0
        self._tasks: list[tuple[Task, Until]] = []
        self._deferred: list[Callable[[], None]] = []
        self._running = True

    def add(self, fd: int, handler: Callable[[int], None], events: int = select.EPOLLIN) -> bool:
        """Call ``handler(events)`` whenever the descriptor is ready.

        Returns False where it has no readiness to wait for (a regular file, /dev/null).
        """
        try:
            self._epoll.register(fd, events)
        except PermissionError:
            return False
        self._handlers[fd] = handler
        return True

    def remove(self, fd: int) -> None:
        """Forget a descriptor. Call it before closing the descriptor."""
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def call_at(self, when: float, callback: Callable[[], None]) -> int:
        """Call ``callback`` at CLOCK_MONOTONIC ``when``; the number returned cancels it."""
        self._next_timer += 1
        self._live.add(self._next_timer)
        heapq.heappush(self._timers, (when, self._next_timer, callback))
        return self._next_timer

    def cancel(self, timer: int) -> None:
        """Cancel a timer; one that has fired or was cancelled is no error."""
        self._live.discard(timer)

    def defer(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once every descriptor that is ready now was read."""
        self._deferred.append(callback)

    def spawn(self, task: Task) -> None:
        """Run a task; it must handle its own errors."""
        self._step(task, None)

    def stop(self) -> None:
        """Leave :meth:`run` after this round."""
        self._running = False

    def run(self) -> None:
        """Run until stopped."""
        while self._running:
            for fd, events in self._epoll.poll(self._timeout()):
                handler = self._handlers.get(fd)
                if handler is not None:
                    handler(events)
            deferred, self._deferred = self._deferred, []
            for callback in deferred:
                callback()
            self._fire()
            self._wake()

    def _timeout(self) -> float | None:
        t = now()
        until = [self._timers[0][0]] if self._timers else []
        for _, wait in self._tasks:
            until.append(min(wait.deadline, t + POLL) if wait.poll else wait.deadline)
        return max(0.0, min(until) - t) if until else None

    def _fire(self) -> None:
        t = now()
        while self._timers and self._timers[0][0] <= t:
            _, number, callback = heapq.heappop(self._timers)
            if number in self._live:
                self._live.discard(number)
                callback()

    def _wake(self) -> None:
        # A task that goes on may make another's condition true: look again until none moves.
        moved = True
        while moved:
            moved = False
            waiting, self._tasks = self._tasks, []
            for task, wait in waiting:
                if wait.predicate():
                    self._step(task, True)
                    moved = True
                elif now() >= wait.deadline:
                    self._step(task, False)
                    moved = True
                else:
                    self._tasks.append((task, wait))

    def _step(self, task: Task, answer: bool | None) -> None:
        try:
            wait = next(task) if answer is None else task.send(answer)
        except StopIteration:
            return
        self._tasks.append((task, wait))
