"""A command in a container with its streams joined to ours.

The Docker API upgrades the connection of ``exec start`` to a two-way stream. Without a
terminal both outputs come multiplexed: 8 bytes of head (stream, 0, 0, 0, length as 32 bits
big-endian), then the payload (Engine API reference, "Attach to a container").
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker.api import APIClient

STDOUT = 1
STDERR = 2
_CHUNK = 65536
_HEAD = 8
# A command must end when we do, however we do (kill -9 included): our end of its stdin closes
# then, and that is what ends it. SIGINT would be ignored: sh gives that to background jobs.
_UNTIL_STDIN_ENDS = """
exec 3<&0
"$@" 3<&- & p=$!
{ cat <&3; kill -TERM $p; } >/dev/null 2>&1 & w=$!
exec 3<&-
wait $p; c=$?
kill $w 2>/dev/null
exit $c
"""


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
        """Close the connection; whoever waits in :meth:`recv` gets its end."""
        with suppress(OSError):  # it has gone already
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def until_stdin_ends(argv: list[str]) -> list[str]:
    """Return the command that runs ``argv`` and ends it (SIGTERM) when its stdin ends."""
    return ["/bin/sh", "-c", _UNTIL_STDIN_ENDS, argv[0], *argv]


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
