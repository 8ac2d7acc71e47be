"""What services say: passed on to the agent's stderr as it is, and each line as an event.

A service writes into a pipe of its own. The agent holds both ends of it for as long as it lives,
so a child that outlives a killed parent can still write, and what a service said last is still
there to be read when it has ended.
"""

from __future__ import annotations

import os
import select
from collections import deque

from .proto import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .loop import Loop

#: Bytes held for a reader of stderr that does not read; beyond it the oldest are given up.
HELD_LIMIT = 1 << 18
#: Characters of a line that an event has; the whole of it is on stderr.
TEXT_LIMIT = 1000
#: Lines a second, of one service, that become events; the rest is on stderr only.
RATE_LIMIT = 200
_CHUNK = 1 << 16
_DROPPED = b"lvslab agent: %d bytes of the services' output were lost: nobody read them\n"


class Stderr:
    """Passes bytes on without ever blocking the agent."""

    def __init__(self, loop: Loop, fd: int) -> None:
        self._loop = loop
        self._fd = fd
        self._held: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        # Python's own buffer is not used: what is written here must not overtake it.
        os.set_blocking(fd, False)

    def write(self, data: bytes) -> None:
        """Write what the reader takes now; hold the rest, or give up the oldest of it."""
        if self._held:
            self._hold(data)
        elif rest := self._try(data):
            self._hold(rest)
            self._loop.add(self._fd, lambda _events: self._drain(), select.EPOLLOUT)

    def flush(self, seconds: float) -> None:
        """Write all that is held, waiting up to ``seconds`` for the reader."""
        deadline = now() + seconds
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        while self._held and (left := deadline - now()) > 0:
            poll.poll(left * 1000)
            self._drain()

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._size += len(data)
        while self._size > HELD_LIMIT and len(self._held) > 1:
            oldest = self._held.popleft()
            self._size -= len(oldest)
            self._lost += len(oldest)

    def _drain(self) -> None:
        while self._held:
            if self._lost:
                # A line's beginning may be out already: this one gets its own.
                note, self._lost = b"\n" + _DROPPED % self._lost, 0
                self._held.appendleft(note)
                self._size += len(note)
            data = self._held.popleft()
            rest = self._try(data)
            self._size -= len(data) - len(rest)
            if rest:
                self._held.appendleft(rest)
                return
        self._loop.remove(self._fd)

    def _try(self, data: bytes) -> bytes:
        """Return what was not taken."""
        try:
            return data[os.write(self._fd, data) :]
        except BlockingIOError:
            return data
        except OSError:
            return b""  # nobody will ever read this (EPIPE), or it has no room (ENOSPC)


class ServiceLog:
    """One service's output."""

    def __init__(self, name: str, stderr: Stderr, emit: Callable[..., None]) -> None:
        self._name = name
        self._stderr = stderr
        self._emit = emit
        self.fd, self.write_end = os.pipe2(os.O_CLOEXEC)
        # The reading end alone: a service's own end must block, or its last words get lost.
        os.set_blocking(self.fd, False)
        self._rest = b""
        self._second = 0
        self._count = 0
        self._skipped = 0

    def read(self, _events: int = 0) -> None:
        """Take all that is there."""
        while True:
            try:
                data = os.read(self.fd, _CHUNK)
            except BlockingIOError:
                return
            t = now()
            self._stderr.write(data)
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._line(t, line)
            if len(self._rest) > _CHUNK:
                self._line(t, self._rest)
                self._rest = b""
            if len(data) < _CHUNK:
                return

    def ended(self) -> None:
        """Take what the service said before it ended, its last line even without a newline."""
        self.read()
        if self._rest:
            self._line(now(), self._rest)
            self._rest = b""

    def _line(self, t: float, line: bytes) -> None:
        text = line.rstrip(b"\r").decode(errors="replace")
        if not text:
            return
        if int(t) != self._second:
            self._second, self._count = int(t), 0
        self._count += 1
        if self._count > RATE_LIMIT:
            self._skipped += 1
            return
        fields: dict[str, object] = {"service": self._name, "text": text[:TEXT_LIMIT]}
        if self._skipped:
            fields["skipped"], self._skipped = self._skipped, 0
        self._emit("log", t, droppable=True, **fields)


class Logs:
    """The output of every service of the node."""

    def __init__(self, loop: Loop, fd: int, emit: Callable[..., None]) -> None:
        self._loop = loop
        self._stderr = Stderr(loop, fd)
        self._emit = emit
        self._of: dict[str, ServiceLog] = {}

    def output(self, name: str) -> int:
        """Return the descriptor that a service is to write to."""
        if name not in self._of:
            self._of[name] = log = ServiceLog(name, self._stderr, self._emit)
            self._loop.add(log.fd, log.read)
        return self._of[name].write_end

    def ended(self, name: str) -> None:
        """Read what a service that has just ended said last."""
        if name in self._of:
            self._of[name].ended()

    def flush(self, seconds: float) -> None:
        """Pass on everything that was said, waiting up to ``seconds`` for the reader."""
        for log in self._of.values():
            log.ended()
        self._stderr.flush(seconds)
