"""A command in a container with its streams joined to ours: ``exec``, ``shell``, ``capture``.

The Docker API upgrades the connection of ``exec start`` to a two-way stream. Without a
terminal both outputs come multiplexed: 8 bytes of head (stream, 0, 0, 0, length as 32 bits
big-endian), then the payload (Engine API reference, "Attach to a container").
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import socket
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker.api import APIClient

STDOUT = 1
STDERR = 2
_CHUNK = 65536
_HEAD = 8


class Demux:
    """Takes the multiplexed bytes apart as they come, in whatever pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (stream, payload) for each whole frame; the rest waits for more."""
        self._buffer += data
        while len(self._buffer) >= _HEAD:
            end = _HEAD + int.from_bytes(self._buffer[4:_HEAD], "big")
            if len(self._buffer) < end:
                return
            yield self._buffer[0], bytes(self._buffer[_HEAD:end])
            del self._buffer[:end]


@dataclass(slots=True)
class ExecStream:
    """A started command and the connection to it."""

    api: APIClient
    exec_id: str
    sock: socket.socket
    #: Bytes that came with the response's head, before anyone read the stream.
    early: bytes

    def send(self, data: bytes) -> None:
        """Write to the command's stdin. Raises OSError when it has gone."""
        self.sock.sendall(data)

    def close_stdin(self) -> None:
        """Give the command an end of file; its output still comes."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return  # The other side has closed already: nothing is left to end.

    def recv(self) -> bytes:
        """Return what came, waiting for it; empty at the end."""
        if self.early:
            data, self.early = self.early, b""
            return data
        try:
            return self.sock.recv(_CHUNK)
        except ConnectionResetError:
            return b""

    def exit_code(self) -> int:
        """Return the command's exit code, once its output has ended."""
        code = self.api.exec_inspect(self.exec_id)["ExitCode"]
        return int(code) if code is not None else 1

    def close(self) -> None:
        """Close the connection."""
        self.sock.close()


@contextmanager
def start(
    api: APIClient, container: str, argv: list[str], *, stdin: bool = False, terminal: bool = False
) -> Iterator[ExecStream]:
    """Start a command in a container. Raises docker.errors.APIError."""
    env = {"TERM": os.environ.get("TERM", "xterm")} if terminal else None
    made = api.exec_create(container, argv, stdin=stdin, tty=terminal, environment=env)
    raw: Any = api.exec_start(made["Id"], tty=terminal, socket=True)
    sock: socket.socket = raw._sock
    # The reader that parsed the response's head may have taken the first output along.
    reader = raw._response.raw._fp.fp
    sock.setblocking(False)
    early = bytes(reader.peek() or b"")
    sock.setblocking(True)
    stream = ExecStream(api, made["Id"], sock, early)
    try:
        yield stream
    finally:
        stream.close()
        raw._response.close()


def run(
    api: APIClient,
    container: str,
    argv: list[str],
    *,
    stdin: int | None = None,
    first: bytes = b"",
    on_output: Callable[[int, bytes], None] | None = None,
    until_interrupt: bool = False,
    seconds: float | None = None,
) -> int:
    """Run a command without a terminal and return its exit code.

    ``stdin`` is a file descriptor to feed it from, after the bytes ``first``. With
    ``until_interrupt`` its stdin stays open until Ctrl-C, or for ``seconds``, and is then
    closed, for a command that ends by that; its last output is waited for. Output goes to
    ours, or to ``on_output(stream, data)``.
    """
    deliver = on_output or write_through
    demux = Demux()
    deadline = time.monotonic() + seconds if seconds is not None else None
    attach = stdin is not None or until_interrupt
    # poll, not epoll: that one refuses plain files, which are always ready.
    with (
        start(api, container, argv, stdin=attach) as stream,
        _ending_by_interrupt(stream, until_interrupt),
        selectors.PollSelector() as ready,
    ):
        ready.register(stream.sock, selectors.EVENT_READ)
        if first:
            stream.send(first)
        if stdin is not None:
            ready.register(stdin, selectors.EVENT_READ)
        while True:
            events = _wait(stream, ready, deadline)
            if deadline is not None and time.monotonic() >= deadline:
                stream.close_stdin()
                deadline = None
            if stdin is not None and stdin in events:
                _feed(stream, ready, stdin)
            if stream.sock in events:
                data = stream.recv()
                if not data:
                    return stream.exit_code()
                for which, payload in demux.feed(data):
                    deliver(which, payload)


@contextmanager
def _ending_by_interrupt(stream: ExecStream, wanted: bool) -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM) close the command's stdin, wherever we are just then.

    As an exception it would come in the middle of writing output, and lose some. A second one
    does not wait for last words.
    """
    if not wanted:
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        restore()
        stream.close_stdin()

    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        restore()


def _wait(
    stream: ExecStream, ready: selectors.BaseSelector, deadline: float | None
) -> list[object]:
    if stream.early:
        return [stream.sock]
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    return [key.fileobj for key, _ in ready.select(left)]


def _feed(stream: ExecStream, ready: selectors.BaseSelector, fd: int) -> None:
    data = os.read(fd, _CHUNK)
    if data:
        try:
            stream.send(data)
        except OSError:
            data = b""  # It reads no more; its output may still come.
    if not data:
        ready.unregister(fd)
        stream.close_stdin()


def write_through(which: int, data: bytes) -> None:
    """Write a command's output to the same stream of ours, unbuffered."""
    target = sys.stderr if which == STDERR else sys.stdout
    target.buffer.write(data)
    target.buffer.flush()


def run_terminal(api: APIClient, container: str, argv: list[str]) -> int:
    """Run a command on our terminal until it ends and return its exit code.

    Raises termios.error when stdin is not a terminal.
    """
    fd = sys.stdin.fileno()
    with (
        start(api, container, argv, stdin=True, terminal=True) as stream,
        _window_changes() as changed,
        selectors.PollSelector() as ready,
        _raw_mode(fd),
    ):
        _resize(stream)
        ready.register(stream.sock, selectors.EVENT_READ)
        ready.register(fd, selectors.EVENT_READ)
        ready.register(changed, selectors.EVENT_READ)
        while True:
            events = {stream.sock} if stream.early else {k.fileobj for k, _ in ready.select()}
            if changed in events:
                changed.recv(_CHUNK)
                _resize(stream)
            if fd in events:
                stream.send(os.read(fd, _CHUNK))
            if stream.sock in events:
                data = stream.recv()
                if not data:
                    return stream.exit_code()
                write_through(STDOUT, data)


def _resize(stream: ExecStream) -> None:
    size = shutil.get_terminal_size()
    stream.api.exec_resize(stream.exec_id, height=size.lines, width=size.columns)


@contextmanager
def _raw_mode(fd: int) -> Iterator[None]:
    before = termios.tcgetattr(fd)
    tty.setraw(fd)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


@contextmanager
def _window_changes() -> Iterator[socket.socket]:
    """Yield a socket that gets a byte whenever the terminal's size has changed."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    old_handler = signal.signal(signal.SIGWINCH, lambda *_: None)
    old_fd = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    try:
        yield ours
    finally:
        signal.set_wakeup_fd(old_fd)
        signal.signal(signal.SIGWINCH, old_handler)
        ours.close()
        theirs.close()
