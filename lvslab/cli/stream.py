"""Commands in containers on our own terminal, or piped: ``exec``, ``shell``, ``capture``."""

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
from types import FrameType
from typing import TYPE_CHECKING

from lvslab.execstream import STDERR, STDOUT, Demux, ExecStream, start

if TYPE_CHECKING:
    from docker.api import APIClient

_CHUNK = 65536


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
