"""The agent's wire: one JSON object a line, out on stdout and in on stdin (docs/agent.md)."""

from __future__ import annotations

import json
import os
import select
import time
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: What a pipe takes in one piece (PIPE_BUF, pipe(7)); several short lines share one write.
PIPE_BUF = 4096
#: Bytes held for a reader that does not read; beyond it the oldest lines are given up.
BUFFER_LIMIT = 1 << 20
#: Bytes of one command. Nothing sensible is longer; what is was not meant for the agent.
LINE_LIMIT = 1 << 20

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


class Refused(Exception):
    """A command that cannot be carried out: what is wrong and what to do about it."""

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


def now() -> float:
    """Return CLOCK_MONOTONIC of the kernel, in seconds."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def encode(message: dict[str, Any]) -> bytes:
    """Return one line of the protocol."""
    return _ENCODE(message).encode() + b"\n"


class LineReader:
    """Cuts a stream of bytes into lines; a line longer than LINE_LIMIT is skipped, not kept."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines, without their newline, that ``data`` completes."""
        *lines, rest = (self._rest + data).split(b"\n")
        if self._skipping and lines:
            lines.pop(0)
            self._skipping = False
        if len(rest) > LINE_LIMIT:
            rest, self._skipping = b"", True
        self._rest = b"" if self._skipping else rest
        return [line for line in lines if line.strip()]


class Out:
    """Writes lines to a descriptor without ever blocking the agent.

    What the reader does not take is held, up to BUFFER_LIMIT bytes; then the oldest lines
    that may be dropped (adverts, probe results) go first, then the oldest of all. The count
    of what was dropped is reported (``dropped``) as soon as the reader reads again.
    """

    def __init__(self, fd: int, node: str, want_write: Callable[[bool], None]) -> None:
        self._fd = fd
        self._node = node
        self._want_write = want_write
        self._queue: deque[tuple[bytes, bool]] = deque()
        self._size = 0
        self._head_cut = False
        self._waiting = False
        self.dropped = 0
        os.set_blocking(fd, False)

    def event(
        self, ev: str, t: float | None = None, *, droppable: bool = False, **fields: Any
    ) -> None:
        """Write an event that happened at ``t`` (CLOCK_MONOTONIC seconds; default: now)."""
        t = now() if t is None else t
        message = {"t": round(t, 6), "node": self._node, "ev": ev, **fields}
        self.raw(encode(message), droppable=droppable)

    def reply(self, ident: Any, result: dict[str, Any]) -> None:
        """Answer the command ``ident``: it was carried out."""
        self.raw(
            encode(
                {"t": round(now(), 6), "node": self._node, "re": ident, "ok": True}
                | {"result": result}
            )
        )

    def refuse(self, ident: Any, error: Refused) -> None:
        """Answer the command ``ident``: it was not carried out, and why."""
        self.raw(
            encode(
                {"t": round(now(), 6), "node": self._node, "re": ident, "ok": False}
                | {"error": error.what, "fix": error.fix}
            )
        )

    def raw(self, lines: bytes, *, droppable: bool = False) -> None:
        """Write bytes that already are whole lines."""
        self._queue.append((lines, droppable))
        self._size += len(lines)
        if not self._waiting:
            self.drain()
        if self._size > BUFFER_LIMIT:
            self._shrink()

    def drain(self) -> None:
        """Write as much as the reader takes now."""
        while self._queue:
            piece = self._take()
            try:
                written = os.write(self._fd, piece)
            except BlockingIOError:
                written = 0
            except (BrokenPipeError, ConnectionResetError):
                written = len(piece)  # nobody will ever read this: not an error of the node
            self._size -= written
            if written < len(piece):
                self._queue.appendleft((piece[written:], False))
                # A line that was begun must be ended, or the reader sees two halves as one.
                self._head_cut = self._head_cut or written > 0
                self._set_waiting(True)
                return
            self._head_cut = False
        if self.dropped:
            count, self.dropped = self.dropped, 0
            self.event("dropped", count=count)
        if not self._queue:
            self._set_waiting(False)

    def flush(self, seconds: float) -> None:
        """Write all that is held, waiting up to ``seconds`` for the reader."""
        deadline = now() + seconds
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        self.drain()
        while self._queue and (left := deadline - now()) > 0:
            poll.poll(left * 1000)
            self.drain()

    def _take(self) -> bytes:
        piece = self._queue.popleft()[0]
        if not self._queue or len(piece) >= PIPE_BUF:
            return piece
        pieces = [piece]
        total = len(piece)
        while self._queue and total + len(self._queue[0][0]) <= PIPE_BUF:
            pieces.append(self._queue.popleft()[0])
            total += len(pieces[-1])
        return b"".join(pieces)

    def _shrink(self) -> None:
        # Down to half, so that a reader that stays away costs one pass in thousands of lines.
        head = self._queue.popleft() if self._head_cut else None
        for only_droppable in (True, False):
            if self._size <= BUFFER_LIMIT and not only_droppable:
                break
            kept: deque[tuple[bytes, bool]] = deque()
            for lines, droppable in self._queue:
                if self._size > BUFFER_LIMIT // 2 and (droppable or not only_droppable):
                    self._size -= len(lines)
                    self.dropped += lines.count(b"\n")
                else:
                    kept.append((lines, droppable))
            self._queue = kept
        if head is not None:
            self._queue.appendleft(head)

    def _set_waiting(self, waiting: bool) -> None:
        if waiting != self._waiting:
            self._waiting = waiting
            self._want_write(waiting)
